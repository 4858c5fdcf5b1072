//! The rate limiter: one [`Meter`] holds a bucket and a sliding window, each in a single word.
//!
//! Two CPUs that charge the same meter at the same moment may lose one packet of the count. That errs
//! towards passing, and costs nothing on the path.

use crate::{
    abi::{Meter, RateLimit, TICK_SHIFT, WINDOW_MAX_LIMIT},
    word::Word,
};

impl RateLimit {
    pub const OFF: Self = Self { interval: 0, tolerance: 0, window: 0, window_max: 0 };

    /// Half of what may come at once, so that the other half is left for others.
    #[inline(always)]
    pub const fn half(&self) -> Self {
        Self { tolerance: self.tolerance / 2, window_max: self.window_max / 2, ..*self }
    }
}

/// Nanoseconds in ticks.
#[inline(always)]
pub const fn ticks(nanoseconds: u64) -> u32 {
    (nanoseconds >> TICK_SHIFT) as u32
}

/// The state of a meter once the packets have passed.
#[derive(Clone, Copy, Debug)]
pub struct Next {
    empty_at: u64,
    window: u64,
}

impl Meter {
    /// Charges `packets` to `limit` times `budget`, once [`commit`](Self::commit) is called. `None`: they exceed it. A
    /// refused packet is not charged: a source that keeps trying is let in again as soon as its time has come.
    #[inline(always)]
    pub fn admits(&self, limit: &RateLimit, budget: u32, now: u64, packets: u32) -> Option<Next> {
        let budget = if budget == 0 { 1 } else { budget };
        let mut next = Next { empty_at: self.empty_at.get(), window: self.window.get() };
        if limit.interval != 0 {
            let interval = limit.interval / budget as u64;
            let cost = (if interval == 0 { 1 } else { interval }) * packets as u64;
            next.empty_at = (if next.empty_at > now { next.empty_at } else { now }) + cost;
            if next.empty_at - now > limit.tolerance {
                return None;
            }
        }
        if limit.window != 0 {
            let window = Window::load(next.window).turned_to(ticks(now), limit.window);
            let allowed = limit.window_max as u64 * budget as u64;
            let allowed = if allowed > WINDOW_MAX_LIMIT as u64 { WINDOW_MAX_LIMIT as u64 } else { allowed };
            let count = window.current as u64 + packets as u64;
            if window.weighted(count, ticks(now), limit.window) > allowed * limit.window as u64 {
                return None;
            }
            next.window = Window { current: count as u32, ..window }.store();
        }
        Some(next)
    }

    #[inline(always)]
    pub fn commit(&self, next: Next) {
        self.empty_at.set(next.empty_at);
        self.window.set(next.window);
    }
}

/// Adds `packets` to the window in `word`, and says how many came in the last `length` ticks, times `length`.
#[inline(always)]
pub fn count(word: &Word, packets: u32, tick: u32, length: u32) -> u64 {
    let window = Window::load(word.get()).turned_to(tick, length);
    let current = window.current.saturating_add(packets);
    let current = if current > Window::COUNT_MAX { Window::COUNT_MAX } else { current };
    word.set(Window { current, ..window }.store());
    window.weighted(current as u64, tick, length)
}

/// The time that another CPU's clock may be ahead of this one's: about a second, far more than it ever is.
const AHEAD_MAX: u32 = 1 << 10;

/// Ticks from `start` to `tick`. A fresh state starts at tick 0, which may be up to 52 days ago: only a start that is
/// just ahead is taken for another CPU's.
#[inline(always)]
pub const fn elapsed(start: u32, tick: u32) -> u32 {
    let ticks = tick.wrapping_sub(start);
    if ticks > u32::MAX - AHEAD_MAX { 0 } else { ticks }
}

/// Two adjoining windows: the count of the older one fades as the newer one fills its time.
#[derive(Clone, Copy)]
struct Window {
    start: u32,
    current: u32,
    previous: u32,
}

impl Window {
    const COUNT_MAX: u32 = u16::MAX as u32;

    #[inline(always)]
    const fn load(word: u64) -> Self {
        Self {
            start: (word >> 32) as u32,
            current: (word >> 16) as u32 & 0xffff,
            previous: word as u32 & 0xffff,
        }
    }

    #[inline(always)]
    const fn store(self) -> u64 {
        (self.start as u64) << 32 | ((self.current & 0xffff) as u64) << 16 | self.previous as u64
    }

    /// The same history seen at `tick`.
    #[inline(always)]
    const fn turned_to(self, tick: u32, length: u32) -> Self {
        let elapsed = elapsed(self.start, tick);
        if elapsed < length {
            self
        } else if elapsed < length * 2 {
            Self { start: self.start.wrapping_add(length), current: 0, previous: self.current }
        } else {
            Self { start: tick, current: 0, previous: 0 }
        }
    }

    /// Packets in the last `length` ticks, times `length`.
    #[inline(always)]
    const fn weighted(self, current: u64, tick: u32, length: u32) -> u64 {
        let left = length.saturating_sub(elapsed(self.start, tick));
        self.previous as u64 * left as u64 + current * length as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn admit(meter: &Meter, limit: &RateLimit, budget: u32, now: u64, packets: u32) -> bool {
        let next = meter.admits(limit, budget, now, packets);
        next.is_some_and(|next| {
            meter.commit(next);
            true
        })
    }

    fn bucket(per_second: u64, burst: u64) -> RateLimit {
        let interval = SECOND / per_second;
        RateLimit { interval, tolerance: interval * burst, ..RateLimit::OFF }
    }

    fn window(max: u32, seconds: u64) -> RateLimit {
        RateLimit { window: ticks(seconds * SECOND), window_max: max, ..RateLimit::OFF }
    }

    fn admitted(limit: &RateLimit, times: impl IntoIterator<Item = u64>) -> usize {
        let meter = Meter::default();
        times.into_iter().filter(|&now| admit(&meter, limit, 1, now, 1)).count()
    }

    #[test]
    fn a_bucket_lets_its_burst_pass_at_once_and_then_its_rate() {
        let limit = bucket(10, 20);
        assert_eq!(admitted(&limit, vec![5 * SECOND; 100]), 20);
        let meter = Meter::default();
        for _ in 0..20 {
            assert!(admit(&meter, &limit, 1, SECOND, 1));
        }
        assert!(!admit(&meter, &limit, 1, SECOND + SECOND / 10 - 1, 1));
        assert!(admit(&meter, &limit, 1, SECOND + SECOND / 10, 1));
        assert!(!admit(&meter, &limit, 1, SECOND + SECOND / 10, 1));
    }

    #[test]
    fn a_window_lets_its_number_pass_and_forgets() {
        let limit = window(20, 60);
        assert_eq!(admitted(&limit, vec![7 * SECOND; 100]), 20);
        let meter = Meter::default();
        for _ in 0..20 {
            assert!(admit(&meter, &limit, 1, SECOND, 1));
        }
        assert!(!admit(&meter, &limit, 1, 60 * SECOND, 1), "the window has not passed");
        assert!(admit(&meter, &limit, 1, 125 * SECOND, 1), "two windows later everything is forgotten");
    }

    #[test]
    fn a_window_turns_whatever_the_uptime() {
        const DAY: u64 = 86_400 * SECOND;
        let limit = window(10, 60);
        for days in 0..120 {
            let (meter, sent, now) = (Meter::default(), Word::default(), days * DAY + SECOND);
            for minute in 0..10 {
                let now = now + minute * 180 * SECOND;
                let passed = (0..20).filter(|_| admit(&meter, &limit, 1, now, 1)).count();
                assert_eq!(passed, 10, "after {days} days, minute {minute}");
                let length = limit.window;
                let counted = (0..7).map(|_| count(&sent, 1, ticks(now), length)).last();
                assert_eq!(counted, Some(7 * u64::from(length)), "after {days} days, minute {minute}");
            }
        }
    }

    #[test]
    fn what_is_counted_fades_and_never_overflows() {
        let (sent, length) = (Word::default(), ticks(60 * SECOND));
        let counted = |seconds: u64, packets| count(&sent, packets, ticks(seconds * SECOND), length);
        assert_eq!(counted(1, 8), 8 * u64::from(length));
        assert!(counted(91, 0) < 5 * u64::from(length), "half of them are older than a minute");
        assert_eq!(counted(400, 0), 0);
        for _ in 0..3 {
            assert_eq!(counted(400, u32::MAX / 2), 0xffff * u64::from(length));
        }
    }

    #[test]
    fn a_refused_packet_is_not_charged() {
        let limit = bucket(1, 1);
        let meter = Meter::default();
        assert!(admit(&meter, &limit, 1, SECOND, 1));
        for wait in 1..10 {
            assert!(!admit(&meter, &limit, 1, SECOND + wait * SECOND / 10, 1));
        }
        assert!(admit(&meter, &limit, 1, 2 * SECOND, 1));
    }

    #[test]
    fn several_packets_are_admitted_together_or_not_at_all() {
        let meter = Meter::default();
        assert!(!admit(&meter, &window(5, 60), 1, SECOND, 6));
        assert!(admit(&meter, &window(5, 60), 1, SECOND, 5));
        assert!(!admit(&meter, &window(5, 60), 1, SECOND, 1));
    }

    #[test]
    fn a_budget_multiplies_both_styles() {
        for (limit, expected) in [(bucket(10, 20), 20 * 40), (window(10, 60), 10 * 40)] {
            let meter = Meter::default();
            let passed = (0..5000).filter(|_| admit(&meter, &limit, 40, SECOND, 1)).count();
            assert_eq!(passed, expected);
        }
    }

    proptest! {
        /// Over any span the window never admits more than twice its number in twice its length, and a
        /// source that stays below the rate is never refused.
        #[test]
        fn the_window_holds(gaps in proptest::collection::vec(0u64..20 * SECOND, 1..200)) {
            let limit = window(10, 60);
            let meter = Meter::default();
            let mut now = SECOND;
            let mut passed = Vec::new();
            for gap in gaps {
                now += gap;
                if admit(&meter, &limit, 1, now, 1) {
                    passed.push(now);
                }
            }
            for (first, &start) in passed.iter().enumerate() {
                let within = passed[first..].iter().take_while(|&&at| at - start < 60 * SECOND).count();
                prop_assert!(within <= 20);
            }
        }

        #[test]
        fn the_bucket_never_exceeds_rate_times_time_plus_burst(
            gaps in proptest::collection::vec(0u64..SECOND / 4, 1..400)
        ) {
            let limit = bucket(10, 20);
            let meter = Meter::default();
            let (mut now, mut passed) = (SECOND, 0u64);
            for gap in gaps {
                now += gap;
                passed += u64::from(admit(&meter, &limit, 1, now, 1));
                prop_assert!(passed <= 20 + (now - SECOND) / (SECOND / 10));
            }
        }

        #[test]
        fn a_polite_source_is_never_refused(count in 1u64..500) {
            let both = RateLimit { window: ticks(60 * SECOND), window_max: 20, ..bucket(10, 20) };
            let meter = Meter::default();
            for packet in 1..=count {
                prop_assert!(admit(&meter, &both, 1, packet * 4 * SECOND, 1));
            }
        }
    }
}
