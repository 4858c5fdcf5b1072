//! Types whose bytes are the same in the maps and here.

use super::{
    Active, Address, AddressHash, Capture, CaptureHead, CaptureState, Counter, Event, EventSlot, FlowKey,
    FragmentKey, FragmentState, GuardState, Handshake, Policy, Refunds, SignatureHead, Signatures,
    SourceEntry, StreamKey, StreamState, Suspension, SuspensionKey, TapHead, TapState,
};

/// A type whose values are the same bytes in the kernel's maps and here.
///
/// # Safety
/// `repr(C)`, only integers and arrays of them, and no padding: any bytes are a value, and all of a value may be read.
pub unsafe trait Plain: Copy + 'static {}

macro_rules! plain_integers {
    ($($type:ty),+) => {$(
        // SAFETY: an integer.
        unsafe impl Plain for $type {}
    )+};
}
plain_integers!(u8, u16, u32, u64);

// SAFETY: an array has no padding between its elements.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

macro_rules! plain {
    ($($type:ty),+) => {$(
        // SAFETY: `repr(C)`, only integers and arrays of them, and no padding: the sizes are asserted.
        unsafe impl Plain for $type {}
    )+};
}
plain!(Active, Address, AddressHash, Capture, CaptureHead, CaptureState, Counter, Event, EventSlot);
plain!(
    FlowKey,
    FragmentKey,
    FragmentState,
    GuardState,
    Handshake,
    Policy,
    Refunds,
    SignatureHead,
    SourceEntry,
    StreamKey,
    StreamState,
    Suspension,
    SuspensionKey,
    TapHead,
    TapState
);

impl Copy for Signatures {}
impl Clone for Signatures {
    fn clone(&self) -> Self {
        *self
    }
}
plain!(Signatures);
