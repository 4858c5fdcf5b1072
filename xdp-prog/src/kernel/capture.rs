//! Whole packets that are handed to userspace while a capture runs. Nothing here changes a verdict.

use aya_ebpf::{
    EbpfContext as _, bindings::xdp_md, helpers::generated::bpf_ktime_get_ns, programs::XdpContext,
};
use xdp_prog::{
    abi::{CAPTURE_MAX, CaptureHead},
    judge::{Reported, Verdict},
};

use super::{
    copy::{self, frame_length},
    maps::{CAPTURE, CAPTURE_STATE, CAPTURES},
    subprograms::sip_capture,
};

/// Captures the packet if the running capture wants it. While none runs, that is one look-up in an array.
#[inline(always)]
pub(super) fn offer(ctx: &XdpContext, verdict: &Verdict) {
    if let Some(wanted) = CAPTURE.get(0)
        && wanted.wants(verdict.reason)
    {
        sip_capture(ctx.as_ptr().cast(), verdict.reported());
    }
}

/// Captures the packet within the budget. True: it was captured.
#[inline(always)]
pub(super) fn capture(ctx: *mut xdp_md, verdict: Reported) -> bool {
    let (Some(wanted), Some(state)) = (CAPTURE.get(0), CAPTURE_STATE.get_ptr_mut(0)) else { return false };
    // SAFETY: the helper has no preconditions. Not the coarse clock: here the order of packets counts.
    let now = unsafe { bpf_ktime_get_ns() };
    if now >= wanted.until {
        return false;
    }
    // SAFETY: a per-CPU slot; XDP does not preempt itself on a CPU.
    let state = unsafe { &mut *state };
    let captured = state.admits(now, wanted.budget) && store(ctx, verdict, now);
    if !captured {
        state.missed += 1;
    }
    captured
}

/// Stores the frame in the smallest record that it fits into: their sizes must be constants, and a ring of the largest
/// ones would hold a quarter of the messages.
#[inline(always)]
fn store(ctx: *mut xdp_md, verdict: Reported, now: u64) -> bool {
    // SAFETY: the context is the program's own.
    match unsafe { frame_length(ctx) } {
        ..=512 => store_in::<512>(ctx, verdict, now),
        ..=1024 => store_in::<1024>(ctx, verdict, now),
        _ => store_in::<CAPTURE_MAX>(ctx, verdict, now),
    }
}

#[repr(C)]
struct Record<const N: usize> {
    head: CaptureHead,
    frame: [u8; N],
}

#[inline(always)]
fn store_in<const N: usize>(ctx: *mut xdp_md, verdict: Reported, now: u64) -> bool {
    let Some(mut entry) = CAPTURES.reserve_untyped::<Record<N>>(0) else { return false };
    let record = entry.as_mut_ptr();
    // SAFETY: the reservation has room for the frame, and the context is the program's own.
    let Some(captured_length) = (unsafe { copy::frame(ctx, &raw mut (*record).frame) }) else {
        entry.discard(0);
        return false;
    };
    // SAFETY: as above.
    unsafe {
        (&raw mut (*record).head).write(CaptureHead {
            at: now,
            interface: (*ctx).ingress_ifindex,
            frame_length: frame_length(ctx) as u32,
            captured_length,
            signature: verdict.signature,
            reason: verdict.reason as u8,
            enforced: verdict.enforced as u8,
        });
    }
    entry.submit(0);
    true
}
