//! Chance that can be repeated: the same seed gives the same packets.

use std::time::{SystemTime, UNIX_EPOCH};

/// Names the seed of an earlier run, to see it once more.
const SEED: &str = "SIPWARD_SEED";

#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Another seed each time; it is printed with what a failing test prints.
    pub(crate) fn thrown() -> Self {
        let seed = match std::env::var(SEED) {
            Ok(seed) => seed.parse().expect("a number as seed"),
            Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_nanos() as u64,
        };
        println!("to see this run once more: {SEED}={seed}");
        Self(seed)
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    pub(crate) fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            all.swap(last, self.below(last + 1));
        }
    }
}
