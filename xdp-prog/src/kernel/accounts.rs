//! The walk through the names of a message: each step is a function that the verifier checks separately.

use aya_ebpf::bindings::xdp_md;
use xdp_prog::{
    account::{End, Header, LineSteps, Message, Named, ParameterStep, Uri, User, Walk, Wanted},
    frame::{Packet, TCP},
};

use super::{
    subprograms::{
        sip_has_tag, sip_header, sip_line_steps, sip_name_hash, sip_next_account, sip_parameter,
        sip_rest_of_line, sip_skip_blanks, sip_skip_quoted, sip_uri, sip_user, sip_value_hash,
    },
    world::{payload, scratch},
};

#[inline(always)]
pub(super) fn begin(packet: &Packet, wanted: Wanted) {
    if let Some(scratch) = scratch() {
        let walk = Walk::new(packet.offset, packet.length, wanted, packet.protocol == TCP);
        // SAFETY: this CPU's own, and nothing else refers to this part of it.
        unsafe { (*scratch).names = walk };
    }
}

#[inline(always)]
pub(super) fn next(ctx: *mut xdp_md) -> Named {
    let Some(scratch) = scratch() else { return Named::default() };
    // SAFETY: as above.
    let walk = unsafe { &mut (*scratch).names };
    sip_next_account(ctx, walk);
    walk.found
}

/// The names that the last step found.
#[inline(always)]
pub(super) fn found() -> Named {
    // SAFETY: this CPU's own, copied at once.
    scratch().map_or_else(Named::default, |scratch| unsafe { (*scratch).names.found })
}

pub(super) struct ReceivedMessage {
    pub(super) ctx: *mut xdp_md,
    pub(super) offset: u32,
}

impl Message for ReceivedMessage {
    #[inline(always)]
    fn byte(&self, at: u32) -> Option<u8> {
        payload(self.ctx, self.offset + at).byte(0)
    }

    #[inline(always)]
    fn line_steps(&self, at: u32, most: u32) -> LineSteps {
        sip_line_steps(self.ctx, self.offset + at, most)
    }

    #[inline(always)]
    fn rest_of_line(&self, at: u32, most: u32) -> u32 {
        sip_rest_of_line(self.ctx, self.offset + at, most)
    }

    #[inline(always)]
    fn header(&self, at: u32) -> Header {
        sip_header(self.ctx, self.offset + at)
    }

    #[inline(always)]
    fn skip_blanks(&self, at: u32) -> u32 {
        at + sip_skip_blanks(self.ctx, self.offset + at)
    }

    #[inline(always)]
    fn uri(&self, at: u32, most: u32) -> Option<Uri> {
        sip_uri(self.ctx, self.offset + at, most)
    }

    #[inline(always)]
    fn user(&self, at: u32, most: u32, bracketed: bool) -> Option<User> {
        sip_user(self.ctx, self.offset + at, most, bracketed)
    }

    #[inline(always)]
    fn has_tag(&self, at: u32, most: u32) -> bool {
        sip_has_tag(self.ctx, self.offset + at, most)
    }

    #[inline(always)]
    fn skip_quoted(&self, at: u32, most: u32) -> u32 {
        sip_skip_quoted(self.ctx, self.offset + at, most)
    }

    #[inline(always)]
    fn parameter(&self, at: u32, most: u32, state: u8) -> ParameterStep {
        sip_parameter(self.ctx, self.offset + at, most, state)
    }

    #[inline(always)]
    fn name_hash(&self, at: u32, most: u32, end: End) -> u64 {
        sip_name_hash(self.ctx, self.offset + at, most, end)
    }

    #[inline(always)]
    fn value_hash(&self, at: u32, most: u32, end: End) -> u64 {
        sip_value_hash(self.ctx, self.offset + at, most, end)
    }
}
