//! A payload that can be read in one go, outside the kernel.

use super::{
    Text,
    begin::Begin,
    header::{header_rest, header_steps},
    plain_bytes::{has_plain_bytes, has_usual_bytes},
    start_line::{continued, first_line, in_start_line, is_plain_start, start_rest, start_steps},
    walk::Walk,
};
use crate::bytes::Whole;

impl Text for Whole<'_> {
    fn first_line(&self, at: u32) -> u32 {
        first_line(self.from(at), self.length.saturating_sub(at))
    }

    fn start_line(&self, at: u32, begin: Begin) -> u32 {
        in_start_line(self, at, begin)
    }

    fn is_plain_start(&self, at: u32, line: u32) -> bool {
        is_plain_start(self.from(at), line)
    }

    fn has_usual_bytes(&self) -> bool {
        has_usual_bytes(self.payload, self.length)
    }

    fn has_plain_bytes(&self) -> bool {
        has_plain_bytes(self.payload, self.length)
    }

    fn blanks(&self) -> u32 {
        crate::sip::blanks(self.payload)
    }

    fn length(&self) -> u32 {
        self.length
    }

    fn head(&self, at: u32) -> Option<[u8; 4]> {
        self.from(at).chunk::<4>(0).copied()
    }

    fn start_steps(&self, at: u32, length: u32) -> Walk {
        start_steps(self.from(at), length)
    }

    fn start_rest(&self, at: u32, length: u32, walk: Walk) -> Walk {
        start_rest(self.from(at), length, walk)
    }

    fn header_steps(&self, at: u32, length: u32, walk: Walk) -> Walk {
        header_steps(self.from(at), length, walk)
    }

    fn header_rest(&self, at: u32, length: u32, walk: Walk) -> Walk {
        header_rest(self.from(at), length, walk)
    }

    fn continued(&self, at: u32) -> u32 {
        continued(self.from(at), self.length.saturating_sub(at))
    }
}
