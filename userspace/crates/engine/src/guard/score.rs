//! A count that leaks: linear, in whole nanoseconds.
//!
//! One is forgotten each time `within` has passed, so what has to be remembered is only when the last one will be. With
//! a limit of three in an hour, three are enough if less than an hour lies between the first and the third, and somebody
//! who adds no more than one in an hour never gets there.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::time::nanos;

/// One, in thousandths.
pub(super) const WHOLE: u32 = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Score {
    empty_at: u64,
}

impl Score {
    pub(super) fn add(&mut self, thousandths: u32, at: u64, within: Duration) {
        let lasts = u128::from(nanos(within)) * u128::from(thousandths) / u128::from(WHOLE);
        let lasts = u64::try_from(lasts).unwrap_or(u64::MAX);
        self.empty_at = self.empty_at.max(at).saturating_add(lasts);
    }

    /// Takes back as much as was added, if there is any left.
    pub(super) fn take(&mut self, thousandths: u32, within: Duration) {
        let lasts = u128::from(nanos(within)) * u128::from(thousandths) / u128::from(WHOLE);
        self.empty_at = self.empty_at.saturating_sub(u64::try_from(lasts).unwrap_or(u64::MAX));
    }

    /// What has begun to be forgotten still counts.
    pub(super) fn count(self, now: u64, within: Duration) -> u32 {
        let left = self.empty_at.saturating_sub(now);
        u32::try_from(left.div_ceil(nanos(within).max(1))).unwrap_or(u32::MAX)
    }

    pub(super) const fn empty_at(self) -> u64 {
        self.empty_at
    }

    pub(super) fn thousandths(self, now: u64, within: Duration) -> u32 {
        let left = u128::from(self.empty_at.saturating_sub(now)) * u128::from(WHOLE);
        u32::try_from(left.div_ceil(u128::from(nanos(within).max(1)))).unwrap_or(u32::MAX)
    }
}
