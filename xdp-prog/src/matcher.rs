//! The search for signatures in a message, in two steps.
//!
//! **Prefilter.** Every signature kept in the kernel contains a literal. Of each literal, for each of the three
//! ways it can lie on a grid of every third byte, the compiler has put one four-byte gram (or, where the
//! literal is long enough, two neighbouring ones) into a table. Looking at the grid's grams alone says
//! "nothing here" or "maybe" at a third of a nanosecond a byte, however many signatures there are.
//!
//! A table entry is a set of eight groups of literals. Groups 0–6 need two neighbouring grams of the same
//! group; group 7 is for short literals, where one gram must do. Group 6 is for one literal that is no signature's:
//! [`CREDENTIALS`], so that the same look says whether a request may carry any.
//!
//! **Automaton.** On "maybe", one exact automaton decides. It knows the start line, the headers with their compact
//! forms and folded lines, and the body, so that a name in the wrong place is innocent. What is before the first
//! candidate's line cannot be part of any match, so it begins there.

use crate::{
    abi::{PREFILTER_BITS, PREFILTER_SIZE, Signatures},
    bytes::{Bytes, opaque},
    lines,
    packed::{Packed, packed_newtype},
};

/// Bytes of a message that are looked at. More cannot arrive in one frame of a driver that runs XDP natively; in
/// generic mode the rest is not seen.
pub const SCAN_MAX: u32 = 4096;

/// Distance of neighbouring grams.
pub const STRIDE: usize = 3;
/// The group whose grams count alone.
pub const LONE_GROUP: u8 = 0x80;
/// The group of the literal [`CREDENTIALS`].
pub const CREDENTIALS_GROUP: u8 = 0x40;
/// A part of the names of both headers with credentials.
pub const CREDENTIALS: &[u8; 13] = b"authorization";
/// From the first byte of the first gram that the compiler chooses of a literal to the last byte of the last.
pub const LITERAL_SPAN_MAX: usize = 16;

const GRAMS_PER_STEP: usize = 8;
const STEP: usize = GRAMS_PER_STEP * STRIDE;
/// The last step is laid so that it ends with the message. It reaches back by a whole [`LITERAL_SPAN_MAX`]
/// so that a literal across the seam lies on one of the two grids as a whole.
const LAST_GRAMS: usize = 13;
const LAST_STEP: usize = (LAST_GRAMS - 1) * STRIDE + 4;
const _: () = assert!(LAST_STEP >= STEP + LITERAL_SPAN_MAX);

/// The place of the gram's groups in the prefilter. Case does not matter.
#[inline(always)]
pub const fn slot(gram: [u8; 4]) -> usize {
    let folded = u32::from_le_bytes(gram) | 0x2020_2020;
    (folded.wrapping_mul(0x9e37_79b1) >> (32 - PREFILTER_BITS)) as usize
}

/// The answer of the prefilter about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Scan(u32);

impl Scan {
    const CREDENTIALS: u32 = 1 << 31;
    /// Anything may be there.
    pub const ANYTHING: Self = Self(1 | Self::CREDENTIALS);
    /// No signature, and maybe credentials: there are no tables to say more.
    pub const UNSEEN: Self = Self(Self::CREDENTIALS);

    #[inline(always)]
    const fn at(place: u32) -> Self {
        Self((place + 1) | Self::CREDENTIALS)
    }

    /// The place where the first signature may begin: it does not touch any byte before. `None`: there is certainly
    /// none.
    #[inline(always)]
    pub const fn candidate(self) -> Option<u32> {
        (self.0 & !Self::CREDENTIALS).checked_sub(1)
    }

    /// The same for a set without signatures.
    #[inline(always)]
    pub const fn without_signatures(self) -> Self {
        Self(self.0 & Self::CREDENTIALS)
    }

    /// False: there are no credentials, for certain.
    #[inline(always)]
    pub const fn credentials(self) -> bool {
        self.0 & Self::CREDENTIALS != 0
    }
}

packed_newtype!(Scan, u32);

/// A row of the set of signatures in one of the slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowInSet {
    pub row: u16,
    pub slot: u32,
}

impl Packed for RowInSet {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        self.slot << 16 | self.row as u32
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        Self { row: word as u16, slot: word >> 16 }
    }
}

/// Looks for signatures and credentials in the first `length` bytes of `payload`, up to where the first signature may
/// be.
#[inline(always)]
pub fn scan(payload: Bytes<'_>, length: u32, prefilter: &[u8; PREFILTER_SIZE]) -> Scan {
    let beyond = length > SCAN_MAX;
    let length = if beyond { SCAN_MAX } else { length };
    // Too short for the last step's reach: the automaton is cheap there.
    if (length as usize) < LAST_STEP {
        return Scan::ANYTHING;
    }
    // First, so that every way out of the loop is the end. Opaque and masked: the verifier gives no range to a
    // pointer that went back before it went forth.
    let last = opaque(length as usize - LAST_STEP) & (SCAN_MAX as usize - 1);
    // Maybe: cannot happen, as `length` bytes are there.
    let Some(chunk) = payload.chunk::<LAST_STEP>(last) else { return Scan::ANYTHING };
    let in_last = grams::<LAST_GRAMS>(chunk, 0, prefilter).0;
    let mut seen = in_last;
    let mut previous = 0;
    let mut at = 0;
    while at < SCAN_MAX as usize {
        if at + STEP + 1 > length as usize {
            break;
        }
        let Some(chunk) = payload.chunk::<{ STEP + 1 }>(at) else { return Scan::ANYTHING };
        let (hits, groups) = grams::<GRAMS_PER_STEP>(chunk, previous, prefilter);
        if hits & !CREDENTIALS_GROUP != 0 {
            let first = (at + first_hit(chunk, previous, prefilter)).saturating_sub(STRIDE);
            return Scan::at(if first < last { first } else { last } as u32);
        }
        seen |= hits;
        previous = groups;
        at += STEP;
    }
    if in_last & !CREDENTIALS_GROUP != 0 {
        return Scan::at(last as u32);
    }
    if seen != 0 || beyond { Scan::UNSEEN } else { Scan(0) }
}

/// Looks up `N` grams; the groups that hit, and those of the last gram.
#[inline(always)]
fn grams<const N: usize>(chunk: &[u8], previous: u8, prefilter: &[u8; PREFILTER_SIZE]) -> (u8, u8) {
    let mut previous = previous;
    let mut hits = 0;
    let mut gram = 0;
    while gram < N {
        let at = gram * STRIDE;
        // As a whole: of single bytes the compiler would make many small loads, which neighbouring grams share.
        let Some(bytes) = chunk[at..].first_chunk() else { break };
        let groups = prefilter[slot(*bytes)];
        hits |= groups & (previous | LONE_GROUP);
        previous = groups;
        gram += 1;
    }
    (hits, previous)
}

/// The beginning of the first gram that hits. Of two neighbours it is the second one.
#[inline(always)]
fn first_hit(chunk: &[u8; STEP + 1], previous: u8, prefilter: &[u8; PREFILTER_SIZE]) -> usize {
    let mut previous = previous;
    let mut gram = 0;
    while gram < GRAMS_PER_STEP {
        let at = gram * STRIDE;
        let Some(bytes) = chunk[at..].first_chunk() else { break };
        let groups = prefilter[slot(*bytes)];
        if groups & (previous | LONE_GROUP) & !CREDENTIALS_GROUP != 0 {
            return at;
        }
        previous = groups;
        gram += 1;
    }
    0
}

impl Signatures {
    /// The row after `byte` in `row`.
    #[inline(always)]
    pub(crate) fn step(&self, row: u16, byte: u8) -> u16 {
        let column = self.classes[byte as usize] as usize & 0xfe;
        // Opaque, so that the column is added before the row is known, for which everything waits.
        let rows = opaque((&raw const self.rows) as usize + column);
        // SAFETY: `row` units of 64 bytes plus a column of at most 255 is within `rows`, whose size allows
        // for any `u16` and the pad; columns are even, so the entry is aligned.
        unsafe { *((rows + ((row as usize) << 6)) as *const u16) }
    }

    /// The signature of an accepting row.
    #[inline(always)]
    pub(crate) const fn accepted(&self, row: u16) -> u16 {
        (row - self.head.accept) >> (self.head.accept_shift & 15)
    }

    /// The first signature that the datagram's message carries.
    pub fn find(&self, payload: Bytes<'_>, length: u32) -> Option<u16> {
        let candidate = scan(payload, length, &self.prefilter).candidate()?;
        self.find_from(payload, length, self.start(payload, candidate))
    }

    /// The place where the walk may begin if there is no candidate before this one: the beginning of the text, or of a
    /// header's line.
    #[inline(always)]
    pub fn start(&self, payload: Bytes<'_>, candidate: u32) -> u32 {
        let headers = |most| lines::without_empty_line(payload, most, SCAN_MAX);
        self.start_with(payload, candidate, headers, |at| lines::start_of_line(payload, at, SCAN_MAX))
    }

    /// [`start`](Self::start) with both searches as the kernel calls them: as functions that are verified by themselves.
    #[inline(always)]
    pub fn start_with(
        &self,
        payload: Bytes<'_>,
        candidate: u32,
        without_empty_line: impl Fn(u32) -> u32,
        start_of_line: impl Fn(u32) -> u32,
    ) -> u32 {
        match payload.byte(0) {
            // In a body there are no headers: back to the last one.
            Some(first) if self.head.line != 0 && first > b' ' => {
                start_of_line(without_empty_line(candidate))
            }
            // Blanks before a message are not the end of its headers.
            _ => 0,
        }
    }

    /// The first signature in what begins at `start`, which is zero or what [`start`](Self::start) says.
    pub fn find_from(&self, payload: Bytes<'_>, length: u32, start: u32) -> Option<u16> {
        self.find_with(
            length,
            start,
            |row, at, most| self.long_steps(payload.skip(at as usize), most, row),
            |row, at, most| self.short_steps(payload.skip(at as usize), most, row),
        )
    }

    /// [`find_from`](Self::find_from) with [`long_steps`](Self::long_steps) and [`short_steps`](Self::short_steps) as
    /// the kernel calls them: as functions that are verified by themselves.
    #[inline(always)]
    pub fn find_with(
        &self,
        length: u32,
        start: u32,
        long_steps: impl Fn(u16, u32, u32) -> u16,
        short_steps: impl Fn(u16, u32, u32) -> u16,
    ) -> Option<u16> {
        let length = if length > SCAN_MAX { SCAN_MAX } else { length };
        let row = if start == 0 { self.head.request } else { self.head.line };
        let most = length.saturating_sub(start);
        let mut row = long_steps(row, start, most);
        if row != 0 && row < self.head.accept {
            let odd = most & (LONG_STEP as u32 - 1);
            row = short_steps(row, length - odd, odd);
        }
        if row >= self.head.accept { Some(self.accepted(row)) } else { None }
    }

    /// The row after as many whole long steps as `most` bytes have, or an accepting or dead row.
    #[inline(always)]
    pub fn long_steps(&self, payload: Bytes<'_>, most: u32, row: u16) -> u16 {
        let accept = self.head.accept;
        let mut row = row;
        let mut at = 0;
        // Accepting and dead rows keep to themselves, so a look after each step is enough.
        while at < SCAN_MAX as usize && row != 0 && row < accept {
            if at + LONG_STEP > most as usize {
                break;
            }
            let Some(chunk) = payload.chunk::<LONG_STEP>(at) else { break };
            let mut byte = 0;
            while byte < LONG_STEP {
                row = self.step(row, chunk[byte]);
                byte += 1;
            }
            at += LONG_STEP;
        }
        row
    }

    /// The row after `most` bytes, fewer than a long step.
    #[inline(always)]
    pub fn short_steps(&self, payload: Bytes<'_>, most: u32, row: u16) -> u16 {
        let mut row = row;
        let mut at = 0;
        while at < LONG_STEP {
            if !still_below(at, most) {
                break;
            }
            let Some(byte) = payload.byte(at) else { break };
            row = self.step(row, byte);
            at += 1;
        }
        row
    }
}

/// `at < most`, for loops that also have a constant bound. The compiler would melt both into "until `at` equals
/// the smaller one", in which the verifier of Linux 6.1 sees no bound at all.
#[inline(always)]
pub(crate) fn still_below(at: usize, most: u32) -> bool {
    opaque(at) < most as usize
}

/// Bytes between two looks at the row.
const LONG_STEP: usize = 8;
