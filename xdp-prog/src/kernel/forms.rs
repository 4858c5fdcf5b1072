//! The text of a payload as the search for forms reads it: each step is a function that the verifier checks separately.

use aya_ebpf::bindings::xdp_md;
use xdp_prog::form::{self, Begin, Text, Walk};

use super::{
    subprograms::{
        sip_blanks, sip_continued, sip_first_line, sip_has_plain_bytes, sip_has_usual_bytes, sip_header_rest,
        sip_header_steps, sip_start_line, sip_start_rest, sip_start_steps,
    },
    world::payload,
};

pub(super) struct ReceivedText {
    pub(super) ctx: *mut xdp_md,
    pub(super) offset: u32,
    pub(super) length: u32,
}

impl Text for ReceivedText {
    #[inline(always)]
    fn first_line(&self, at: u32) -> u32 {
        sip_first_line(self.ctx, self.offset + at, self.length.saturating_sub(at))
    }

    #[inline(always)]
    fn start_line(&self, at: u32, begin: Begin) -> u32 {
        sip_start_line(self.ctx, self.offset, self.length, at, begin)
    }

    #[inline(always)]
    fn is_plain_start(&self, at: u32, line: u32) -> bool {
        form::is_plain_start(payload(self.ctx, self.offset + at), line)
    }

    #[inline(always)]
    fn has_usual_bytes(&self) -> bool {
        sip_has_usual_bytes(self.ctx, self.offset, self.length)
    }

    #[inline(always)]
    fn has_plain_bytes(&self) -> bool {
        sip_has_plain_bytes(self.ctx, self.offset, self.length)
    }

    #[inline(always)]
    fn blanks(&self) -> u32 {
        sip_blanks(self.ctx, self.offset)
    }

    #[inline(always)]
    fn length(&self) -> u32 {
        self.length
    }

    #[inline(always)]
    fn head(&self, at: u32) -> Option<[u8; 4]> {
        payload(self.ctx, self.offset + at).chunk::<4>(0).copied()
    }

    #[inline(always)]
    fn start_steps(&self, at: u32, length: u32) -> Walk {
        sip_start_steps(self.ctx, self.offset + at, length)
    }

    #[inline(always)]
    fn start_rest(&self, at: u32, length: u32, walk: Walk) -> Walk {
        sip_start_rest(self.ctx, self.offset + at, length, walk)
    }

    #[inline(always)]
    fn header_steps(&self, at: u32, length: u32, walk: Walk) -> Walk {
        sip_header_steps(self.ctx, self.offset + at, length, walk)
    }

    #[inline(always)]
    fn header_rest(&self, at: u32, length: u32, walk: Walk) -> Walk {
        sip_header_rest(self.ctx, self.offset + at, length, walk)
    }

    #[inline(always)]
    fn continued(&self, at: u32) -> u32 {
        sip_continued(self.ctx, self.offset + at, self.length.saturating_sub(at))
    }
}
