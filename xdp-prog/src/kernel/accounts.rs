//! The walk through the names of a message, step by step as the verifier takes them.

use aya_ebpf::bindings::xdp_md;
use xdp_prog::{
    account::{self, End, Header, Message, Named, Walk, Wanted},
    frame::{Packet, TCP},
};

use super::world::{payload, scratch, skip_blanks};

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
    // SAFETY: as above, and a pointer is what the function asks for.
    unsafe {
        next_account(ctx, &raw mut (*scratch).names);
        (*scratch).names.found
    }
}

/// What the last step found.
#[inline(always)]
pub(super) fn found() -> Named {
    // SAFETY: this CPU's own, copied at once.
    scratch().map_or_else(Named::default, |scratch| unsafe { (*scratch).names.found })
}

// Global functions, for the same reason as those of `world`.

/// # Safety
/// The kernel checks `walk` at every call: null, or a whole walk.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn next_account(ctx: *mut xdp_md, walk: *mut Walk) -> u32 {
    // SAFETY: see above.
    let Some(walk) = (unsafe { walk.as_mut() }) else { return 0 };
    // SAFETY: a reference is what the functions ask for.
    walk.next(
        |walk| unsafe {
            header_in_line(ctx, walk);
        },
        |walk| unsafe {
            account_in_address(ctx, walk);
        },
        |walk| unsafe {
            credentials_in_header(ctx, walk);
        },
    );
    0
}

/// # Safety
/// As for `next_account`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn header_in_line(ctx: *mut xdp_md, walk: *mut Walk) -> u32 {
    // SAFETY: see above.
    if let Some(walk) = unsafe { walk.as_mut() }
        && !ctx.is_null()
    {
        let message = KernelMessage { ctx, offset: walk.offset };
        walk.line(&message);
    }
    0
}

/// # Safety
/// As for `next_account`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn account_in_address(ctx: *mut xdp_md, walk: *mut Walk) -> u32 {
    // SAFETY: see above.
    if let Some(walk) = unsafe { walk.as_mut() }
        && !ctx.is_null()
    {
        let message = KernelMessage { ctx, offset: walk.offset };
        walk.address(&message);
    }
    0
}

/// # Safety
/// As for `next_account`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn credentials_in_header(ctx: *mut xdp_md, walk: *mut Walk) -> u32 {
    // SAFETY: see above.
    if let Some(walk) = unsafe { walk.as_mut() }
        && !ctx.is_null()
    {
        let message = KernelMessage { ctx, offset: walk.offset };
        walk.begin_credentials(&message);
        // SAFETY: a reference is what the function asks for.
        walk.credentials(|walk| unsafe { next_parameter(ctx, walk) } != 0);
    }
    0
}

/// # Safety
/// As for `next_account`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn next_parameter(ctx: *mut xdp_md, walk: *mut Walk) -> u32 {
    // SAFETY: see above.
    match unsafe { walk.as_mut() } {
        Some(walk) if !ctx.is_null() => {
            let message = KernelMessage { ctx, offset: walk.offset };
            walk.turn(&message) as u32
        }
        _ => 1,
    }
}

struct KernelMessage {
    ctx: *mut xdp_md,
    offset: u32,
}

impl Message for KernelMessage {
    #[inline(always)]
    fn byte(&self, at: u32) -> Option<u8> {
        payload(self.ctx, self.offset + at).byte(0)
    }

    #[inline(always)]
    fn line_steps(&self, at: u32, most: u32) -> u32 {
        line_steps(self.ctx, self.offset + at, most)
    }

    #[inline(always)]
    fn rest_of_line(&self, at: u32, most: u32) -> u32 {
        rest_of_line(self.ctx, self.offset + at, most)
    }

    #[inline(always)]
    fn header(&self, at: u32) -> Header {
        Header::from_word(header(self.ctx, self.offset + at))
    }

    #[inline(always)]
    fn skip_blanks(&self, at: u32) -> u32 {
        at + skip_blanks(self.ctx, self.offset + at)
    }

    #[inline(always)]
    fn uri(&self, at: u32, most: u32) -> u32 {
        uri(self.ctx, self.offset + at, most)
    }

    #[inline(always)]
    fn user(&self, at: u32, most: u32, bracketed: bool) -> u32 {
        user(self.ctx, self.offset + at, most, bracketed as u32)
    }

    #[inline(always)]
    fn has_tag(&self, at: u32, most: u32) -> bool {
        has_tag(self.ctx, self.offset + at, most) != 0
    }

    #[inline(always)]
    fn parameter(&self, at: u32, most: u32, state: u8) -> u32 {
        parameter(self.ctx, self.offset + at, most, state as u32)
    }

    #[inline(always)]
    fn name_hash(&self, at: u32, most: u32, end: End) -> u64 {
        name_hash(self.ctx, self.offset + at, most, end as u32)
    }

    #[inline(always)]
    fn value_hash(&self, at: u32, most: u32, end: End) -> u64 {
        value_hash(self.ctx, self.offset + at, most, end as u32)
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn line_steps(ctx: *mut xdp_md, offset: u32, most: u32) -> u32 {
    if ctx.is_null() { most } else { account::line_steps(payload(ctx, offset), most) }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn rest_of_line(ctx: *mut xdp_md, offset: u32, most: u32) -> u32 {
    if ctx.is_null() { most } else { account::rest_of_line(payload(ctx, offset), most) }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn header(ctx: *mut xdp_md, offset: u32) -> u32 {
    if ctx.is_null() { 0 } else { account::header(payload(ctx, offset)).word() }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn uri(ctx: *mut xdp_md, offset: u32, most: u32) -> u32 {
    if ctx.is_null() { 0 } else { account::uri(payload(ctx, offset), most) }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn user(ctx: *mut xdp_md, offset: u32, most: u32, bracketed: u32) -> u32 {
    if ctx.is_null() { 0 } else { account::user(payload(ctx, offset), most, bracketed != 0) }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn has_tag(ctx: *mut xdp_md, offset: u32, most: u32) -> u32 {
    if ctx.is_null() { 0 } else { account::has_tag(payload(ctx, offset), most) as u32 }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn parameter(ctx: *mut xdp_md, offset: u32, most: u32, state: u32) -> u32 {
    if ctx.is_null() { 0 } else { account::parameter(payload(ctx, offset), most, state as u8) }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn name_hash(ctx: *mut xdp_md, offset: u32, most: u32, end: u32) -> u64 {
    if ctx.is_null() {
        return account::NONE;
    }
    account::name_hash(payload(ctx, offset), most, End::from_code(end))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn value_hash(ctx: *mut xdp_md, offset: u32, most: u32, end: u32) -> u64 {
    if ctx.is_null() {
        return account::NONE;
    }
    account::value_hash(payload(ctx, offset), most, End::from_code(end))
}
