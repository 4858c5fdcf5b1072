//! Packets that are handed to the daemon. Nothing here changes a verdict.

use aya_ebpf::{
    EbpfContext as _,
    bindings::xdp_md,
    helpers::generated::{bpf_ktime_get_ns, bpf_xdp_load_bytes},
    programs::XdpContext,
};
use xdp_prog::{
    abi::{GuardState, TAP_MAX, TapHead, tap as abi_tap},
    frame::{OFFSET_MAX, Packet},
    judge::{Verdict, World as _},
    reason::Action,
    tap::{self, Loss, Passed},
};

use super::{
    copy,
    maps::{GUARD, TAP_STATE, TAPS_KNOWN, TAPS_STRANGERS},
    subprograms::sip_tap,
    world::Kernel,
};

/// Somewhere to copy a payload from.
pub(super) trait Payload {
    /// Copies `length` bytes of it, and gives zero if it could.
    ///
    /// # Safety
    /// `to` has room for them.
    unsafe fn copy(&self, to: *mut u8, length: u32) -> i64;
}

/// The wishes of the daemon, if it wants packets at all.
#[inline(always)]
pub(super) fn wanted() -> Option<&'static GuardState> {
    GUARD.get(0).filter(|guard| guard.tap != 0)
}

/// Hands over a packet that passes, whether a rule objects to it or not. While the daemon wants none, that is one
/// look-up in an array.
#[inline(always)]
pub(super) fn offer(ctx: &XdpContext, kernel: &Kernel, packet: &Packet, verdict: &Verdict) {
    if wanted().is_none() {
        return;
    }
    let reason = match verdict.reason.action() {
        Action::Pass => verdict.reason,
        Action::Drop => tap::objected(packet, kernel.payload(packet)),
    };
    let tells = || kernel.payload(packet).chunk::<9>(0).is_some_and(tap::tells);
    if tap::is_wanted(reason, packet, tells) {
        let passed = Passed { reason, known: verdict.known, charged: verdict.charged };
        sip_tap(ctx.as_ptr().cast(), packet, passed);
    }
}

/// Hands over a packet that has come in. True: it was not lost.
#[inline(always)]
pub(super) fn receive(ctx: *mut xdp_md, packet: &Packet, passed: Passed) -> bool {
    let payload = Received { ctx, offset: packet.offset & OFFSET_MAX };
    let loss = Loss::of_incoming(passed.reason, packet);
    hand_over(packet, tap::charged(passed.charged), passed.known, loss, &payload)
}

struct Received {
    ctx: *mut xdp_md,
    offset: u32,
}

impl Payload for Received {
    #[inline(always)]
    unsafe fn copy(&self, to: *mut u8, length: u32) -> i64 {
        // SAFETY: the context is the program's own; the rest is the caller's promise.
        unsafe { bpf_xdp_load_bytes(self.ctx, self.offset, to.cast(), length) }
    }
}

/// Hands a packet over. False: it was lost, and counts as `loss`. `flags`: those that the packet's headers do not show.
#[inline(always)]
pub(super) fn hand_over(
    packet: &Packet,
    flags: u32,
    known: bool,
    loss: Loss,
    payload: &impl Payload,
) -> bool {
    let (Some(guard), Some(state)) = (wanted(), TAP_STATE.get_ptr_mut(0)) else { return false };
    // SAFETY: a per-CPU slot; neither what comes nor what goes is interrupted by the other on a CPU.
    let state = unsafe { &mut *state };
    // SAFETY: the helper has no preconditions. Not the coarse clock: who answers comes after who asks.
    let now = unsafe { bpf_ktime_get_ns() };
    let out = flags & abi_tap::OUT != 0;
    let head = TapHead::new(packet, flags, now);
    let stored = state.admits(now, known, out, guard.stranger_taps) && store(&head, known, payload);
    if !stored {
        state.lose(known, loss);
    }
    stored
}

/// Counts what leaves and cannot be read.
#[inline(always)]
pub(super) fn hide() {
    if let Some(state) = TAP_STATE.get_ptr_mut(0) {
        // SAFETY: as above.
        unsafe { (*state).hidden += 1 };
    }
}

/// Stores the payload in the smallest record that it fits into, as for captures.
#[inline(always)]
fn store(head: &TapHead, known: bool, payload: &impl Payload) -> bool {
    match head.length {
        0 => store_in::<0>(head, known, payload),
        ..=512 => store_in::<512>(head, known, payload),
        ..=1024 => store_in::<1024>(head, known, payload),
        ..=2048 => store_in::<2048>(head, known, payload),
        _ => store_in::<TAP_MAX>(head, known, payload),
    }
}

#[repr(C)]
struct Record<const N: usize> {
    head: TapHead,
    payload: [u8; N],
}

#[inline(always)]
fn store_in<const N: usize>(head: &TapHead, known: bool, payload: &impl Payload) -> bool {
    let lane = if known { &TAPS_KNOWN } else { &TAPS_STRANGERS };
    let Some(mut entry) = lane.reserve_untyped::<Record<N>>(0) else { return false };
    let record = entry.as_mut_ptr();
    // SAFETY: the reservation has room for the payload.
    let to = unsafe { (&raw mut (*record).payload).cast() };
    // SAFETY: as above.
    let kept = copy::at_most::<N>(head.length as usize, |length| unsafe { payload.copy(to, length) });
    if kept.is_none() && N != 0 {
        entry.discard(0);
        return false;
    }
    // SAFETY: as above.
    unsafe { (&raw mut (*record).head).write(TapHead { kept: kept.unwrap_or(0), ..*head }) };
    entry.submit(0);
    true
}
