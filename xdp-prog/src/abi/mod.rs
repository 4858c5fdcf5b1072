//! The maps that kernel and userspace share, and the values in them. Both sides compile this very code.
//!
//! Integers are native-endian unless the name says otherwise; addresses are network-order bytes; no padding,
//! no `bool`, no enum in memory that the other side could fill with an invalid value.

mod address;
mod capacity;
mod guard;
pub mod map;
#[cfg(not(target_arch = "bpf"))]
mod plain;
mod policy;
mod rates;
mod reports;
mod signatures;
mod sources;
mod streams;

use crate::{
    account,
    frame::Packet,
    guess,
    reason::{Class, Reason},
    stream,
};

pub use address::Address;
pub use capacity::{
    CAPTURE_RING_BYTES, EVENT_RING_BYTES, EVENT_SLOT_COUNT, MAX_ASKED, MAX_CHARGED, MAX_EARLY_FRAGMENTS,
    MAX_FRAGMENTS, MAX_GUESSES_ISSUED, MAX_GUESSES_OTHER, MAX_HANDSHAKES, MAX_ISSUED, MAX_KNOWN_FLOWS,
    MAX_PREFIX_STATES, MAX_PREFIXES, MAX_REFUNDS, MAX_SIGNATURES, MAX_SOURCE_STATES, MAX_SOURCES,
    MAX_STREAMS, MAX_SUSPENSIONS, MAX_WORKED, TAP_RING_BYTES,
};
pub use guard::{GuardState, Suspension, SuspensionKey, WATCHED_FOR, suspension};
#[cfg(not(target_arch = "bpf"))]
pub use plain::Plain;
pub use policy::{
    Active, GuessLimit, GuessLimits, Policy, PortSet, RateLimit, SLOTS, TICK_SHIFT, WINDOW_LIMIT,
    WINDOW_MAX_LIMIT,
};
pub use rates::{
    AddressHash, FLOW_WORDS, FLOWS_MAX, FlowKey, Flows, GuessState, KnownFlow, Meter, PrefixState, Refunds,
    SourceState,
};
pub use reports::{
    CAPTURE_MAX, COUNTER_COUNT, Capture, CaptureHead, CaptureState, Counter, EVENT_HEAD, Event, EventSlot,
    TAP_MAX, TapCount, TapHead, TapState, capture, tap,
};
pub use signatures::{
    MAX_CLASSES, PREFILTER_BITS, PREFILTER_SIZE, ROW_ENTRIES, ROW_UNIT, SignatureHead, Signatures,
};
pub use sources::{FOREVER, SourceEntry, UNSAVED, kind};
pub use streams::{
    Carried, FRAGMENT_LIFETIME, FragmentKey, FragmentState, Handshake, Rest, StreamKey, StreamState, phase,
};

/// Changes whenever the layout of any map changes; part of the pin directory's name.
pub const VERSION: u32 = 5;

/// The XDP program's name in the object.
pub const PROGRAM: &str = "sipward";
/// The name of the program that hands over what leaves an interface.
pub const EGRESS_PROGRAM: &str = "sipward_egress";

/// One CPU's working memory for the packet that it judges. It is not on the stack, which has 512 bytes for the whole
/// chain of calls.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(8))]
pub struct Scratch {
    pub packet: Packet,
    pub names: account::Walk,
    /// Through what leaves, which may be interrupted by what comes.
    pub challenges: account::Walk,
    pub messages: stream::Walk,
    pub tally: guess::Tally,
}

const _: () = {
    assert!(size_of::<Address>() == 16);
    assert!(size_of::<SourceEntry>() == 24);
    assert!(size_of::<RateLimit>() == 24);
    assert!(size_of::<Policy>() == 48 + 4 * 24 * Class::COUNT + 32 + 3 * 8192);
    assert!(size_of::<SourceState>() == 16 * Class::COUNT + 80);
    assert!(size_of::<PrefixState>() == 2 * 16 * Class::COUNT + 72);
    assert!(size_of::<FragmentKey>() == 40);
    assert!(size_of::<FragmentState>() == 48);
    assert!(size_of::<Carried>() == 32);
    assert!(size_of::<StreamKey>() == 40);
    assert!(size_of::<Handshake>() == 8);
    assert!(size_of::<StreamState>() == 72);
    assert!(size_of::<SignatureHead>() == 24);
    assert!(size_of::<Event>() == 64 + EVENT_HEAD);
    assert!(size_of::<EventSlot>() == 32);
    assert!(size_of::<Capture>() == 16);
    assert!(size_of::<CaptureState>() == 24);
    assert!(size_of::<CaptureHead>() == 24);
    assert!(size_of::<GuardState>() == 16);
    assert!(size_of::<SuspensionKey>() == 24);
    assert!(size_of::<Suspension>() == 16);
    assert!(size_of::<FlowKey>() == 24);
    assert!(size_of::<KnownFlow>() == 16 + 16 * Class::COUNT);
    assert!(size_of::<AddressHash>() == 24);
    assert!(size_of::<GuessState>() == 16);
    assert!(size_of::<Refunds>() == 32);
    assert!(size_of::<TapHead>() == 64);
    assert!(size_of::<TapState>() == 72);
    assert!(Reason::COUNT <= 255);
    assert!(MAX_CLASSES * 2 <= 256);
};
