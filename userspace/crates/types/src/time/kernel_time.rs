//! Times of the kernel's monotonic clock, in which the maps hold expiries.

use std::{
    ops::{Add, AddAssign, Sub},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use xdp_prog::abi::FOREVER;

use super::length::Lifetime;

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// Nanoseconds of the kernel's monotonic clock, which counts within one boot. Arithmetic saturates: a time too far away
/// is [`FOREVER`](Self::FOREVER).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KernelTime(u64);

impl KernelTime {
    /// The zero of the clock.
    pub const START: Self = Self(0);
    /// The time that never comes.
    pub const FOREVER: Self = Self(FOREVER);

    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    pub const fn is_forever(self) -> bool {
        self.0 == FOREVER
    }

    /// Zero if `earlier` is the later of the two.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    pub const fn abs_diff(self, other: Self) -> Duration {
        Duration::from_nanos(self.0.abs_diff(other.0))
    }

    /// The end of something that begins now.
    pub fn expiry(self, lasts: Lifetime) -> Self {
        match lasts {
            Lifetime::For(lasts) => self + lasts,
            Lifetime::Forever => Self::FOREVER,
        }
    }

    /// The time that is left until `expires`, in whole seconds. A second that has begun counts.
    pub fn remaining(self, expires: Self) -> Lifetime {
        if expires.is_forever() {
            return Lifetime::Forever;
        }
        Lifetime::For(Duration::from_secs(expires.0.saturating_sub(self.0).div_ceil(SECOND)))
    }
}

impl Add<Duration> for KernelTime {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

impl AddAssign<Duration> for KernelTime {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for KernelTime {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(duration)))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_too_far_away_is_never() {
        let at = KernelTime::from_nanos;
        let second = Lifetime::For(Duration::from_secs(1));
        for (now, lasts, expires) in [
            (5, Lifetime::Forever, FOREVER),
            (5, second, 1_000_000_005),
            (u64::MAX - 1, second, FOREVER),
            (5, Lifetime::For(Duration::MAX), FOREVER),
        ] {
            assert_eq!(at(now).expiry(lasts), at(expires), "{lasts:?}");
        }
        for now in [5, 6, SECOND + 4] {
            assert_eq!(at(now).remaining(at(SECOND + 5)), second);
        }
        assert_eq!(at(6).remaining(at(5)), Lifetime::For(Duration::ZERO));
        assert_eq!(at(5).remaining(KernelTime::FOREVER), Lifetime::Forever);
    }

    #[test]
    fn arithmetic_saturates() {
        let time = KernelTime::from_nanos(7);
        assert_eq!(time - Duration::from_nanos(8), KernelTime::START);
        assert_eq!(time.since(KernelTime::from_nanos(8)), Duration::ZERO);
        assert_eq!(time.since(KernelTime::from_nanos(5)), Duration::from_nanos(2));
        assert_eq!(KernelTime::FOREVER + Duration::from_nanos(1), KernelTime::FOREVER);
    }

    #[test]
    fn the_serialized_form_is_the_number() {
        assert_eq!(serde_json::to_string(&KernelTime::from_nanos(7)).unwrap(), "7");
        assert_eq!(serde_json::from_str::<KernelTime>("7").unwrap(), KernelTime::from_nanos(7));
    }
}
