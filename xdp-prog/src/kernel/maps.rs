//! The maps. Their names are the ones in `abi::map`; a test compares them with the built object.

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    btf_maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, RingBuf},
    macros::btf_map,
};
use xdp_prog::abi::{
    Active, Address, AddressHash, CAPTURE_RING_BYTES, COUNTER_COUNT, Capture, CaptureHead, CaptureState,
    Counter, EVENT_RING_BYTES, EVENT_SLOT_COUNT, Event, EventSlot, FlowKey, FragmentKey, FragmentState,
    GuardState, GuessState, Handshake, KnownFlow, MAX_ASKED, MAX_CHARGED, MAX_EARLY_FRAGMENTS, MAX_FRAGMENTS,
    MAX_GUESSES_ISSUED, MAX_GUESSES_OTHER, MAX_HANDSHAKES, MAX_ISSUED, MAX_KNOWN_FLOWS, MAX_PREFIX_STATES,
    MAX_PREFIXES, MAX_REFUNDS, MAX_SIGNATURES, MAX_SOURCE_STATES, MAX_SOURCES, MAX_STREAMS, MAX_SUSPENSIONS,
    MAX_WORKED, Meter, Policy, PrefixState, Refunds, SLOTS, Scratch, Signatures, SourceEntry, SourceState,
    StreamKey, StreamState, Suspension, SuspensionKey, TAP_RING_BYTES, TapHead, TapState,
};

// See `Active` for how these change under traffic. No maps in maps: their pointer cannot be handed to a separately
// verified function, so a packet could meet two sets of signatures.
#[btf_map]
pub(super) static ACTIVE: Array<Active, 1> = Array::new();
#[btf_map]
pub(super) static POLICY: Array<Policy, SLOTS> = Array::new();
#[btf_map]
pub(super) static SIGNATURES: Array<Signatures, SLOTS> = Array::new();

// Never an LRU: a flood of forged sources must not push a ban out. Allocated as it fills.
#[btf_map]
pub(super) static SOURCES: HashMap<Address, SourceEntry, MAX_SOURCES, { BPF_F_NO_PREALLOC as usize }> =
    HashMap::new();
#[btf_map]
pub(super) static PREFIXES: LpmTrie<[u32; 4], SourceEntry, MAX_PREFIXES> = LpmTrie::new();

// Rate state may be lost: at worst a source gets a fresh budget.
#[btf_map]
pub(super) static SOURCE_STATE: LruHashMap<Address, SourceState, MAX_SOURCE_STATES> = LruHashMap::new();
#[btf_map]
pub(super) static PREFIX_STATE: LruHashMap<Address, PrefixState, MAX_PREFIX_STATES> = LruHashMap::new();
#[btf_map]
pub(super) static FRAGMENTS: LruHashMap<FragmentKey, FragmentState, MAX_FRAGMENTS> = LruHashMap::new();
// A map of its own: early fragments must not push out the state of packets whose first fragment was judged.
#[btf_map]
pub(super) static EARLY_FRAGMENTS: LruHashMap<FragmentKey, u64, MAX_EARLY_FRAGMENTS> = LruHashMap::new();

// Two: forged SYNs are answered too, and must not push out connections.
#[btf_map]
pub(super) static HANDSHAKES: LruHashMap<StreamKey, Handshake, MAX_HANDSHAKES> = LruHashMap::new();
#[btf_map]
pub(super) static STREAMS: LruHashMap<StreamKey, StreamState, MAX_STREAMS> = LruHashMap::new();

#[btf_map]
pub(super) static COUNTERS: PerCpuArray<Counter, COUNTER_COUNT> = PerCpuArray::new();
#[btf_map]
pub(super) static SIGNATURE_HITS: PerCpuArray<u64, MAX_SIGNATURES> = PerCpuArray::new();

#[btf_map]
pub(super) static EVENTS: RingBuf<Event, EVENT_RING_BYTES> = RingBuf::new();
#[btf_map]
pub(super) static EVENT_SLOTS: PerCpuArray<EventSlot, EVENT_SLOT_COUNT> = PerCpuArray::new();

#[btf_map]
pub(super) static CAPTURE: Array<Capture, 1> = Array::new();
#[btf_map]
pub(super) static CAPTURE_STATE: PerCpuArray<CaptureState, 1> = PerCpuArray::new();
#[btf_map]
pub(super) static CAPTURES: RingBuf<CaptureHead, CAPTURE_RING_BYTES> = RingBuf::new();

#[btf_map]
pub(super) static GUARD: Array<GuardState, 1> = Array::new();
// No LRU, for the same reason as `SOURCES`.
#[btf_map]
pub(super) static SUSPENDED: HashMap<
    SuspensionKey,
    Suspension,
    MAX_SUSPENSIONS,
    { BPF_F_NO_PREALLOC as usize },
> = HashMap::new();
// No LRU: to have many flows must not end those of others.
#[btf_map]
pub(super) static KNOWN_FLOWS: HashMap<FlowKey, KnownFlow, MAX_KNOWN_FLOWS, { BPF_F_NO_PREALLOC as usize }> =
    HashMap::new();
// Two, so that strangers cannot crowd out those who are known.
#[btf_map]
pub(super) static TAPS_KNOWN: RingBuf<TapHead, TAP_RING_BYTES> = RingBuf::new();
#[btf_map]
pub(super) static TAPS_STRANGERS: RingBuf<TapHead, TAP_RING_BYTES> = RingBuf::new();
#[btf_map]
pub(super) static TAP_STATE: PerCpuArray<TapState, 1> = PerCpuArray::new();
// An LRU: what is pushed out is charged to the other budget.
#[btf_map]
pub(super) static ISSUED: LruHashMap<AddressHash, u64, MAX_ISSUED> = LruHashMap::new();
// Written by the daemon alone.
#[btf_map]
pub(super) static WORKED: HashMap<AddressHash, u64, MAX_WORKED, { BPF_F_NO_PREALLOC as usize }> =
    HashMap::new();
#[btf_map]
pub(super) static REFUNDS: HashMap<Address, Refunds, MAX_REFUNDS, { BPF_F_NO_PREALLOC as usize }> =
    HashMap::new();
// Two, so that forged senders cannot push out those whose addresses are real; and these not each other, as `NEW_LINES`
// bounds how many come in.
#[btf_map]
pub(super) static GUESSES_ISSUED: LruHashMap<Address, GuessState, MAX_GUESSES_ISSUED> = LruHashMap::new();
#[btf_map]
pub(super) static GUESSES_OTHER: LruHashMap<Address, GuessState, MAX_GUESSES_OTHER> = LruHashMap::new();
#[btf_map]
pub(super) static NEW_LINES: Array<Meter, 1> = Array::new();
#[btf_map]
pub(super) static CHARGED: LruHashMap<AddressHash, u64, MAX_CHARGED> = LruHashMap::new();
// Only lines that the daemon limits are in it.
#[btf_map]
pub(super) static ASKED: LruHashMap<Address, Meter, MAX_ASKED> = LruHashMap::new();
/// When the egress program last saw something leave a SIP port, in kernel monotonic nanoseconds.
#[btf_map]
pub(super) static WATCHED: Array<u64, 1> = Array::new();
#[btf_map]
pub(super) static SCRATCH: PerCpuArray<Scratch, 1> = PerCpuArray::new();
