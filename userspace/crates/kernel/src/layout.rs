//! The layout of every map of the filter.
//!
//! Besides the maps of the program there are some that only userspace reads: they live beside the others
//! because what they say is true exactly as long as those live.

use aya::maps::{MapInfo, MapType};
use xdp_prog::abi::{
    Active, Address, AddressHash, CAPTURE_RING_BYTES, COUNTER_COUNT, Capture, CaptureState, Counter,
    EVENT_RING_BYTES, EVENT_SLOT_COUNT, EventSlot, FlowKey, FragmentKey, FragmentState, GuardState,
    GuessState, Handshake, KnownFlow, MAX_ASKED, MAX_CHARGED, MAX_EARLY_FRAGMENTS, MAX_FRAGMENTS,
    MAX_GUESSES_ISSUED, MAX_GUESSES_OTHER, MAX_HANDSHAKES, MAX_ISSUED, MAX_KNOWN_FLOWS, MAX_PREFIX_STATES,
    MAX_PREFIXES, MAX_REFUNDS, MAX_SIGNATURES, MAX_SOURCE_STATES, MAX_SOURCES, MAX_STREAMS, MAX_SUSPENSIONS,
    MAX_WORKED, Meter, Plain, Policy, PrefixState, Refunds, SLOTS, Scratch, Signatures, SourceEntry,
    SourceState, StreamKey, StreamState, Suspension, SuspensionKey, TAP_RING_BYTES, TapState, map,
};

/// The key of a prefix, in the trie and in the maps about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(super) struct PrefixKey {
    /// In bits, in the order of the network.
    pub(super) length: u32,
    pub(super) bytes: [u8; 16],
}

// SAFETY: `repr(C)`, integers only, no padding.
unsafe impl Plain for PrefixKey {}

/// The list entry of a prefix; the trie has what follows from it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Declared {
    pub(super) until: u64,
    /// As in a [`SourceEntry`], or zero: nothing is said any more.
    pub(super) kind: u32,
    /// [`UNSAVED`](xdp_prog::abi::UNSAVED) or zero.
    pub(super) flags: u32,
}

// SAFETY: `repr(C)`, integers only, no padding.
unsafe impl Plain for Declared {}

/// SHA-256 of the object that a program is from; zeros: not known.
pub(super) type Hash = [u8; 32];

/// A text, and zeros up to the end.
pub(super) type Text = [u8; 128];

/// The names of the signatures in force, by id.
pub(super) const NAMES: &str = "NAMES";
pub(super) const DECLARED: &str = "DECLARED";
/// Which build's program is in force.
pub(super) const BUILD: &str = "BUILD";

/// Entries are allocated when they are written.
const NO_PREALLOC: u32 = 1;

#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) name: &'static str,
    pub(super) kind: MapType,
    pub(super) key: usize,
    pub(super) value: usize,
    pub(super) entries: usize,
    /// Of the maps made here.
    pub(super) flags: u32,
}

/// The maps that the program knows.
pub(super) const PROGRAM_MAPS: [Layout; map::ALL.len()] = [
    of::<u32, Active>(map::ACTIVE, MapType::Array, 1),
    of::<u32, Policy>(map::POLICY, MapType::Array, SLOTS),
    of::<u32, Signatures>(map::SIGNATURES, MapType::Array, SLOTS),
    of::<Address, SourceEntry>(map::SOURCES, MapType::Hash, MAX_SOURCES),
    of::<PrefixKey, SourceEntry>(map::PREFIXES, MapType::LpmTrie, MAX_PREFIXES),
    of::<Address, SourceState>(map::SOURCE_STATE, MapType::LruHash, MAX_SOURCE_STATES),
    of::<Address, PrefixState>(map::PREFIX_STATE, MapType::LruHash, MAX_PREFIX_STATES),
    of::<FragmentKey, FragmentState>(map::FRAGMENTS, MapType::LruHash, MAX_FRAGMENTS),
    of::<u32, Counter>(map::COUNTERS, MapType::PerCpuArray, COUNTER_COUNT),
    of::<u32, u64>(map::SIGNATURE_HITS, MapType::PerCpuArray, MAX_SIGNATURES),
    of::<(), ()>(map::EVENTS, MapType::RingBuf, EVENT_RING_BYTES),
    of::<u32, EventSlot>(map::EVENT_SLOTS, MapType::PerCpuArray, EVENT_SLOT_COUNT),
    of::<u32, Capture>(map::CAPTURE, MapType::Array, 1),
    of::<u32, CaptureState>(map::CAPTURE_STATE, MapType::PerCpuArray, 1),
    of::<(), ()>(map::CAPTURES, MapType::RingBuf, CAPTURE_RING_BYTES),
    of::<u32, GuardState>(map::GUARD, MapType::Array, 1),
    of::<SuspensionKey, Suspension>(map::SUSPENDED, MapType::Hash, MAX_SUSPENSIONS),
    of::<FlowKey, KnownFlow>(map::KNOWN_FLOWS, MapType::Hash, MAX_KNOWN_FLOWS),
    of::<(), ()>(map::TAPS_KNOWN, MapType::RingBuf, TAP_RING_BYTES),
    of::<(), ()>(map::TAPS_STRANGERS, MapType::RingBuf, TAP_RING_BYTES),
    of::<u32, TapState>(map::TAP_STATE, MapType::PerCpuArray, 1),
    of::<AddressHash, u64>(map::ISSUED, MapType::LruHash, MAX_ISSUED),
    of::<AddressHash, u64>(map::WORKED, MapType::Hash, MAX_WORKED),
    of::<Address, GuessState>(map::GUESSES_ISSUED, MapType::LruHash, MAX_GUESSES_ISSUED),
    of::<Address, GuessState>(map::GUESSES_OTHER, MapType::LruHash, MAX_GUESSES_OTHER),
    of::<u32, Meter>(map::NEW_LINES, MapType::Array, 1),
    of::<AddressHash, u64>(map::CHARGED, MapType::LruHash, MAX_CHARGED),
    of::<Address, Meter>(map::ASKED, MapType::LruHash, MAX_ASKED),
    of::<Address, Refunds>(map::REFUNDS, MapType::Hash, MAX_REFUNDS),
    of::<u32, u64>(map::WATCHED, MapType::Array, 1),
    of::<u32, Scratch>(map::SCRATCH, MapType::PerCpuArray, 1),
    of::<StreamKey, Handshake>(map::HANDSHAKES, MapType::LruHash, MAX_HANDSHAKES),
    of::<StreamKey, StreamState>(map::STREAMS, MapType::LruHash, MAX_STREAMS),
    of::<FragmentKey, u64>(map::EARLY_FRAGMENTS, MapType::LruHash, MAX_EARLY_FRAGMENTS),
];

/// The maps that only userspace knows.
pub(super) const OWN_MAPS: [Layout; 3] = [
    of::<u32, Hash>(BUILD, MapType::Array, 1),
    of::<u32, Text>(NAMES, MapType::Array, MAX_SIGNATURES),
    Layout { flags: NO_PREALLOC, ..of::<PrefixKey, Declared>(DECLARED, MapType::Hash, MAX_PREFIXES) },
];

pub(super) fn all() -> impl Iterator<Item = Layout> {
    PROGRAM_MAPS.into_iter().chain(OWN_MAPS)
}

const fn of<K, V>(name: &'static str, kind: MapType, entries: usize) -> Layout {
    Layout { name, kind, key: size_of::<K>(), value: size_of::<V>(), entries, flags: 0 }
}

impl Layout {
    pub(super) fn fits(&self, info: &MapInfo) -> bool {
        // Whoever loads the filter chooses the room for sources.
        let entries = self.name == map::SOURCES || info.max_entries() as usize == self.entries;
        info.map_type().is_ok_and(|kind| kind == self.kind)
            && info.key_size() as usize == self.key
            && info.value_size() as usize == self.value
            && entries
    }
}
