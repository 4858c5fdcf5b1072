//! Copying the packet that is being judged.

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
    let wanted = unsafe { frame_length(ctx) }.min(N);
    // One less, so that one comparison shows the verifier both bounds: the helper wants at least one byte.
    let last = opaque(wanted.wrapping_sub(1));
    if last >= N {
        return None;
    }
    let wanted = last as u32 + 1;
    // SAFETY: the caller's promise, and no more than `N` bytes.
    let result = unsafe { bpf_xdp_load_bytes(ctx, 0, to.cast(), wanted) };
    (result == 0).then_some(wanted)
}
