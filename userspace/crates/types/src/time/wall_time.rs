//! Times since 1970, which join one boot to the next.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Milliseconds in a second.
const SECOND: u64 = 1_000;

/// Milliseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallTime(u64);

/// Seconds since 1970, where a serialized form counts in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallSeconds(u64);

impl WallTime {
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The second that has begun.
    pub const fn seconds(self) -> WallSeconds {
        WallSeconds(self.0 / SECOND)
    }

    pub const fn nearest_second(self) -> WallSeconds {
        WallSeconds(self.0.saturating_add(SECOND / 2) / SECOND)
    }

    /// Zero if `earlier` is the later of the two, as when the clock was set back.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A time before 1970 is 1970.
impl From<SystemTime> for WallTime {
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64)
    }
}

impl std::ops::Add<Duration> for WallTime {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl WallSeconds {
    pub const fn new(seconds: u64) -> Self {
        Self(seconds)
    }

    pub const fn get(self) -> u64 {
        self.0
    }

    pub const fn abs_diff(self, other: Self) -> Duration {
        Duration::from_secs(self.0.abs_diff(other.0))
    }

    /// The beginning of the second.
    pub const fn time(self) -> WallTime {
        WallTime(self.0.saturating_mul(SECOND))
    }

    /// Zero if `earlier` is the later of the two.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_become_seconds() {
        for (millis, begun, nearest) in [(0, 0, 0), (499, 0, 0), (500, 0, 1), (1_999, 1, 2)] {
            let time = WallTime::from_millis(millis);
            assert_eq!((time.seconds().get(), time.nearest_second().get()), (begun, nearest), "{millis}");
        }
        assert_eq!(WallSeconds::new(2).time(), WallTime::from_millis(2_000));
        assert_eq!(WallSeconds::new(2).since(WallSeconds::new(3)), Duration::ZERO);
        assert_eq!(WallTime::from_millis(5) + Duration::MAX, WallTime::from_millis(u64::MAX));
    }

    #[test]
    fn the_serialized_form_is_the_number() {
        assert_eq!(serde_json::to_string(&WallTime::from_millis(7)).unwrap(), "7");
        assert_eq!(serde_json::from_str::<WallSeconds>("7").unwrap(), WallSeconds::new(7));
    }
}
