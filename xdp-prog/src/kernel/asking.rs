//! Who asks without credentials, as the packet path sees it.

use aya_ebpf::bindings::xdp_md;
use xdp_prog::{
    abi::{Active, Address, Meter},
    asking,
    frame::Packet,
};

use super::{maps::ASKED, world::Kernel};

#[inline(always)]
pub(super) fn is_too_many(kernel: &Kernel, packet: &Packet, credentials: bool) -> bool {
    let now = xdp_prog::judge::World::now(kernel);
    // SAFETY: a reference is what the function asks for.
    unsafe { judge_asking(kernel.ctx, packet, credentials as u32, now) != 0 }
}

#[inline(always)]
pub(super) fn state(line: &Address) -> Option<&'static Meter> {
    // SAFETY: a reused slot would be another line's meter: that one is charged instead, once.
    if let Some(meter) = unsafe { ASKED.get(line) } {
        return Some(meter);
    }
    // A failure (no memory) shows in the second look-up.
    let _ = ASKED.insert(line, Meter::default(), 0);
    // SAFETY: as above.
    unsafe { ASKED.get(line) }
}

/// A global function, for the same reason as those of `world`. `credentials`: not 0 if there may be some.
///
/// # Safety
/// The kernel checks `packet` at every call: null, or a whole packet.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn judge_asking(
    ctx: *mut xdp_md,
    packet: *const Packet,
    credentials: u32,
    now: u64,
) -> u32 {
    // SAFETY: see above.
    let Some(packet) = (unsafe { packet.as_ref() }) else { return 0 };
    if ctx.is_null() {
        return 0;
    }
    let kernel = Kernel::of(ctx, Active { policy: 0, signatures: 0 }, now);
    asking::is_too_many(&kernel, packet, credentials != 0) as u32
}
