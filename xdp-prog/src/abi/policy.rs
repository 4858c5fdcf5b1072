//! The policy: all that an operator sets, resolved.

use crate::{packed::Packed, reason::Class};

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

/// The number of passwords that one line may try: so many at once, and one more after each interval. See `judge/guess.rs`.
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
    /// Guesses with nonces that were issued to the very address. An interval of zero: none of this is judged.
    pub issued: GuessLimit,
    /// Guesses with all other nonces.
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
    /// The key of the hashes of flows and of event slots. Without it, a sender cannot choose flows that count as one,
    /// nor addresses that share a slot.
    pub key: u32,
    /// A source that has sent no more packets than this in a minute is a newcomer. Zero: no source is.
    pub newcomer_packets: u32,
    /// A set of [`Form`](crate::form::Form) bits: of strangers, these drop.
    pub forms: u32,
    /// 1: signatures are looked for in what known flows send, too.
    pub search_known: u8,
    pub reserved: [u8; 3],
    /// The key of the fingerprints of requests that are charged. It is used for nothing else: without it, nobody can
    /// write a second guess that looks like the first one sent again.
    pub fingerprint_key: [u64; 2],
    /// By [`Class`].
    pub stranger: [RateLimit; Class::COUNT],
    /// For a neighbourhood's newcomers together, and for all others there.
    pub newcomers: [RateLimit; Class::COUNT],
    pub prefix: [RateLimit; Class::COUNT],
    /// For one phone. A known source gets this times its number of phones.
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
