//! The kernel's clock, which counts within one boot, and the wall clock, which relates boots.

use std::{
    fs,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use sipward_types::time::{KernelTime, WallSeconds, WallTime};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The time on both clocks, and the boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// As the kernel names it; empty if it cannot be asked.
    pub boot: &'static str,
    pub kernel: KernelTime,
    pub wall: WallTime,
}

impl Clock {
    pub fn read() -> Self {
        Self { boot: boot(), kernel: sipward_kernel::clock::now(), wall: SystemTime::now().into() }
    }

    /// A time to come, as the kernel will have it. A time too far away is never.
    pub fn to_kernel(&self, seconds: WallSeconds) -> KernelTime {
        self.kernel + seconds.time().since(self.wall)
    }

    /// The other way round, to the nearest second, as the clocks are not read at the very same time. `None`: never.
    pub fn to_wall(&self, kernel: KernelTime) -> Option<WallSeconds> {
        (!kernel.is_forever()).then(|| (self.wall + kernel.since(self.kernel)).nearest_second())
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment { kernel: self.kernel, wall: self.wall }
    }
}

fn boot() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| fs::read_to_string(BOOT_ID).unwrap_or_default().trim().to_owned())
}

/// The same moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) kernel: KernelTime,
    pub(crate) wall: WallTime,
}

impl Moment {
    /// True if the wall clock was set in between, by a second or more.
    pub(crate) fn is_set_from(self, earlier: Self) -> bool {
        let kernel_ms = |moment: Self| moment.kernel.as_nanos() / 1_000_000;
        let offset = |moment: Self| moment.wall.as_millis().wrapping_sub(kernel_ms(moment)).cast_signed();
        offset(self).abs_diff(offset(earlier)) >= 1_000
    }
}

/// The time between two boots, as far as the clock on the wall can tell: one that went back, as on a host
/// without one of its own that wakes in 1970, has let none pass.
fn passed(last: Moment, first: Moment) -> Duration {
    first.wall.since(last.wall)
}

/// When something ends, on the kernel's clock of a boot first seen at `first`, that was to end at `until` on the
/// kernel's clock of an earlier boot last seen at `last`.
/// It never has more time left than it had when it was last seen.
pub(crate) fn carry(until: KernelTime, last: Moment, first: Moment) -> KernelTime {
    if until.is_forever() {
        return until;
    }
    first.kernel + until.since(last.kernel).saturating_sub(passed(last, first))
}

/// The latest `until` that is over at `now`, when it is carried.
pub(crate) fn latest_over(now: KernelTime, last: Moment, first: Moment) -> KernelTime {
    last.kernel + passed(last, first) + now.since(first.kernel)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Nanoseconds.
    const MILLISECOND: u64 = 1_000_000;
    const SECOND: u64 = 1_000 * MILLISECOND;
    const HOUR: u64 = 3_600 * SECOND;
    const FOREVER: u64 = u64::MAX;
    /// November 2026, in milliseconds.
    const TODAY: u64 = 1_795_000_000_000;

    fn moment(kernel: u64, wall: u64) -> Moment {
        Moment { kernel: KernelTime::from_nanos(kernel), wall: WallTime::from_millis(wall) }
    }

    fn at(nanos: u64) -> KernelTime {
        KernelTime::from_nanos(nanos)
    }

    #[test]
    fn what_is_left_is_carried_into_the_next_boot() {
        const LAST: u64 = 1_000 * SECOND;
        let last = moment(LAST, TODAY);
        for (what, until, first, expected) in [
            (
                "a minute later",
                LAST + HOUR,
                moment(9 * SECOND, TODAY + 60_000),
                9 * SECOND + HOUR - 60 * SECOND,
            ),
            ("at once", LAST + HOUR, moment(9 * SECOND, TODAY), 9 * SECOND + HOUR),
            ("when it is over", LAST + HOUR, moment(9 * SECOND, TODAY + 3_600_000), 9 * SECOND),
            ("long after", LAST + HOUR, moment(9 * SECOND, TODAY * 2), 9 * SECOND),
            ("over before the reboot", LAST - 1, moment(9 * SECOND, TODAY), 9 * SECOND),
            ("in 1970", LAST + HOUR, moment(9 * SECOND, 30_000), 9 * SECOND + HOUR),
            ("for ever", FOREVER, moment(9 * SECOND, TODAY * 2), FOREVER),
            ("for ever, in 1970", FOREVER, moment(9 * SECOND, 0), FOREVER),
        ] {
            assert_eq!(carry(at(until), last, first), at(expected), "{what}");
        }
    }

    #[test]
    fn a_clock_that_is_set_is_told_from_one_that_goes_on() {
        let earlier = moment(5 * SECOND, TODAY);
        for (later, set) in [
            (moment(7 * SECOND, TODAY + 2_000), false),
            (moment(7 * SECOND, TODAY + 2_999), false),
            (moment(7 * SECOND, TODAY + 3_000), true),
            (moment(7 * SECOND, TODAY), true),
            (moment(7 * SECOND, 0), true),
        ] {
            assert_eq!(later.is_set_from(earlier), set, "{later:?}");
        }
    }

    #[test]
    fn what_is_too_far_away_is_never() {
        let clock = Clock { boot: "", kernel: at(5 * SECOND), wall: WallTime::from_millis(TODAY) };
        for seconds in [u64::MAX, u64::MAX / 1_000, u64::MAX / 1_000_000] {
            assert_eq!(clock.to_kernel(WallSeconds::new(seconds)), KernelTime::FOREVER);
        }
        assert_eq!(clock.to_wall(KernelTime::FOREVER), None);
        assert_eq!(clock.to_kernel(WallSeconds::new(TODAY / 1_000 - 1)), clock.kernel, "over");
    }

    #[test]
    fn the_clocks_go_on_within_a_boot() {
        let (first, second) = (Clock::read(), Clock::read());
        assert_eq!(first.boot, second.boot);
        assert_eq!(first.boot.len(), 36, "{first:?}");
        assert!(first.kernel <= second.kernel && first.wall > WallTime::from_millis(TODAY / 2));
    }

    proptest! {
        #[test]
        fn nothing_lasts_longer_for_a_reboot(until: u64, kernel: u64, wall: u64, next_kernel: u64, next_wall: u64) {
            prop_assume!(until != FOREVER);
            let (last, first) = (moment(kernel, wall), moment(next_kernel, next_wall));
            let left = carry(at(until), last, first).since(first.kernel);
            prop_assert!(left <= at(until).since(last.kernel));
        }

        #[test]
        fn a_second_on_the_wall_is_the_same_whenever_it_is_read(
            seconds in TODAY / 1_000..TODAY / 500,
            kernel in 0..1_000 * HOUR,
            passed in 0..HOUR / MILLISECOND,
            apart in 0..2 * MILLISECOND,
        ) {
            let clock = |passed: u64, apart| Clock {
                boot: "",
                kernel: at(kernel + passed * MILLISECOND + apart),
                wall: WallTime::from_millis(TODAY - HOUR / MILLISECOND + passed),
            };
            let seconds = WallSeconds::new(seconds);
            let until = clock(0, MILLISECOND).to_kernel(seconds);
            prop_assert_eq!(clock(passed, apart).to_wall(until), Some(seconds));
        }

        #[test]
        fn what_is_over_is_what_is_carried_into_the_past(
            until in 0..1_000 * HOUR,
            kernel in 0..1_000 * HOUR,
            wall in 0..2 * TODAY,
            next_kernel in 0..1_000 * HOUR,
            next_wall in 0..2 * TODAY,
            later in 0..1_000 * HOUR,
        ) {
            let (last, first) = (moment(kernel, wall), moment(next_kernel, next_wall));
            let now = first.kernel + Duration::from_nanos(later);
            let until = at(until);
            prop_assert_eq!(carry(until, last, first) <= now, until <= latest_over(now, last, first));
        }

        #[test]
        fn with_clocks_that_agree_it_ends_at_the_same_time_on_the_wall(
            left in 0..1_000 * HOUR,
            off in 0..HOUR / MILLISECOND,
            kernel in 0..1_000 * HOUR,
            next_kernel in 0..1_000 * HOUR,
        ) {
            let (last, first) = (moment(kernel, TODAY), moment(next_kernel, TODAY + off));
            let left = Duration::from_nanos(left);
            let carried = carry(last.kernel + left, last, first).since(first.kernel);
            prop_assert_eq!(carried, left.saturating_sub(Duration::from_millis(off)));
        }
    }
}
