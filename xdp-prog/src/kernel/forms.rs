//! Forms as the kernel looks for them: each step a function that is verified by itself.

use aya_ebpf::bindings::xdp_md;
use xdp_prog::{
    form::{self, Begin, Text, Walk},
    frame::Packet,
    sip::LEADING_MAX,
};

use super::world::{blanks, payload};

/// [`form::find`] in a packet's payload.
#[inline(always)]
pub(super) fn find(ctx: *mut xdp_md, packet: &Packet, begin: Begin) -> u32 {
    forms(ctx, packet.offset, packet.length, begin.word())
}

struct KernelText {
    ctx: *mut xdp_md,
    offset: u32,
    length: u32,
}

impl Text for KernelText {
    #[inline(always)]
    fn first_line(&self, at: u32) -> u32 {
        first_line(self.ctx, self.offset + at, self.length.saturating_sub(at))
    }

    #[inline(always)]
    fn start_line(&self, at: u32, begin: Begin) -> u32 {
        start_line(self.ctx, self.offset, self.length, at, begin.word())
    }

    #[inline(always)]
    fn is_plain_start(&self, at: u32, line: u32) -> bool {
        form::is_plain_start(payload(self.ctx, self.offset + at), line)
    }

    #[inline(always)]
    fn has_usual_bytes(&self) -> bool {
        has_usual_bytes(self.ctx, self.offset, self.length) != 0
    }

    #[inline(always)]
    fn has_plain_bytes(&self) -> bool {
        has_plain_bytes(self.ctx, self.offset, self.length) != 0
    }

    #[inline(always)]
    fn blanks(&self) -> u32 {
        blanks(self.ctx, self.offset)
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
        Walk::from_word(start_steps(self.ctx, self.offset + at, length))
    }

    #[inline(always)]
    fn start_rest(&self, at: u32, length: u32, walk: Walk) -> Walk {
        Walk::from_word(start_rest(self.ctx, self.offset + at, length, walk.word()))
    }

    #[inline(always)]
    fn header_steps(&self, at: u32, length: u32, walk: Walk) -> Walk {
        Walk::from_word(header_steps(self.ctx, self.offset + at, length, walk.word()))
    }

    #[inline(always)]
    fn header_rest(&self, at: u32, length: u32, walk: Walk) -> Walk {
        Walk::from_word(header_rest(self.ctx, self.offset + at, length, walk.word()))
    }

    #[inline(always)]
    fn continued(&self, at: u32) -> u32 {
        continued(self.ctx, self.offset + at, self.length.saturating_sub(at))
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn forms(ctx: *mut xdp_md, offset: u32, length: u32, begin: u32) -> u32 {
    if ctx.is_null() { 0 } else { form::find(&KernelText { ctx, offset, length }, Begin::from_word(begin)) }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn start_line(ctx: *mut xdp_md, offset: u32, length: u32, at: u32, begin: u32) -> u32 {
    if ctx.is_null() {
        return 0;
    }
    let at = at & (LEADING_MAX - 1);
    form::in_start_line(&KernelText { ctx, offset, length }, at, Begin::from_word(begin))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn first_line(ctx: *mut xdp_md, offset: u32, length: u32) -> u32 {
    if ctx.is_null() { 0 } else { form::first_line(payload(ctx, offset), length) }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn has_usual_bytes(ctx: *mut xdp_md, offset: u32, length: u32) -> u32 {
    if ctx.is_null() { 0 } else { form::has_usual_bytes(payload(ctx, offset), length) as u32 }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn has_plain_bytes(ctx: *mut xdp_md, offset: u32, length: u32) -> u32 {
    if ctx.is_null() { 0 } else { form::has_plain_bytes(payload(ctx, offset), length) as u32 }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn start_steps(ctx: *mut xdp_md, offset: u32, length: u32) -> u32 {
    if ctx.is_null() { 0 } else { form::start_steps(payload(ctx, offset), length).word() }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn start_rest(ctx: *mut xdp_md, offset: u32, length: u32, walk: u32) -> u32 {
    if ctx.is_null() {
        return walk;
    }
    form::start_rest(payload(ctx, offset), length, Walk::from_word(walk)).word()
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn header_steps(ctx: *mut xdp_md, offset: u32, length: u32, walk: u32) -> u32 {
    if ctx.is_null() {
        return walk;
    }
    form::header_steps(payload(ctx, offset), length, Walk::from_word(walk)).word()
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn header_rest(ctx: *mut xdp_md, offset: u32, length: u32, walk: u32) -> u32 {
    if ctx.is_null() {
        return walk;
    }
    form::header_rest(payload(ctx, offset), length, Walk::from_word(walk)).word()
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn continued(ctx: *mut xdp_md, offset: u32, length: u32) -> u32 {
    if ctx.is_null() { 0 } else { form::continued(payload(ctx, offset), length) }
}
