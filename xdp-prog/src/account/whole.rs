//! A message that can be read in one go, outside the kernel.

use super::{
    Message, Named,
    address::{Uri, User, has_tag, uri, user},
    hash::{End, name_hash, value_hash},
    line::{Header, LineSteps, header, line_steps, rest_of_line},
    parameter::{ParameterStep, parameter},
    quoted::skip_quoted,
    walk::Walk,
};
use crate::{bytes::Whole, stream};

impl Whole<'_> {
    /// [`Walk::next`] through this message.
    pub fn next(&self, walk: &mut Walk) -> Named {
        walk.next(
            |walk| walk.line(self),
            |walk| walk.address(self),
            |walk| {
                walk.begin_credentials(self);
                walk.credentials(|walk| walk.turn(self));
            },
        );
        walk.found
    }
}

impl Message for Whole<'_> {
    fn byte(&self, at: u32) -> Option<u8> {
        self.payload.byte(at as usize)
    }

    fn line_steps(&self, at: u32, most: u32) -> LineSteps {
        line_steps(self.from(at), most)
    }

    fn rest_of_line(&self, at: u32, most: u32) -> u32 {
        rest_of_line(self.from(at), most)
    }

    fn header(&self, at: u32) -> Header {
        header(self.from(at))
    }

    fn skip_blanks(&self, at: u32) -> u32 {
        at + stream::skip_blanks(self.from(at))
    }

    fn uri(&self, at: u32, most: u32) -> Option<Uri> {
        uri(self.from(at), most)
    }

    fn user(&self, at: u32, most: u32, bracketed: bool) -> Option<User> {
        user(self.from(at), most, bracketed)
    }

    fn has_tag(&self, at: u32, most: u32) -> bool {
        has_tag(self.from(at), most)
    }

    fn skip_quoted(&self, at: u32, most: u32) -> u32 {
        skip_quoted(self.from(at), most)
    }

    fn parameter(&self, at: u32, most: u32, state: u8) -> ParameterStep {
        parameter(self.from(at), most, state)
    }

    fn name_hash(&self, at: u32, most: u32, end: End) -> u64 {
        name_hash(self.from(at), most, end)
    }

    fn value_hash(&self, at: u32, most: u32, end: End) -> u64 {
        value_hash(self.from(at), most, end)
    }
}
