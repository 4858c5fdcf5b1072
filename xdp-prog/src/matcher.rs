//! Finding signatures in a message, in two steps.
//!
//! **Prefilter.** Every signature kept in the kernel contains a literal. Of each literal, for each of the three
//! ways it can lie on a grid of every third byte, the compiler has put one four-byte gram (or, where the
//! literal is long enough, two neighbouring ones) into a table. Looking at the grid's grams alone says
//! "nothing here" or "maybe" at a third of a nanosecond a byte, however many signatures there are.
//!
//! A table entry is a set of eight groups of literals. Groups 0–6 need two neighbouring grams of the same
//! group; group 7 is for short literals, where one gram must do.
//!
//! **Automaton.** On "maybe", one exact automaton over the whole message decides. It knows the start line,
//! the headers with their compact forms and folded lines, and the body, so that a name in the wrong place is
//! innocent. For streams it also finds where each message ends.

use crate::{
    abi::{PREFILTER_BITS, PREFILTER_SIZE, Signatures},
    bytes::{Bytes, opaque},
    reason::Class,
    sip::{self, Kind},
};

/// Bytes of a message that are looked at. More cannot arrive in one frame of a driver that runs XDP natively; in
/// generic mode the rest is not seen.
pub const SCAN_MAX: u32 = 4096;
/// The same for streams, where the walk costs more.
pub const STREAM_SCAN_MAX: u32 = 2048;

/// Distance of neighbouring grams.
pub const STRIDE: usize = 3;
/// The group whose grams count alone.
pub const LONE_GROUP: u8 = 0x80;
/// From the first byte of the first gram that the compiler chooses of a literal to the last byte of the last.
pub const LITERAL_SPAN_MAX: usize = 16;

const GRAMS_PER_STEP: usize = 8;
const STEP: usize = GRAMS_PER_STEP * STRIDE;
/// The last step is laid so that it ends with the message. It reaches back by a whole [`LITERAL_SPAN_MAX`]
/// so that a literal across the seam lies on one of the two grids as a whole.
const LAST_GRAMS: usize = 13;
const LAST_STEP: usize = (LAST_GRAMS - 1) * STRIDE + 4;
const _: () = assert!(LAST_STEP >= STEP + LITERAL_SPAN_MAX);

/// Where the gram's groups stand in the prefilter. Case does not matter.
#[inline(always)]
pub const fn slot(gram: [u8; 4]) -> usize {
    let folded = u32::from_le_bytes(gram) | 0x2020_2020;
    (folded.wrapping_mul(0x9e37_79b1) >> (32 - PREFILTER_BITS)) as usize
}

/// Whether a signature may be in the first `length` bytes of `payload`. Never a false no.
#[inline(always)]
pub fn may_match(payload: Bytes<'_>, length: u32, prefilter: &[u8; PREFILTER_SIZE]) -> bool {
    let length = if length > SCAN_MAX { SCAN_MAX } else { length };
    // Too short for the last step's reach: the automaton is cheap there.
    if (length as usize) < LAST_STEP {
        return true;
    }
    // First, so that every way out of the loop is the end. Opaque and masked: the verifier gives no range to a
    // pointer that went back before it went forth.
    let last = opaque(length as usize - LAST_STEP) & (SCAN_MAX as usize - 1);
    // Maybe: cannot happen, as `length` bytes are there.
    let Some(chunk) = payload.chunk::<LAST_STEP>(last) else { return true };
    if grams::<LAST_GRAMS>(chunk, 0, prefilter).0 {
        return true;
    }
    let mut previous = 0;
    let mut at = 0;
    while at < SCAN_MAX as usize {
        if at + STEP + 1 > length as usize {
            break;
        }
        let Some(chunk) = payload.chunk::<{ STEP + 1 }>(at) else { return true };
        let (hit, groups) = grams::<GRAMS_PER_STEP>(chunk, previous, prefilter);
        if hit {
            return true;
        }
        previous = groups;
        at += STEP;
    }
    false
}

/// Looks up `N` grams; says whether any hits, and the groups of the last one.
#[inline(always)]
fn grams<const N: usize>(chunk: &[u8], previous: u8, prefilter: &[u8; PREFILTER_SIZE]) -> (bool, u8) {
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
    (hits != 0, previous)
}

impl Signatures {
    /// The row after `byte` in `row`.
    #[inline(always)]
    fn step(&self, row: u16, byte: u8) -> u16 {
        let column = self.classes[byte as usize] as usize;
        let rows = (&raw const self.rows).cast::<u8>();
        // SAFETY: `row` units of 64 bytes plus a column of at most 255 is within `rows`, whose size allows
        // for any `u16` and the pad; columns are even, so the entry is aligned.
        unsafe { *rows.add(((row as usize) << 6) + (column & 0xfe)).cast::<u16>() }
    }

    /// The signature of an accepting row.
    #[inline(always)]
    const fn accepted(&self, row: u16) -> u16 {
        (row - self.head.accept) >> (self.head.accept_shift & 15)
    }

    /// The first signature that the datagram's message carries.
    pub fn find(&self, payload: Bytes<'_>, length: u32) -> Option<u16> {
        self.find_with(
            length,
            |row, length| self.long_steps(payload, length, row),
            |row, at, most| self.short_steps(payload.skip(at as usize), most, row),
        )
    }

    /// [`find`](Self::find) with [`long_steps`](Self::long_steps) and [`short_steps`](Self::short_steps) as the
    /// kernel calls them: as functions that are verified by themselves.
    #[inline(always)]
    pub fn find_with(
        &self,
        length: u32,
        long_steps: impl Fn(u16, u32) -> u16,
        short_steps: impl Fn(u16, u32, u32) -> u16,
    ) -> Option<u16> {
        let length = if length > SCAN_MAX { SCAN_MAX } else { length };
        let mut row = long_steps(self.head.request, length);
        if row != 0 && row < self.head.accept {
            let odd = length & (LONG_STEP as u32 - 1);
            row = short_steps(row, length - odd, odd);
        }
        if row >= self.head.accept { Some(self.accepted(row)) } else { None }
    }

    /// The row after as many whole long steps as `length` has, or an accepting or dead row.
    #[inline(always)]
    pub fn long_steps(&self, payload: Bytes<'_>, length: u32, row: u16) -> u16 {
        let accept = self.head.accept;
        let mut row = row;
        let mut at = 0;
        // Accepting and dead rows keep to themselves, so a look after each step is enough.
        while at < SCAN_MAX as usize && row != 0 && row < accept {
            if at + LONG_STEP > length as usize {
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
fn still_below(at: usize, most: u32) -> bool {
    opaque(at) < most as usize
}

/// Bytes between two looks at the row.
const LONG_STEP: usize = 16;

/// What a TCP segment holds besides its first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct Stream(u64);

/// In the word: the signature plus one in the low 16 bits, then four bits of count per class, then of unknown
/// methods, then whether there was more.
const STREAM_COUNTS: u32 = 16;
const STREAM_UNKNOWN: u32 = STREAM_COUNTS + 4 * Class::COUNT as u32;
const STREAM_TANGLED: u64 = 1 << (STREAM_UNKNOWN + 4);

impl Stream {
    #[inline(always)]
    pub const fn from_word(word: u64) -> Self {
        Self(word)
    }

    #[inline(always)]
    pub const fn word(self) -> u64 {
        self.0
    }

    #[inline(always)]
    pub const fn signature(self) -> Option<u16> {
        match self.0 as u16 {
            0 => None,
            id => Some(id - 1),
        }
    }

    #[inline(always)]
    pub const fn nothing_later(self) -> bool {
        self.0 >> STREAM_COUNTS == 0
    }

    /// Later requests of a class in this segment, at most fifteen.
    #[inline(always)]
    pub const fn later(self, class: Class) -> u32 {
        (self.0 >> (STREAM_COUNTS + 4 * class as u32)) as u32 & 15
    }

    #[inline(always)]
    pub const fn later_unknown(self) -> u32 {
        (self.0 >> STREAM_UNKNOWN) as u32 & 15
    }

    /// Its messages cannot be told apart: there are more than anybody sends at once, or one has two lengths.
    #[inline(always)]
    pub const fn is_tangled(self) -> bool {
        self.0 & STREAM_TANGLED != 0
    }

    #[inline(always)]
    const fn tangled(self) -> Self {
        Self(self.0 | STREAM_TANGLED)
    }

    #[inline(always)]
    const fn with_signature(self, signature: u16) -> Self {
        Self(self.0 | (signature as u64 + 1))
    }

    #[inline(always)]
    const fn with_later(self, kind: Kind) -> Self {
        let shift = match kind {
            Kind::Request(class) => STREAM_COUNTS + 4 * class as u32,
            Kind::UnknownMethod => STREAM_UNKNOWN,
            Kind::Response | Kind::Keepalive | Kind::NotSip | Kind::Hidden => return self,
        };
        // A full count would let the rest through uncharged.
        if self.0 >> shift & 15 == 15 { self.tangled() } else { Self(self.0 + (1 << shift)) }
    }
}

/// How far [`Signatures::advance`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    pub row: u16,
    /// Bytes read, and the last of them.
    pub count: u32,
    pub last: u8,
}

impl Advance {
    /// In a word, because that is all a separately verified function may return.
    #[inline(always)]
    pub const fn word(self) -> u64 {
        (self.count as u64) << 32 | (self.last as u64) << 16 | self.row as u64
    }

    #[inline(always)]
    pub const fn from_word(word: u64) -> Self {
        Self { row: word as u16, count: (word >> 32) as u32, last: (word >> 16) as u8 }
    }
}

/// Where a segment's second and later messages are looked for: the row after a byte, and how the next message
/// begins. The kernel verifies both as functions by themselves.
pub trait Segment {
    /// [`Signatures::advance`] over at most `most` bytes from `at` on.
    fn advance(&self, row: u16, at: u32, most: u32) -> Advance;
    /// Where the blanks that begin at `at` end.
    fn skip_blanks(&self, at: u32) -> u32;
    /// What begins at `at`; a method of no standard counts as that, without a look at its shape.
    fn message(&self, at: u32) -> Kind;
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
    sip::message(payload, STREAM_SCAN_MAX).unwrap_or(Kind::UnknownMethod)
}

/// Line ends between two messages; more of them hide something.
const BLANKS_MAX: u32 = 64;
/// Turns of the walk: a message takes a few for its end and one for each digit of its length. More than these
/// fit into a segment only if somebody wants to hide the last of them.
const STREAM_TURNS: u32 = 128;

impl Signatures {
    /// Follows the message from `row` through at most `most` bytes, until something happens: the headers end,
    /// a digit of the length is read, a signature is found, or nothing can be found any more. Reads in whole
    /// steps while it can, and what is less than a step at the next call.
    #[inline(always)]
    pub fn advance(&self, payload: Bytes<'_>, row: u16, most: u32) -> Advance {
        const STEP: usize = 8;
        // Row 0 wraps around: dead and eventful rows are told from ordinary ones at once.
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
        while at < STREAM_SCAN_MAX as usize {
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

/// A walk through the messages of one TCP segment.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Walk {
    found: Stream,
    /// For the kernel: where the segment's payload begins in the frame, and the slot of the set.
    pub offset: u32,
    pub slot: u32,
    length: u32,
    row: u32,
    // What begins as zero stands in pairs: the compiler clears two words at once, and the verifier takes that only
    // where a stack slot begins.
    at: u32,
    content_length: u32,
    /// Where the last digit of the length was read; zero: none yet.
    digit_at: u32,
    /// Where the body ends; zero: still in the headers.
    body_end: u32,
}

impl Walk {
    /// At the beginning of a segment that begins with a message. `response`: it is a response.
    #[inline(always)]
    pub fn new(set: &Signatures, length: u32, response: bool) -> Self {
        let row = if response { set.head.response } else { set.head.request };
        let length = if length > STREAM_SCAN_MAX { STREAM_SCAN_MAX } else { length };
        Self { length, row: row as u32, ..Self::default() }
    }

    /// The whole walk. `turn` is [`turn`](Self::turn), which the kernel verifies as a function by itself.
    #[inline(always)]
    pub fn finish(mut self, turn: impl Fn(&mut Self) -> bool) -> Stream {
        let mut turns = 0;
        while turns < STREAM_TURNS {
            if turn(&mut self) {
                return self.found;
            }
            turns += 1;
        }
        self.found.tangled()
    }

    /// Goes on to where something happens; true: the walk is over.
    #[inline(always)]
    pub fn turn(&mut self, set: &Signatures, segment: &impl Segment) -> bool {
        let head = &set.head;
        // Before a set is loaded all rows are dead, and row 0 accepting as well.
        if head.accept == 0 {
            return true;
        }
        let in_body = self.body_end != 0;
        let end = if in_body && self.body_end < self.length { self.body_end } else { self.length };
        let step = segment.advance(self.row as u16, self.at, end.saturating_sub(self.at));
        self.row = step.row as u32;
        self.at += step.count;
        if step.row >= head.accept {
            self.found = self.found.with_signature(set.accepted(step.row));
            return true;
        }
        if step.row >= head.digit {
            if self.digit_at != 0 && self.digit_at + 1 != self.at {
                self.found = self.found.tangled();
                return true;
            }
            self.digit_at = self.at;
            let value = self.content_length * 10 + (step.last & 15) as u32;
            self.content_length = if value > STREAM_SCAN_MAX { STREAM_SCAN_MAX } else { value };
            return false;
        }
        if step.row >= head.body {
            self.body_end = self.at + self.content_length;
        }
        if self.body_end != 0 && (step.row == 0 || self.at >= self.body_end) {
            return self.next_message(set, segment);
        }
        // The message goes on in another segment, or cannot be followed.
        step.row == 0 || step.count == 0 || self.at >= self.length
    }

    #[inline(always)]
    fn next_message(&mut self, set: &Signatures, segment: &impl Segment) -> bool {
        self.at = segment.skip_blanks(self.body_end);
        if self.at - self.body_end >= BLANKS_MAX && self.at < self.length {
            self.found = self.found.tangled();
            return true;
        }
        if self.at >= self.length {
            return true;
        }
        let kind = segment.message(self.at);
        self.found = self.found.with_later(kind);
        let row = if matches!(kind, Kind::Response) { set.head.response } else { set.head.request };
        self.row = row as u32;
        self.content_length = 0;
        self.digit_at = 0;
        self.body_end = 0;
        false
    }
}

/// A segment that can be read in one go: everywhere but in the kernel.
struct Whole<'a> {
    set: &'a Signatures,
    payload: Bytes<'a>,
}

impl Segment for Whole<'_> {
    fn advance(&self, row: u16, at: u32, most: u32) -> Advance {
        self.set.advance(self.payload.skip(at as usize), row, most)
    }

    fn skip_blanks(&self, at: u32) -> u32 {
        at + skip_blanks(self.payload.skip(at as usize))
    }

    fn message(&self, at: u32) -> Kind {
        later_message(self.payload.skip(at as usize))
    }
}

impl Signatures {
    /// Walks the messages of a TCP segment of `length` bytes that begins with one. `response`: the first is a
    /// response.
    pub fn find_in_stream(&self, payload: Bytes<'_>, length: u32, response: bool) -> Stream {
        let segment = Whole { set: self, payload };
        Walk::new(self, length, response).finish(|walk| walk.turn(self, &segment))
    }
}
