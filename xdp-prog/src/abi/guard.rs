//! The guard: switches of the daemon, and suspensions.

use super::Address;

/// The daemon's orders to the filter besides filtering. All zero: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct GuardState {
    /// 1: packets that pass are handed to the daemon, see [`TapHead`](super::TapHead).
    pub tap: u32,
    /// The number of entries in `SUSPENDED` for one source, and for all sources. Never too few.
    pub suspended: u32,
    pub locked: u32,
    /// Packets of strangers that are handed over in a second, on each CPU.
    pub stranger_taps: u32,
}

/// A suspended account or flow, which may not open anything.
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
    /// Requests without credentials; `source` is a [line](Address::line). Below every flow.
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
    /// In an entry for [`ANYTHING`](SuspensionKey::ANYTHING), the number of the source's other entries.
    pub others: u32,
}

pub mod suspension {
    /// Does not touch sources that are known.
    pub const EXEMPT_KNOWN: u32 = 1;
    /// Userspace's own, as [`UNSAVED`](crate::abi::UNSAVED) is of sources.
    pub const UNSAVED: u32 = 2;
}

/// After this many nanoseconds without a packet from a SIP port it is not known whether the egress program is attached:
/// the daemon holds it, and what leaves is unseen while no daemon runs.
pub const WATCHED_FOR: u64 = 10_000_000_000;
