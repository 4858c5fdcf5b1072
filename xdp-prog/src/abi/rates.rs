//! The state of the limits: what sources, neighbourhoods, flows and lines have sent and tried.

use super::Address;
use crate::{reason::Class, word::Word};

/// The recent traffic of one source. All zero is a valid fresh state.
#[derive(Debug, Default)]
#[repr(C)]
pub struct SourceState {
    pub meters: [Meter; Class::COUNT],
    pub flows: Flows,
    /// Packets of whatever class, those that were refused included. A window as in [`Meter`].
    pub sent: Word,
}

/// The recent traffic of one neighbourhood's strangers. All zero is a valid fresh state.
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

/// One port of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct FlowKey {
    pub source: Address,
    /// As [`SuspensionKey::flow`](super::SuspensionKey::flow) numbers them.
    pub flow: u64,
}

/// A flow over which somebody has authenticated lately, and its traffic. It counts while its source is known.
#[derive(Debug, Default)]
#[repr(C)]
pub struct KnownFlow {
    /// Kernel monotonic nanoseconds; the entry is ignored from then on.
    pub expires: u64,
    /// The number of phones that it has a budget for. A word, as all of it is.
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

/// The recent guesses of one line. All zero is a valid fresh state.
#[derive(Debug, Default)]
#[repr(C)]
pub struct GuessState {
    /// When the bucket is empty again, in nanoseconds.
    pub empty_at: Word,
    /// The part of all refunds that is counted in.
    pub counted: Word,
}

/// The guesses that the daemon has given back to a line, in all since the entry was made. They only ever grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Refunds {
    pub issued: u64,
    pub other: u64,
    /// The number of guesses that it may have outstanding beyond the usual, and the time when that ends.
    pub room: u64,
    pub room_until: u64,
}
