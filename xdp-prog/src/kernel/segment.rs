//! The walk through the messages of a TCP segment or a fragment.

use aya_ebpf::bindings::xdp_md;
use xdp_prog::{
    abi::Carried,
    frame::OFFSET_MAX,
    matcher::RowInSet,
    sip::Kind,
    stream::{Advance, Segment, Stream, Walk, WalkPlan},
};

use super::{
    subprograms::{sip_advance, sip_is_whole_message, sip_later_message, sip_skip_blanks, sip_take_head},
    world::{payload, scratch, signatures},
};

/// Prepares the walk. False: there is nothing to walk for.
#[inline(always)]
pub(super) fn begin(ctx: *mut xdp_md, offset: u32, length: u32, plan: WalkPlan) -> bool {
    let WalkPlan { begin, search, slot } = plan;
    let (Some(set), Some(scratch)) = (signatures(slot), scratch()) else { return false };
    // SAFETY: this CPU's own, and nothing else refers to this part of it.
    let walk = unsafe { &mut (*scratch).messages };
    if search.may_be_spared(begin) && sip_is_whole_message(ctx, offset, length) {
        walk.carried = Carried::START;
        return false;
    }
    walk.start(set, payload(ctx, offset), length, begin, search.signatures());
    walk.offset = offset & OFFSET_MAX;
    walk.slot = slot;
    true
}

/// The walk that was prepared.
#[inline(always)]
pub(super) fn finish(turn: impl Fn(&mut Walk) -> bool) -> Stream {
    let Some(scratch) = scratch() else { return Stream::default() };
    // SAFETY: as above.
    let walk = unsafe { &mut (*scratch).messages };
    walk.finish(turn)
}

pub(super) struct ReceivedSegment {
    pub(super) ctx: *mut xdp_md,
    pub(super) offset: u32,
    pub(super) slot: u32,
}

impl Segment for ReceivedSegment {
    #[inline(always)]
    fn advance(&self, row: u16, at: u32, most: u32) -> Advance {
        sip_advance(self.ctx, self.offset + at, RowInSet { row, slot: self.slot }, most)
    }

    #[inline(always)]
    fn skip_blanks(&self, at: u32) -> u32 {
        at + (sip_skip_blanks(self.ctx, self.offset + at) & 0xff)
    }

    #[inline(always)]
    fn message(&self, at: u32) -> Kind {
        sip_later_message(self.ctx, self.offset + at)
    }

    #[inline(always)]
    fn take_head(&self, carried: &mut Carried, at: u32, end: u32) -> u32 {
        at + sip_take_head(self.ctx, carried, self.offset + at, end.saturating_sub(at))
    }
}
