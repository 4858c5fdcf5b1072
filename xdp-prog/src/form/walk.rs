//! A walk through a table of states, byte by byte.

use crate::{
    bytes::{Bytes, opaque},
    packed::Packed,
};

/// States of a table, besides what it remembers.
pub(super) const STATES: u8 = 16;

/// A walk through a table of states: the last one.
#[derive(Clone, Copy, Debug)]
pub struct Walk(pub(super) u8);

impl Walk {
    #[inline(always)]
    fn take<const SIZE: usize>(&mut self, table: &[u8; SIZE], byte: u8) {
        self.0 = table[((self.0 as usize) << 8 | byte as usize) & (SIZE - 1)];
    }

    /// Through as many of the first `length` bytes as are whole steps, and no more than `max`. Without a way out: the
    /// verifier goes every way through each step, and gives up where there are too many.
    #[inline(always)]
    pub(super) fn steps<const SIZE: usize>(
        mut self,
        table: &[u8; SIZE],
        payload: Bytes<'_>,
        length: u32,
        max: usize,
    ) -> Self {
        let mut at = 0;
        while at < max {
            if opaque(at) + WALK_STEP > length as usize {
                break;
            }
            let Some(bytes) = payload.chunk::<WALK_STEP>(at) else { break };
            let mut byte = 0;
            while byte < WALK_STEP {
                self.take(table, bytes[byte]);
                byte += 1;
            }
            at += WALK_STEP;
        }
        self
    }

    /// Through what is less than a step.
    #[inline(always)]
    pub(super) fn rest<const SIZE: usize>(
        mut self,
        table: &[u8; SIZE],
        payload: Bytes<'_>,
        length: u32,
    ) -> Self {
        let mut at = 0;
        while at < WALK_STEP {
            if opaque(at) >= length as usize {
                break;
            }
            let Some(byte) = payload.byte(at) else { break };
            self.take(table, byte);
            at += 1;
        }
        self
    }
}

impl Packed for Walk {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        self.0 as u32
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        Self(word as u8)
    }
}

const WALK_STEP: usize = 8;

pub(super) const LESS_THAN_STEP: u32 = WALK_STEP as u32 - 1;
