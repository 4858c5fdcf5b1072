//! The steps of a walk through a segment.

use super::SCAN_MAX;
use crate::{
    abi::{Carried, Signatures},
    bytes::Bytes,
    matcher::still_below,
    packed::Packed,
    sip::{self, Kind, SHORTEST},
};

/// The place that [`Signatures::advance`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    pub row: u16,
    /// Bytes read, and the last of them.
    pub count: u32,
    pub last: u8,
}

impl Packed for Advance {
    type Word = u64;

    #[inline(always)]
    fn pack(self) -> u64 {
        (self.count as u64) << 32 | (self.last as u64) << 16 | self.row as u64
    }

    #[inline(always)]
    fn unpack(word: u64) -> Self {
        Self { row: word as u16, count: (word >> 32) as u32, last: (word >> 16) as u8 }
    }
}

/// A segment as the walk reads it. The kernel verifies each of these as a separate function.
pub trait Segment {
    /// [`Signatures::advance`] over at most `most` bytes from `at` on.
    fn advance(&self, row: u16, at: u32, most: u32) -> Advance;
    /// The end of the blanks that begin at `at`.
    fn skip_blanks(&self, at: u32) -> u32;
    /// The kind of message that begins at `at`. An unknown method counts as that, without a look at its shape.
    fn message(&self, at: u32) -> Kind;
    /// Adds what is there from `at` on, before `end`, to the first bytes of a message, and says where it stopped.
    fn take_head(&self, carried: &mut Carried, at: u32, end: u32) -> u32;
}

/// [`Segment::skip_blanks`] over a payload.
#[inline(always)]
pub fn skip_blanks(payload: Bytes<'_>) -> u32 {
    let mut at = 0;
    while at < BLANKS_MAX {
        match payload.byte(at as usize) {
            Some(byte) if byte <= b' ' => at += 1,
            _ => break,
        }
    }
    at
}

/// [`Segment::message`] of a payload.
#[inline(always)]
pub fn later_message(payload: Bytes<'_>) -> Kind {
    sip::message(payload, SCAN_MAX).unwrap_or(Kind::UnknownMethod)
}

/// [`Segment::take_head`] of at most `most` bytes from the beginning of a payload. How many it took.
#[inline(always)]
pub fn take_head(payload: Bytes<'_>, carried: &mut Carried, most: u32) -> u32 {
    let mut taken = 0;
    while taken < SHORTEST {
        if carried.head_length >= SHORTEST as u16 || !still_below(taken, most) {
            break;
        }
        let Some(byte) = payload.byte(taken) else { break };
        carried.add_to_head(byte);
        taken += 1;
    }
    taken as u32
}

impl Carried {
    #[inline(always)]
    const fn add_to_head(&mut self, byte: u8) {
        let word = if self.head_length < 8 { &mut self.head[0] } else { &mut self.head[1] };
        *word |= (byte as u64) << (8 * (self.head_length & 7));
        self.head_length += 1;
    }

    #[inline(always)]
    pub(super) const fn whole_head(&self) -> [u8; SHORTEST] {
        let ([a, b, c, d, e, f, g, h], [i, j, k, l, ..]) =
            (self.head[0].to_le_bytes(), self.head[1].to_le_bytes());
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }
}

/// Line ends between two messages; more of them hide something.
pub(super) const BLANKS_MAX: u32 = 64;
/// Turns of the walk: a message takes a few for its end and one for each digit of its length. A segment with more than
/// these is made to hide the last of them.
pub(super) const TURNS: u32 = 128;

impl Signatures {
    /// Follows the message from `row` through at most `most` bytes, until something happens: the headers end, a header with
    /// credentials begins, a digit of the length is read, a signature is found, or nothing can be found any more. Reads in
    /// whole steps while it can, and what is less than a step at the next call.
    #[inline(always)]
    pub fn advance(&self, payload: Bytes<'_>, row: u16, most: u32) -> Advance {
        const STEP: usize = 8;
        // Row 0 wraps around: one comparison separates dead and eventful rows from ordinary ones.
        let quiet = self.head.body.wrapping_sub(1);
        let happens = |row: u16| row.wrapping_sub(1) >= quiet;
        let mut row = row;
        let mut at = 0;
        if most < STEP as u32 {
            while at < STEP {
                let last = if still_below(at, most) { payload.byte(at) } else { None };
                let Some(last) = last else { break };
                row = self.step(row, last);
                at += 1;
                if happens(row) {
                    return Advance { row, count: at as u32, last };
                }
            }
            return Advance { row, count: at as u32, last: 0 };
        }
        while at < SCAN_MAX as usize {
            if at + STEP > most as usize {
                break;
            }
            let Some(chunk) = payload.chunk::<STEP>(at) else { break };
            let mut byte = 0;
            while byte < STEP {
                let last = chunk[byte];
                row = self.step(row, last);
                byte += 1;
                if happens(row) {
                    return Advance { row, count: (at + byte) as u32, last };
                }
            }
            at += STEP;
        }
        Advance { row, count: at as u32, last: 0 }
    }
}
