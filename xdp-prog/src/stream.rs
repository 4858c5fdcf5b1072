//! What a TCP segment holds: signatures, and messages behind the first one.
//!
//! The automaton also knows where headers end and the digits of Content-Length, and with that where each message
//! begins. Where the prefilter finds nothing, and no message ends before the segment does, there is nothing to walk for.

use crate::{
    abi::Signatures,
    bytes::Bytes,
    lines,
    matcher::{self, still_below},
    reason::Class,
    sip::{self, Kind},
};

/// Bytes of a segment that are looked at: fewer than of a datagram, as the walk costs more.
pub const SCAN_MAX: u32 = 2048;

/// What a TCP segment holds besides its first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct Stream(u64);

/// In the word: the signature plus one in the low 16 bits, then four bits of count per class, then of unknown
/// methods, then whether there was more.
const COUNTS: u32 = 16;
const UNKNOWN: u32 = COUNTS + 4 * Class::COUNT as u32;
const TANGLED: u64 = 1 << (UNKNOWN + 4);

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
        self.0 >> COUNTS == 0
    }

    /// Later requests of a class in this segment, at most fifteen.
    #[inline(always)]
    pub const fn later(self, class: Class) -> u32 {
        (self.0 >> (COUNTS + 4 * class as u32)) as u32 & 15
    }

    #[inline(always)]
    pub const fn later_unknown(self) -> u32 {
        (self.0 >> UNKNOWN) as u32 & 15
    }

    /// Its messages cannot be told apart: there are more than anybody sends at once, or one has two lengths.
    #[inline(always)]
    pub const fn is_tangled(self) -> bool {
        self.0 & TANGLED != 0
    }

    #[inline(always)]
    const fn tangled(self) -> Self {
        Self(self.0 | TANGLED)
    }

    #[inline(always)]
    const fn with_signature(self, signature: u16) -> Self {
        Self(self.0 | (signature as u64 + 1))
    }

    #[inline(always)]
    const fn with_later(self, kind: Kind) -> Self {
        let shift = match kind {
            Kind::Request(class) => COUNTS + 4 * class as u32,
            Kind::UnknownMethod => UNKNOWN,
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
    sip::message(payload, SCAN_MAX).unwrap_or(Kind::UnknownMethod)
}

/// Line ends between two messages; more of them hide something.
const BLANKS_MAX: u32 = 64;
/// Turns of the walk: a message takes a few for its end and one for each digit of its length. More than these
/// fit into a segment only if somebody wants to hide the last of them.
const TURNS: u32 = 128;

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

/// A walk through the messages of one TCP segment.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Walk {
    found: Stream,
    /// For the kernel: where the segment's payload begins in the frame, and the slot of the set.
    pub offset: u32,
    pub slot: u32,
    length: u32,
    row: u16,
    /// The row at the beginning of a request.
    request: u16,
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
    /// At the beginning of a segment that begins with a message. `response`: it is a response. `search`: there may be
    /// signatures in it, and not only messages.
    #[inline(always)]
    pub fn new(set: &Signatures, length: u32, response: bool, search: bool) -> Self {
        // A response's rows know the lines, and no signature.
        let request = if search { set.head.request } else { set.head.response };
        let row = if response { set.head.response } else { request };
        Self { length: seen(length), row, request, ..Self::default() }
    }

    /// The whole walk. `turn` is [`turn`](Self::turn), which the kernel verifies as a function by itself.
    #[inline(always)]
    pub fn finish(&mut self, turn: impl Fn(&mut Self) -> bool) -> Stream {
        let mut turns = 0;
        while turns < TURNS {
            if turn(self) {
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
        let step = segment.advance(self.row, self.at, end.saturating_sub(self.at));
        self.row = step.row;
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
            self.content_length = if value > SCAN_MAX { SCAN_MAX } else { value };
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
        self.row = if matches!(kind, Kind::Response) { set.head.response } else { self.request };
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
    /// What a TCP segment of `length` bytes holds that begins with a message. `response`: that one is a response.
    pub fn find_in_stream(&self, payload: Bytes<'_>, length: u32, response: bool) -> Stream {
        let search = matcher::scan(payload, seen(length), &self.prefilter).candidate().is_some();
        if !search && is_one_message(payload, length) {
            return Stream::default();
        }
        self.walk_stream(payload, length, response, search)
    }

    /// Walks the messages of a segment, and finds signatures if it is to `search` for them.
    pub fn walk_stream(&self, payload: Bytes<'_>, length: u32, response: bool, search: bool) -> Stream {
        let segment = Whole { set: self, payload };
        Walk::new(self, length, response, search).finish(|walk| walk.turn(self, &segment))
    }
}

/// How much of a segment is looked at.
#[inline(always)]
pub const fn seen(length: u32) -> u32 {
    if length > SCAN_MAX { SCAN_MAX } else { length }
}

/// Whether no message can begin behind the first one, because that one's headers do not end before the segment does.
#[inline(always)]
pub fn is_one_message(payload: Bytes<'_>, length: u32) -> bool {
    !lines::goes_on_behind_empty_line(payload, seen(length), SCAN_MAX)
}
