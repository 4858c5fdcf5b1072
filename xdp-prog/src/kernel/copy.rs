//! Copies of the packet that is being judged.

use aya_ebpf::{bindings::xdp_md, helpers::generated::bpf_xdp_load_bytes};
use xdp_prog::bytes::{Bytes, opaque};

/// # Safety
/// `ctx` is the program's own.
#[inline(always)]
pub(super) unsafe fn frame_length(ctx: *mut xdp_md) -> usize {
    // SAFETY: the caller's promise.
    unsafe { Bytes::new((*ctx).data as usize, (*ctx).data_end as usize) }.len()
}

/// Copies up to `N` bytes from the beginning of the frame, and says how many. `None`: there is no frame.
///
/// # Safety
/// `ctx` is the program's own; `to` has room for `N` bytes.
#[inline(always)]
pub(super) unsafe fn frame<const N: usize>(ctx: *mut xdp_md, to: *mut [u8; N]) -> Option<u32> {
    // SAFETY: the caller's promise.
    let there = unsafe { frame_length(ctx) };
    // SAFETY: the caller's promise, and no more than `N` bytes.
    at_most::<N>(there, |wanted| unsafe { bpf_xdp_load_bytes(ctx, 0, to.cast(), wanted) })
}

/// Has `load` copy what is there, but no more than `N` bytes, and says how many; it gives zero if it could.
#[inline(always)]
pub(super) fn at_most<const N: usize>(there: usize, load: impl FnOnce(u32) -> i64) -> Option<u32> {
    // One less, so that one comparison shows the verifier both bounds: the helpers want at least one byte.
    let last = opaque(there.min(N).wrapping_sub(1));
    if last >= N {
        return None;
    }
    let wanted = last as u32 + 1;
    (load(wanted) == 0).then_some(wanted)
}
