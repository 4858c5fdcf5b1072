//! A random number generator that repeats its numbers for the same seed.

use std::time::{SystemTime, UNIX_EPOCH};

/// Names the seed of an earlier run, to see it once more.
const SEED: &str = "SIPWARD_SEED";

#[derive(Debug)]
pub struct Rng(u64);

impl Rng {
    /// Another seed each time; it is printed with what a failing test prints.
    pub fn from_clock() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
        Self::fixed(now.as_nanos() as u64)
    }

    /// The same seed each time, unless the environment names another.
    pub fn fixed(seed: u64) -> Self {
        let seed = std::env::var(SEED).map_or(seed, |seed| seed.parse().expect("a number as seed"));
        println!("to see this run once more: {SEED}={seed}");
        Self(seed)
    }

    /// One of many in a run whose seed was printed.
    pub const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// A number for [`seeded`](Self::seeded).
    pub fn seed(&mut self) -> u64 {
        self.next()
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            all.swap(last, self.below(last + 1));
        }
    }
}
