//! Arithmetic with the kernel's nanoseconds.

use std::time::Duration;

use sipward_types::{clock::expiry, time::Lifetime};

const SECOND: u64 = 1_000_000_000;

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

pub(super) fn after(at: u64, duration: Duration) -> u64 {
    expiry(at, Lifetime::For(duration))
}

/// What happened exactly `within` ago is over.
pub(super) fn is_recent(then: u64, now: u64, within: Duration) -> bool {
    now.saturating_sub(then) < nanos(within)
}

/// A second that has begun counts.
pub(super) fn seconds(from: u64, to: u64) -> u32 {
    u32::try_from(to.saturating_sub(from).div_ceil(SECOND)).unwrap_or(u32::MAX)
}
