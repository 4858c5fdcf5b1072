//! Limits on the distinct flows (source address and port) of one source or one neighbourhood.
//!
//! A flow is one bit out of 256, in the current window and the one before. A flow that is in use keeps its
//! bit and is never refused; two flows that share a bit count as one, which errs towards passing.

use crate::{
    abi::{FLOW_WORDS, Flows},
    meter::elapsed,
};

impl Flows {
    /// True: `flow` (a hash) is among at most `limit` flows within `window` ticks before `tick`.
    #[inline(always)]
    pub fn admit(&self, flow: u32, limit: u32, window: u32, tick: u32) -> bool {
        if limit == 0 || window == 0 {
            return true;
        }
        let mut head = Head::load(self.head.get());
        let elapsed = elapsed(head.start, tick);
        if elapsed >= window {
            head = self.turn(head, elapsed, window, tick);
        }
        let word = (flow >> 6) as usize & (FLOW_WORDS - 1);
        let bit = 1u64 << (flow & 63);
        let current = self.current[word].get();
        if current & bit != 0 {
            return true;
        }
        if self.previous[word].get() & bit == 0 {
            if head.either >= limit {
                self.head.set(head.store());
                return false;
            }
            head.either += 1;
        }
        head.current += 1;
        self.current[word].set(current | bit);
        self.head.set(head.store());
        true
    }

    #[inline(always)]
    fn turn(&self, head: Head, elapsed: u32, window: u32, tick: u32) -> Head {
        let adjoining = elapsed < window * 2;
        for word in 0..FLOW_WORDS {
            let kept = if adjoining { self.current[word].get() } else { 0 };
            self.previous[word].set(kept);
            self.current[word].set(0);
        }
        if adjoining {
            Head { start: head.start.wrapping_add(window), current: 0, either: head.current }
        } else {
            Head { start: tick, current: 0, either: 0 }
        }
    }
}

/// Counts of set bits, kept because the kernel has no population count.
#[derive(Clone, Copy)]
struct Head {
    start: u32,
    current: u32,
    either: u32,
}

impl Head {
    #[inline(always)]
    const fn load(word: u64) -> Self {
        Self {
            start: (word >> 32) as u32,
            current: (word >> 16) as u32 & 0xffff,
            either: word as u32 & 0xffff,
        }
    }

    #[inline(always)]
    const fn store(self) -> u64 {
        (self.start as u64) << 32 | ((self.current & 0xffff) as u64) << 16 | (self.either & 0xffff) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: u32 = 1000;

    #[test]
    fn the_limit_counts_flows_not_packets() {
        let flows = Flows::default();
        for round in 0..50 {
            for flow in 0..10 {
                assert!(flows.admit(flow, 10, WINDOW, 5000 + round));
            }
        }
        assert!(!flows.admit(10, 10, WINDOW, 5100), "the eleventh");
        assert!(flows.admit(3, 10, WINDOW, 5101), "one that is in use goes on");
    }

    #[test]
    fn a_flow_in_use_survives_the_turn_of_the_window_and_idle_ones_make_room() {
        let flows = Flows::default();
        for flow in 0..10 {
            assert!(flows.admit(flow, 10, WINDOW, 5000));
        }
        assert!(flows.admit(0, 10, WINDOW, 6500));
        assert!(!flows.admit(77, 10, WINDOW, 6501), "the others were there a window ago");
        assert!(flows.admit(0, 10, WINDOW, 7500));
        assert!(flows.admit(77, 10, WINDOW, 7501), "now nine of them are idle for a whole window");
        assert!(flows.admit(78, 10, WINDOW, 20_000));
    }

    #[test]
    fn zero_is_no_limit() {
        let flows = Flows::default();
        assert!((0..1000).all(|flow| flows.admit(flow, 0, WINDOW, 1)));
    }
}
