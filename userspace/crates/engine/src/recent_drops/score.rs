//! A count that fades: what was seen a half-life ago counts half.

use sipward_types::time::KernelTime;
use std::cmp::Ordering;

/// In nanoseconds: ten minutes.
pub(super) const HALF_LIFE: f64 = 600e9;

/// As all counts fade alike, which of two is larger does not change with time. So this is the binary logarithm of the
/// count as it would have to be at time zero, and needs no touch until something is added.
#[derive(Clone, Copy, Debug)]
pub(super) struct FadingCount(f64);

impl FadingCount {
    /// Of nothing.
    pub(super) const NONE: Self = Self(f64::NEG_INFINITY);

    pub(super) fn new(packets: u64, at: KernelTime) -> Self {
        Self((packets as f64).log2() + at.as_nanos() as f64 / HALF_LIFE)
    }

    pub(super) fn plus(self, other: Self) -> Self {
        let (large, small) = if self > other { (self.0, other.0) } else { (other.0, self.0) };
        Self(large + (small - large).exp2().ln_1p() / std::f64::consts::LN_2)
    }

    /// The count at that time.
    pub(super) fn count(self, now: KernelTime) -> f64 {
        (self.0 - now.as_nanos() as f64 / HALF_LIFE).exp2()
    }
}

impl Ord for FadingCount {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for FadingCount {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for FadingCount {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for FadingCount {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn ten_minutes_halve_it() {
        for uptime in [KernelTime::START, KernelTime::START + 365 * 24 * 60 * MINUTE] {
            let score = FadingCount::new(8, uptime).plus(FadingCount::new(3, uptime + 10 * MINUTE));
            for (minutes, expected) in [(10, 7.0), (20, 3.5), (30, 1.75)] {
                let count = score.count(uptime + minutes * MINUTE);
                assert!((count - expected).abs() < 1e-6, "{minutes} minutes: {count}");
            }
        }
    }

    #[test]
    fn one_more_counts_even_after_a_thousand_million() {
        let score = FadingCount::new(1_000_000_000, KernelTime::START + MINUTE);
        assert!(score.plus(FadingCount::new(1, KernelTime::START + MINUTE)) > score);
    }

    proptest! {
        #[test]
        fn the_larger_one_stays_so_and_the_order_of_adding_does_not_matter(
            a in (1..1_000_000u64, 0..u64::MAX / 2), b in (1..1_000_000u64, 0..u64::MAX / 2), later: u16,
        ) {
            let (a, b) = (FadingCount::new(a.0, KernelTime::from_nanos(a.1)), FadingCount::new(b.0, KernelTime::from_nanos(b.1)));
            let now = KernelTime::START + u32::from(later) * MINUTE;
            prop_assert_eq!(a.plus(b), b.plus(a));
            prop_assert!(a.plus(b) >= a.max(b));
            prop_assert!(a < b || a.count(now) >= b.count(now));
        }
    }
}
