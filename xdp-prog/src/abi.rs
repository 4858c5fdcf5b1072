//! What kernel and userspace share: maps and the values in them. Both sides compile this very file.
//!
//! Integers are native-endian unless the name says otherwise; addresses are network-order bytes; no padding,
//! no `bool`, no enum in memory that the other side could fill with an invalid value.

use crate::{
    account,
    frame::Packet,
    guess,
    packed::Packed,
    reason::{Class, Reason},
    stream,
    word::Word,
};

/// Changes whenever the layout of any map changes; part of the pin directory's name.
pub const VERSION: u32 = 4;

/// Map names, as the object and userspace know them.
pub mod map {
    pub const ACTIVE: &str = "ACTIVE";
    pub const POLICY: &str = "POLICY";
    pub const SIGNATURES: &str = "SIGNATURES";
    pub const SOURCES: &str = "SOURCES";
    pub const PREFIXES: &str = "PREFIXES";
    pub const SOURCE_STATE: &str = "SOURCE_STATE";
    pub const PREFIX_STATE: &str = "PREFIX_STATE";
    pub const FRAGMENTS: &str = "FRAGMENTS";
    pub const COUNTERS: &str = "COUNTERS";
    pub const SIGNATURE_HITS: &str = "SIGNATURE_HITS";
    pub const EVENTS: &str = "EVENTS";
    pub const EVENT_SLOTS: &str = "EVENT_SLOTS";
    pub const CAPTURE: &str = "CAPTURE";
    pub const CAPTURE_STATE: &str = "CAPTURE_STATE";
    pub const CAPTURES: &str = "CAPTURES";
    pub const GUARD: &str = "GUARD";
    pub const SUSPENDED: &str = "SUSPENDED";
    pub const KNOWN_FLOWS: &str = "KNOWN_FLOWS";
    pub const TAPS_KNOWN: &str = "TAPS_KNOWN";
    pub const TAPS_STRANGERS: &str = "TAPS_STRANGERS";
    pub const TAP_STATE: &str = "TAP_STATE";
    pub const ISSUED: &str = "ISSUED";
    pub const WORKED: &str = "WORKED";
    pub const GUESSES_ISSUED: &str = "GUESSES_ISSUED";
    pub const GUESSES_OTHER: &str = "GUESSES_OTHER";
    pub const NEW_LINES: &str = "NEW_LINES";
    pub const CHARGED: &str = "CHARGED";
    pub const ASKED: &str = "ASKED";
    pub const REFUNDS: &str = "REFUNDS";
    pub const WATCHED: &str = "WATCHED";
    pub const SCRATCH: &str = "SCRATCH";
    pub const HANDSHAKES: &str = "HANDSHAKES";
    pub const STREAMS: &str = "STREAMS";
    pub const EARLY_FRAGMENTS: &str = "EARLY_FRAGMENTS";
    pub const ALL: [&str; 34] = [
        ACTIVE,
        POLICY,
        SIGNATURES,
        SOURCES,
        PREFIXES,
        SOURCE_STATE,
        PREFIX_STATE,
        FRAGMENTS,
        COUNTERS,
        SIGNATURE_HITS,
        EVENTS,
        EVENT_SLOTS,
        CAPTURE,
        CAPTURE_STATE,
        CAPTURES,
        GUARD,
        SUSPENDED,
        KNOWN_FLOWS,
        TAPS_KNOWN,
        TAPS_STRANGERS,
        TAP_STATE,
        ISSUED,
        WORKED,
        GUESSES_ISSUED,
        GUESSES_OTHER,
        NEW_LINES,
        CHARGED,
        ASKED,
        REFUNDS,
        WATCHED,
        SCRATCH,
        HANDSHAKES,
        STREAMS,
        EARLY_FRAGMENTS,
    ];
}

/// The XDP program's name in the object.
pub const PROGRAM: &str = "sipward";
/// The name of the program that hands over what leaves an interface.
pub const EGRESS_PROGRAM: &str = "sipward_egress";

pub const MAX_SOURCES: usize = 1 << 20;
pub const MAX_PREFIXES: usize = 1 << 16;
pub const MAX_SOURCE_STATES: usize = 1 << 16;
pub const MAX_PREFIX_STATES: usize = 1 << 14;
pub const MAX_FRAGMENTS: usize = 1 << 13;
pub const MAX_EARLY_FRAGMENTS: usize = 1 << 12;
/// Connections that are being opened, and those that are open.
pub const MAX_HANDSHAKES: usize = 1 << 16;
pub const MAX_STREAMS: usize = 1 << 16;
pub const EVENT_RING_BYTES: usize = 1 << 20;
pub const EVENT_SLOT_COUNT: usize = 1 << 10;
pub const CAPTURE_RING_BYTES: usize = 1 << 22;
/// Of each lane: a fifth of a second of five thousand registrations a second, both ways.
pub const TAP_RING_BYTES: usize = 1 << 22;
pub const MAX_SUSPENSIONS: usize = 1 << 16;
pub const MAX_KNOWN_FLOWS: usize = 1 << 16;
/// Challenges of a dozen seconds in a flood of five thousand requests a second.
pub const MAX_ISSUED: usize = 1 << 16;
pub const MAX_WORKED: usize = 1 << 16;
/// Lines that have been challenged and answered.
pub const MAX_GUESSES_ISSUED: usize = 1 << 15;
/// More than [`NEW_LINES`](crate::guess::NEW_LINES) lets in within an hour.
pub const MAX_GUESSES_OTHER: usize = 1 << 16;
pub const MAX_CHARGED: usize = 1 << 14;
pub const MAX_ASKED: usize = 1 << 12;
pub const MAX_REFUNDS: usize = 1 << 16;

/// Policy and signatures have two slots each. Userspace fills the one that is not in use, names it here, and
/// waits until no packet is left that saw the old one. A packet looks here once and keeps to what it saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C, align(8))]
pub struct Active {
    /// The slot plus one; zero: none yet.
    pub policy: u32,
    pub signatures: u32,
}

impl Active {
    /// For functions that look for no signatures.
    #[inline(always)]
    pub const fn of_policy(policy: u32) -> Self {
        Self { policy, signatures: 0 }
    }
}

impl Packed for Active {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        self.policy | self.signatures << 16
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        Self { policy: word & 0xffff, signatures: word >> 16 }
    }
}

pub const SLOTS: usize = 2;

/// An IPv6 address, or an IPv4 one as `::ffff:a.b.c.d`, in network order. Words, so that the kernel hashes
/// and compares four integers instead of sixteen bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct Address(pub [u32; 4]);

impl Address {
    pub const V4_PREFIX: u32 = 0x0000_ffff_u32.to_be();

    #[inline(always)]
    pub const fn v4(network_order: u32) -> Self {
        Self([0, 0, Self::V4_PREFIX, network_order])
    }

    #[inline(always)]
    pub const fn is_v4(self) -> bool {
        self.0[0] == 0 && self.0[1] == 0 && self.0[2] == Self::V4_PREFIX
    }

    /// What one sender is for the limits: an IPv4 address, or an IPv6 /64.
    #[inline(always)]
    pub const fn source(self) -> Self {
        if self.is_v4() { self } else { Self([self.0[0], self.0[1], 0, 0]) }
    }

    /// What one subscriber has: an IPv4 address, or an IPv6 /56.
    #[inline(always)]
    pub const fn line(self) -> Self {
        if self.is_v4() { self } else { Self([self.0[0], self.0[1] & 0xffff_ff00_u32.to_be(), 0, 0]) }
    }

    /// The prefix that shares its limits with a source: an IPv4 /24, or an IPv6 /48.
    #[inline(always)]
    pub const fn limit_prefix(self) -> Self {
        if self.is_v4() {
            Self([0, 0, Self::V4_PREFIX, self.0[3] & 0xffff_ff00_u32.to_be()])
        } else {
            Self([self.0[0], self.0[1] & 0xffff_0000_u32.to_be(), 0, 0])
        }
    }
}

/// The time that never comes, in an expiry.
pub const FOREVER: u64 = u64::MAX;

/// What is known about one address (in `SOURCES`) or one prefix (in `PREFIXES`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct SourceEntry {
    /// Kernel monotonic nanoseconds; the entry is ignored from then on.
    pub expires: u64,
    /// A ban that lies inside a trusted prefix sleeps until then: trusted beats banned, and the ban comes
    /// back by itself if the trust runs out first. Zero for everything else.
    pub shadowed_until: u64,
    /// One of [`kind`]; any other value is as good as no entry.
    pub kind: u32,
    /// Of a known source: how many phones' budget it has. Of any other, userspace's own: [`UNSAVED`] or zero.
    pub budget: u32,
}

/// The daemon's store does not have this entry, or does not know that it is gone: it could not be written.
pub const UNSAVED: u32 = 1;

pub mod kind {
    pub const TRUSTED: u32 = 1;
    pub const BANNED: u32 = 2;
    pub const KNOWN: u32 = 3;
}

/// The length of a meter's tick: 2^20 ns, about a millisecond, so that no division is needed.
pub const TICK_SHIFT: u32 = 20;

/// A limit in both styles; a packet must satisfy both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct RateLimit {
    /// Bucket: nanoseconds that one packet costs. Zero: no bucket.
    pub interval: u64,
    /// Bucket: how far ahead of time a source may run, in nanoseconds (burst × interval).
    pub tolerance: u64,
    /// Window: its length in ticks. Zero: no window.
    pub window: u32,
    /// Window: packets within it.
    pub window_max: u32,
}

/// The largest `window` (a little over a day) and `window_max` whose products cannot overflow.
pub const WINDOW_LIMIT: u32 = 1 << 27;
pub const WINDOW_MAX_LIMIT: u32 = 60_000;

/// How many passwords one line may try: so many at once, and one more after each interval. See `guess.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct GuessLimit {
    /// Nanoseconds.
    pub interval: u64,
    pub burst: u32,
    pub reserved: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct GuessLimits {
    /// With nonces that were issued to the very address. An interval of zero: none of this is judged.
    pub issued: GuessLimit,
    /// With all others.
    pub other: GuessLimit,
}

/// Everything an operator sets, resolved. Swapped as a whole, never edited in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Policy {
    /// 0: count what would be dropped and pass it (monitor). 1: drop.
    pub enforce: u8,
    /// 1: only trusted sources reach SIP ports.
    pub trusted_only: u8,
    /// 1: OPTIONS from strangers drop. 0: they pass to the rate of their class.
    pub drop_options: u8,
    /// 1: requests with a method of no standard drop. 0: they count as `other`.
    pub drop_unknown_methods: u8,
    /// Ticks in which distinct flows are counted.
    pub flow_window: u32,
    /// Distinct flows over UDP per source and per neighbourhood. Zero: no limit.
    pub flows_per_source: u32,
    pub flows_per_prefix: u32,
    /// Of the hashes of flows and of event slots: whoever does not know it cannot choose flows that count as one,
    /// nor addresses that share a slot.
    pub key: u32,
    /// Who has sent no more packets than this in a minute is a newcomer. Zero: nobody is.
    pub newcomer_packets: u32,
    /// A set of [`Form`](crate::form::Form) bits: of strangers, these drop.
    pub forms: u32,
    /// 1: signatures are looked for in what known flows send, too.
    pub search_known: u8,
    pub reserved: [u8; 3],
    /// By [`Class`].
    pub stranger: [RateLimit; Class::COUNT],
    /// Of a neighbourhood's newcomers together, and of all others there.
    pub newcomers: [RateLimit; Class::COUNT],
    pub prefix: [RateLimit; Class::COUNT],
    /// Of one phone; a known source gets this times its budget.
    pub known: [RateLimit; Class::COUNT],
    pub guesses: GuessLimits,
    pub udp: PortSet,
    pub tcp: PortSet,
    /// TCP ports that speak TLS: the handshake is all that can be seen.
    pub tls: PortSet,
}

/// One bit per port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct PortSet(pub [u8; 8192]);

impl PortSet {
    pub const EMPTY: Self = Self([0; 8192]);

    #[inline(always)]
    pub const fn has(&self, port: u16) -> bool {
        self.0[(port >> 3) as usize] & (1 << (port & 7)) != 0
    }

    pub const fn add(&mut self, port: u16) {
        self.0[(port >> 3) as usize] |= 1 << (port & 7);
    }
}

/// How much one source has sent lately. All zero is a valid fresh state.
#[derive(Debug, Default)]
#[repr(C)]
pub struct SourceState {
    pub meters: [Meter; Class::COUNT],
    pub flows: Flows,
    /// Packets of whatever class, those that were refused included. A window as in [`Meter`].
    pub sent: Word,
}

/// How much the strangers of one neighbourhood have sent lately. All zero is a valid fresh state.
#[derive(Debug, Default)]
#[repr(C)]
pub struct PrefixState {
    pub newcomers: [Meter; Class::COUNT],
    pub others: [Meter; Class::COUNT],
    pub flows: Flows,
}

/// See `meter.rs`.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Meter {
    /// When the bucket is empty again, in nanoseconds.
    pub empty_at: Word,
    /// Window: its start in ticks (32 bits), packets in it (16), packets in the one before (16).
    pub window: Word,
}

/// See `flows.rs`.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Flows {
    /// Start of the current window in ticks (32 bits), bits set in `current` (16), bits set in either (16).
    pub head: Word,
    pub current: [Word; FLOW_WORDS],
    pub previous: [Word; FLOW_WORDS],
}

pub const FLOW_WORDS: usize = 4;
/// More flows than this cannot be told apart.
pub const FLOWS_MAX: u32 = 192;

/// A packet that comes in fragments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct FragmentKey {
    pub source: Address,
    pub destination: Address,
    pub id: u32,
    pub protocol: u32,
}

/// How long the rest of a packet is expected after its first fragment, in nanoseconds.
pub const FRAGMENT_LIFETIME: u64 = 2_000_000_000;

/// A packet for a SIP port whose first fragment was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct FragmentState {
    /// Kernel monotonic nanoseconds; the entry is ignored from then on.
    pub expires: u64,
    /// One of [`fragments`].
    pub state: u32,
    /// Where the next fragment begins in the packet.
    pub next: u32,
    pub carried: Carried,
}

pub mod fragments {
    /// One of them was dropped, so the others drop too.
    pub const DROPPED: u32 = 1;
    /// The first one passed: it came from a stranger, or from a port of a known source that is not known; or from one that is.
    pub const OF_STRANGER: u32 = 2;
    pub const OF_KNOWN_FLOW: u32 = 3;
}

/// What is known of a text at a place where it was cut: the end of a TCP segment or of a fragment. All zero: nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C, align(8))]
pub struct Carried {
    /// Of the signatures that the row is one of.
    pub generation: u32,
    /// In the headers: Content-Length, as far as it was read. In the body: bytes that are still to come.
    pub length: u32,
    pub row: u16,
    /// One of [`phase`].
    pub phase: u8,
    /// Whether digits of Content-Length were read, see `stream.rs`.
    pub digits: u8,
    /// The first bytes of a message, fewer than tell what it is, from the lowest bits on; and how many. Words, as the
    /// compiler copies single bytes in pieces that lie askew.
    pub head_length: u16,
    /// 1: the last byte was a CR, whose LF is to come.
    pub after_return: u16,
    pub head: [u64; 2],
}

/// Where in a stream of messages a byte stands.
pub mod phase {
    pub const LOST: u8 = 0;
    /// Between two messages.
    pub const START: u8 = 1;
    /// Among the first bytes of a message.
    pub const HEAD: u8 = 2;
    pub const HEADERS: u8 = 3;
    pub const BODY: u8 = 4;
    /// In a datagram: whatever length it tells, nothing follows it.
    pub const DATAGRAM: u8 = 5;
}

/// A TCP connection, as seen by the PBX: who connected, and whereto.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct StreamKey {
    pub remote: Address,
    pub local: Address,
    /// Host order.
    pub remote_port: u32,
    pub local_port: u32,
}

/// The numbers that the answer to a SYN-ACK has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Handshake {
    pub sequence: u32,
    pub acknowledged: u32,
}

/// What came over a connection, see `segments.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct StreamState {
    /// The number of the byte that goes on from `now`.
    pub next: u32,
    /// The number of the byte that went on from `before`.
    pub previous: u32,
    pub now: Carried,
    pub before: Carried,
}

/// What one reason has seen. Index: the reason's code, plus [`Reason::COUNT`] for drops that monitor mode
/// let pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Counter {
    pub packets: u64,
    pub bytes: u64,
}

pub const COUNTER_COUNT: usize = 2 * Reason::COUNT;

pub const MAX_SIGNATURES: usize = 512;

/// The compiled signature set: see `matcher.rs` for how it is walked and the daemon's `signature` module
/// for how it is made. Swapped as a whole.
#[repr(C)]
pub struct Signatures {
    pub head: SignatureHead,
    /// Twice the class of each byte, that is, its byte offset within a row.
    pub classes: [u8; 256],
    /// See [`matcher`](crate::matcher): hash of four folded bytes → which literals may be here.
    pub prefilter: [u8; PREFILTER_SIZE],
    /// Rows of transitions. An entry is the next state's row, in units of [`ROW_UNIT`] entries.
    pub rows: [u16; ROW_ENTRIES],
}

impl core::fmt::Debug for Signatures {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Signatures").field("head", &self.head).finish_non_exhaustive()
    }
}

/// States in the order of their rows: dead (row 0), ordinary, then those that end the headers, those that end the name of a
/// header with credentials, those that read a digit of Content-Length, and last one accepting state per signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct SignatureHead {
    /// Signatures in this set; none: the matcher is skipped for datagrams.
    pub count: u16,
    /// Where a request, and where a response, begins.
    pub request: u16,
    pub response: u16,
    /// Where a header of a request begins; zero: the start line must have been read, as there are signatures that
    /// look at the whole message.
    pub line: u16,
    /// First row of the states reached by the empty line after the headers.
    pub body: u16,
    /// First row of the states reached by the colon behind Authorization or Proxy-Authorization.
    pub credentials: u16,
    /// First row of the states reached by a digit of Content-Length.
    pub digit: u16,
    /// First row of the accepting states; they are absorbing. Signature `i` has row
    /// `accept + (i << accept_shift)`.
    pub accept: u16,
    pub accept_shift: u16,
    pub reserved: u16,
    /// Another number for each set: what is carried on from one packet to the next is of one set.
    pub generation: u32,
}

pub const PREFILTER_BITS: u32 = 20;
pub const PREFILTER_SIZE: usize = 1 << PREFILTER_BITS;
/// A row is a whole number of units; 65,536 units can be addressed by a `u16` without a mask.
pub const ROW_UNIT: usize = 32;
/// Classes a set may have: rows of one, two or four units.
pub const MAX_CLASSES: usize = 128;
/// The pad lets the last unit's row be read with any class.
pub const ROW_ENTRIES: usize = (1 << 16) * ROW_UNIT + MAX_CLASSES;

/// A dropped packet, sampled: at most one a second per CPU and slot; see `sampler.rs`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Event {
    /// Kernel monotonic nanoseconds.
    pub at: u64,
    pub source: Address,
    pub destination: Address,
    pub interface: u32,
    /// Length of the whole frame.
    pub frame_length: u32,
    /// Drops of this [`source`](Address::source) on this CPU since its last event there, without this one. Too few
    /// where more than two sources shared a slot: only the counters are exact.
    pub unseen: u32,
    /// How much of the frame is in `head`.
    pub head_length: u16,
    /// Host order.
    pub source_port: u16,
    pub destination_port: u16,
    /// Of the signature that matched, if that was the reason.
    pub signature: u16,
    /// IP protocol number.
    pub protocol: u8,
    pub reason: u8,
    /// 1: dropped. 0: monitor mode let it pass.
    pub enforced: u8,
    pub reserved: u8,
    pub head: [u8; EVENT_HEAD],
}

pub const EVENT_HEAD: usize = 384;

/// What the sampler remembers of the sources that share a slot; see `sampler.rs`. Zero is a valid fresh slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct EventSlot {
    /// When the slot last sent an event, in kernel monotonic nanoseconds.
    pub emitted_at: u64,
    /// The source that it emitted last.
    pub current: u64,
    /// Another one that waits for its turn, if it has drops to tell of.
    pub waiting: u64,
    /// Drops since the source's last event.
    pub current_unseen: u32,
    pub waiting_unseen: u32,
}

/// Which packets are copied to userspace, besides what is done with them. Zero is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Capture {
    /// Kernel monotonic nanoseconds. Off by itself from then on: a reader that was killed leaves nothing running.
    pub until: u64,
    /// One of [`capture`]; any other value is off.
    pub mode: u32,
    /// Packets a second, on each CPU.
    pub budget: u32,
}

pub mod capture {
    pub const OFF: u32 = 0;
    /// What drops, or would drop but for monitor mode.
    pub const DROPS: u32 = 1;
    /// All that is judged for a SIP port.
    pub const JUDGED: u32 = 2;
}

/// What one CPU has captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct CaptureState {
    /// Since when `taken` counts, in kernel monotonic nanoseconds.
    pub since: u64,
    pub taken: u64,
    /// Wanted, and not captured: over the budget, or the ring was full. Only ever grows.
    pub missed: u64,
}

/// The beginning of a captured packet's record; the frame follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct CaptureHead {
    /// Kernel monotonic nanoseconds.
    pub at: u64,
    pub interface: u32,
    /// Length of the whole frame, and how much of it follows. What is behind that is not of this packet.
    pub frame_length: u32,
    pub captured_length: u32,
    /// As in an [`Event`].
    pub signature: u16,
    pub reason: u8,
    pub enforced: u8,
}

/// Longer frames are cut.
pub const CAPTURE_MAX: usize = 2048;

/// What the daemon has the filter do besides filtering. All zero: nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct GuardState {
    /// 1: what passes is handed to the daemon, see [`TapHead`].
    pub tap: u32,
    /// How many entries of `SUSPENDED` are about one source, and how many about all of them. Never too few.
    pub suspended: u32,
    pub locked: u32,
    /// Packets of strangers that are handed over in a second, on each CPU.
    pub stranger_taps: u32,
}

/// Who may not open anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct SuspensionKey {
    /// All zero: from anywhere.
    pub source: Address,
    /// An account's [hash](crate::account::hash), or a [`flow`](Self::flow), or [`ANYTHING`](Self::ANYTHING).
    pub what: u64,
}

impl SuspensionKey {
    /// Says that there are others of this source, so that all other sources pay for one look.
    pub const ANYTHING: u64 = 0;
    /// What asks for something without credentials; `source` is a [line](Address::line). Below every flow.
    pub const ASKING: u64 = 1;
    pub const ANYWHERE: Address = Address([0; 4]);

    /// Below every account's hash. `protocol`: the IP protocol number.
    #[inline(always)]
    pub const fn flow(protocol: u8, port: u16) -> u64 {
        (protocol as u64) << 16 | port as u64
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Suspension {
    /// Kernel monotonic nanoseconds; the entry is ignored from then on.
    pub expires: u64,
    /// A set of [`suspension`] flags.
    pub flags: u32,
    /// Of an entry for [`ANYTHING`](SuspensionKey::ANYTHING): how many others of the source there are.
    pub others: u32,
}

pub mod suspension {
    /// Does not touch sources that are known.
    pub const EXEMPT_KNOWN: u32 = 1;
    /// Userspace's own, as [`UNSAVED`](super::UNSAVED) is of sources.
    pub const UNSAVED: u32 = 2;
}

/// One port of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct FlowKey {
    pub source: Address,
    /// As [`SuspensionKey::flow`] numbers them.
    pub flow: u64,
}

/// A flow over which somebody has authenticated lately, and what it has sent. It counts while its source is known.
#[derive(Debug, Default)]
#[repr(C)]
pub struct KnownFlow {
    /// Kernel monotonic nanoseconds; the entry is ignored from then on.
    pub expires: u64,
    /// How many phones' budget it has. A word, as all of it is.
    pub phones: u64,
    pub meters: [Meter; Class::COUNT],
}

/// An address and a hash that belongs to it: a nonce that was issued to it (in `ISSUED`), an account that has worked there
/// (in `WORKED`, a source), or credentials that it was charged for (in `CHARGED`, a line). The value of each is a time
/// in kernel monotonic nanoseconds: for nonces when, for the others until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct AddressHash {
    pub address: Address,
    pub hash: u64,
}

/// What one line has tried lately. All zero is a valid fresh state.
#[derive(Debug, Default)]
#[repr(C)]
pub struct GuessState {
    /// When the bucket is empty again, in nanoseconds.
    pub empty_at: Word,
    /// Of what was given back ever: how much is counted in.
    pub counted: Word,
}

/// What the daemon has given back to a line, in all since the entry was made: only ever grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Refunds {
    pub issued: u64,
    pub other: u64,
    /// How many guesses more than usual it may have outstanding, and until when.
    pub room: u64,
    pub room_until: u64,
}

/// The beginning of the record of a packet that was handed over; its payload follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct TapHead {
    /// Kernel monotonic nanoseconds.
    pub at: u64,
    /// Who talks to the PBX, and the PBX.
    pub remote: Address,
    pub local: Address,
    /// Bytes of payload in the packet, and how many of them follow. What is behind those is not of this packet.
    pub length: u32,
    pub kept: u32,
    /// TCP: of the first byte of payload.
    pub sequence: u32,
    /// Host order.
    pub remote_port: u16,
    pub local_port: u16,
    /// A set of [`tap`] flags.
    pub flags: u32,
    /// TCP, with [`tap::ACKNOWLEDGES`]: up to where its sender has all of the other side's stream.
    pub acknowledged: u32,
}

pub mod tap {
    /// It leaves. Without: it has come in, and passed.
    pub const OUT: u32 = 1;
    pub const TCP: u32 = 2;
    /// SYN, or what completes a handshake.
    pub const BEGINS: u32 = 4;
    /// FIN or RST.
    pub const ENDS: u32 = 8;
    pub const ACKNOWLEDGES: u32 = 16;
    /// The first fragment of a packet: its rest is not handed over.
    pub const PART: u32 = 32;
    /// Its credentials were charged to the [budget](crate::guess::Budget) for issued nonces, or to the other one.
    pub const CHARGED_ISSUED: u32 = 64;
    pub const CHARGED_OTHER: u32 = 128;
    /// It leaves, for somebody who is banned or trusted: nothing of his is judged, but what he was told he knows.
    pub const LISTED: u32 = 256;
}

/// Longer payloads are cut.
pub const TAP_MAX: usize = 4096;

/// What one CPU has handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct TapState {
    /// Of strangers, what comes and what leaves: a flood of requests takes nothing from the answers.
    pub taken: [TapCount; 2],
    /// Wanted, and not handed over: the ring was full, or a stranger's packet over the budget. Only ever grow.
    pub lost_known: u64,
    pub lost_strangers: u64,
    /// Of both, what left: somebody may have been told what nobody else was seen to be told.
    pub lost_answers: u64,
    /// Of both, what came and may have been an answer: the PBX may pass it on, and it would look like one of its own.
    pub lost_foreign: u64,
    /// What left and is not looked at: payloads of a TLS port, challenges of a TCP port that is none of SIP.
    pub hidden: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct TapCount {
    /// Since when it counts, in kernel monotonic nanoseconds.
    pub since: u64,
    pub packets: u64,
}

/// After this many nanoseconds without a packet from a SIP port it is not known whether the egress program is attached:
/// the daemon holds it, and what leaves is unseen while no daemon runs.
pub const WATCHED_FOR: u64 = 10_000_000_000;

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
    assert!(size_of::<Policy>() == 32 + 4 * 24 * Class::COUNT + 32 + 3 * 8192);
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

/// What is the same bytes in the kernel's maps and here.
///
/// # Safety
/// `repr(C)`, only integers and arrays of them, and no padding: any bytes are a value, and all of a value may be read.
#[cfg(not(target_arch = "bpf"))]
pub unsafe trait Plain: Copy + 'static {}

#[cfg(not(target_arch = "bpf"))]
macro_rules! plain_integers {
    ($($type:ty),+) => {$(
        // SAFETY: an integer.
        unsafe impl Plain for $type {}
    )+};
}
#[cfg(not(target_arch = "bpf"))]
plain_integers!(u8, u16, u32, u64);

#[cfg(not(target_arch = "bpf"))]
// SAFETY: an array has no padding between its elements.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

#[cfg(not(target_arch = "bpf"))]
mod plain {
    use super::{
        Active, Address, AddressHash, Capture, CaptureHead, CaptureState, Counter, Event, EventSlot, FlowKey,
        FragmentKey, FragmentState, GuardState, Handshake, Plain, Policy, Refunds, SignatureHead, Signatures,
        SourceEntry, StreamKey, StreamState, Suspension, SuspensionKey, TapHead, TapState,
    };

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
}
