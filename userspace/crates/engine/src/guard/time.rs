//! Questions of the rules about times.

use std::time::Duration;

use sipward_types::time::KernelTime;

/// An event exactly `within` ago is over.
pub(super) fn is_recent(then: KernelTime, now: KernelTime, within: Duration) -> bool {
    now.since(then) < within
}

/// A second that has begun counts.
pub(super) fn seconds(from: KernelTime, to: KernelTime) -> u32 {
    let seconds = to.since(from).as_nanos().div_ceil(1_000_000_000);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}
