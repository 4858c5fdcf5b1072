//! A count that leaks: linear, in whole nanoseconds.
//!
//! One is forgotten each time `within` has passed, so what has to be remembered is only when the last one will be. With
//! a limit of three in an hour, three are enough if less than an hour lies between the first and the third, and somebody
//! who adds no more than one in an hour never gets there.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use sipward_types::time::KernelTime;

/// One, in thousandths.
pub(super) const WHOLE: u32 = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Score {
    empty_at: KernelTime,
}

impl Score {
    pub(super) fn add(&mut self, thousandths: u32, at: KernelTime, within: Duration) {
        self.empty_at = self.empty_at.max(at) + lasts(thousandths, within);
    }

    /// Takes back as much as was added, if there is any left.
    pub(super) fn take(&mut self, thousandths: u32, within: Duration) {
        self.empty_at = self.empty_at - lasts(thousandths, within);
    }

    /// A part that has begun to fade still counts as one.
    pub(super) fn count(self, now: KernelTime, within: Duration) -> u32 {
        let left = self.empty_at.since(now).as_nanos();
        u32::try_from(left.div_ceil(within.as_nanos().max(1))).unwrap_or(u32::MAX)
    }

    pub(super) const fn empty_at(self) -> KernelTime {
        self.empty_at
    }

    pub(super) fn thousandths(self, now: KernelTime, within: Duration) -> u32 {
        let left = self.empty_at.since(now).as_nanos() * u128::from(WHOLE);
        u32::try_from(left.div_ceil(within.as_nanos().max(1))).unwrap_or(u32::MAX)
    }
}

/// The time in which a score of so many thousandths is forgotten.
fn lasts(thousandths: u32, within: Duration) -> Duration {
    let nanos = within.as_nanos().saturating_mul(u128::from(thousandths)) / u128::from(WHOLE);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
