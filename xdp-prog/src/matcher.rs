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
    bytes::Bytes,
    reason::Class,
    sip::{self, Kind},
};

/// Bytes of a message that are looked at. More cannot arrive in one frame of a driver that runs XDP natively.
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
    let mut previous = 0;
    let mut step = 0;
    let mut at = 0;
    while step < SCAN_MAX as usize / STEP {
        if at + STEP + 1 > length as usize {
            break;
        }
        // Maybe: cannot happen, as `length` bytes are there.
        let Some(chunk) = payload.chunk::<{ STEP + 1 }>(at) else { return true };
        let (hit, last) = grams::<GRAMS_PER_STEP>(chunk, previous, prefilter);
        if hit {
            return true;
        }
        previous = last;
        at += STEP;
        step += 1;
    }
    match payload.chunk::<LAST_STEP>(length as usize - LAST_STEP) {
        Some(chunk) => grams::<LAST_GRAMS>(chunk, 0, prefilter).0,
        None => true,
    }
}

/// Looks up `N` grams; says whether any hits, and the groups of the last one.
#[inline(always)]
fn grams<const N: usize>(chunk: &[u8], previous: u8, prefilter: &[u8; PREFILTER_SIZE]) -> (bool, u8) {
    let mut previous = previous;
    let mut hits = 0;
    let mut gram = 0;
    while gram < N {
        let at = gram * STRIDE;
        let groups = prefilter[slot([chunk[at], chunk[at + 1], chunk[at + 2], chunk[at + 3]])];
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
    #[inline(always)]
    pub fn find(&self, payload: Bytes<'_>, length: u32) -> Option<u16> {
        const STEP: usize = 16;
        let length = if length > SCAN_MAX { SCAN_MAX } else { length };
        let accept = self.head.accept;
        let mut row = self.head.request;
        let mut at = 0;
        while at + STEP <= SCAN_MAX as usize {
            if at + STEP > length as usize {
                break;
            }
            let Some(chunk) = payload.chunk::<STEP>(at) else { break };
            let mut byte = 0;
            while byte < STEP {
                row = self.step(row, chunk[byte]);
                byte += 1;
            }
            // Accepting and dead states keep to themselves, so a look every sixteen bytes is enough.
            if row >= accept {
                return Some(self.accepted(row));
            }
            if row == 0 {
                return None;
            }
            at += STEP;
        }
        let mut rest = 0;
        while rest < STEP {
            if at + rest >= length as usize {
                break;
            }
            let Some(byte) = payload.byte(at + rest) else { break };
            row = self.step(row, byte);
            rest += 1;
        }
        if row >= accept { Some(self.accepted(row)) } else { None }
    }
}

/// What a TCP segment holds besides its first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Stream(u64);

/// In the word: the signature plus one in the low 16 bits, then four bits of count per class, then unknown
/// methods.
const STREAM_COUNTS: u32 = 16;
const STREAM_UNKNOWN: u32 = STREAM_COUNTS + 4 * Class::COUNT as u32;

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
    pub const fn later_unknown(self) -> bool {
        self.0 >> STREAM_UNKNOWN & 15 != 0
    }

    #[inline(always)]
    const fn with_later(self, kind: Kind) -> Self {
        let shift = match kind {
            Kind::Request(class) => STREAM_COUNTS + 4 * class as u32,
            Kind::Response => STREAM_COUNTS + 4 * Class::Response as u32,
            Kind::UnknownMethod => STREAM_UNKNOWN,
            Kind::Keepalive | Kind::NotSip => return self,
        };
        if self.0 >> shift & 15 == 15 { self } else { Self(self.0 + (1 << shift)) }
    }
}

/// Where the walk through a stream is.
#[derive(Clone, Copy)]
struct Walk {
    row: u16,
    /// Between two messages: blanks do not count.
    between: bool,
    in_body: bool,
    /// Content-Length as far as read; then body bytes left.
    left: u32,
    found: Stream,
}

impl Walk {
    #[inline(always)]
    fn byte(mut self, set: &Signatures, payload: Bytes<'_>, at: usize, byte: u8) -> Self {
        if self.between {
            if byte <= b' ' {
                return self;
            }
            let kind = sip::message(payload.skip(at), STREAM_SCAN_MAX);
            self.found = self.found.with_later(kind);
            self.row = if matches!(kind, Kind::Response) { set.head.response } else { set.head.request };
            self.between = false;
            self.left = 0;
        }
        self.row = set.step(self.row, byte);
        if self.in_body {
            self.left = self.left.saturating_sub(1);
        } else if self.row >= set.head.body && self.row < set.head.accept {
            if self.row < set.head.digit {
                self.in_body = true;
            } else {
                let value = self.left.saturating_mul(10) + (byte & 15) as u32;
                self.left = if value > 0xffff { 0xffff } else { value };
            }
        }
        if self.in_body && self.left == 0 && self.row < set.head.accept {
            self.in_body = false;
            self.between = true;
        }
        self
    }
}

impl Signatures {
    /// Walks the messages of a TCP segment that begins with one. `response`: the first is a response.
    #[inline(always)]
    pub fn find_in_stream(&self, payload: Bytes<'_>, length: u32, response: bool) -> Stream {
        let row = if response { self.head.response } else { self.head.request };
        let mut walk = Walk { row, between: false, in_body: false, left: 0, found: Stream(0) };
        let mut at = 0;
        while at < STREAM_SCAN_MAX {
            if at >= length {
                break;
            }
            let Some(byte) = payload.byte(at as usize) else { break };
            walk = walk.byte(self, payload, at as usize, byte);
            if walk.row >= self.head.accept {
                return Stream(walk.found.0 | (self.accepted(walk.row) as u64 + 1));
            }
            at += 1;
        }
        walk.found
    }
}
