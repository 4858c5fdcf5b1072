//! Lines, and the headers that they begin.

use super::{BLANKS_MAX, MESSAGE_MAX};
use crate::{
    bytes::{Bytes, opaque},
    packed::{Packed, packed_enum},
};

/// The header that a line begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub kind: HeaderKind,
    /// The beginning of its value, counted from the line's beginning.
    pub value: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum HeaderKind {
    /// The line that ends the headers.
    Empty = 0,
    Other = 1,
    From = 2,
    Credentials = 3,
    To = 4,
    Challenge = 5,
}

packed_enum!(HeaderKind: Empty | Other | From | Credentials | To | Challenge, or Other);

impl Header {
    const OTHER: Self = Self { kind: HeaderKind::Other, value: 0 };
}

impl Packed for Header {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        (self.kind as u32) << 16 | self.value
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        let kind = HeaderKind::unpack(word >> 16);
        Self { kind, value: word & 0xffff }
    }
}

/// The length of a line as far as it was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineSteps {
    pub length: u32,
    /// [`rest_of_line`] has the rest.
    pub has_rest: bool,
}

impl LineSteps {
    #[inline(always)]
    pub const fn all(length: u32) -> Self {
        Self { length, has_rest: false }
    }
}

impl Packed for LineSteps {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        self.length | (self.has_rest as u32) << 19
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        Self { length: word & 0xffff, has_rest: word >> 19 & 1 != 0 }
    }
}

/// Measures a line in whole steps, as far as these go.
#[inline(always)]
pub fn line_steps(payload: Bytes<'_>, most: u32) -> LineSteps {
    const STEP: usize = 8;
    let mut at = 0;
    while at < MESSAGE_MAX {
        if opaque(at) >= most as usize {
            break;
        }
        let Some(chunk) = payload.chunk::<STEP>(at) else {
            return LineSteps { length: at as u32, has_rest: true };
        };
        let feeds = line_feeds(u64::from_le_bytes(*chunk));
        if feeds != 0 {
            return LineSteps::all(at as u32 + first(feeds));
        }
        at += STEP;
    }
    LineSteps::all(most)
}

/// A bit for the first line feed of eight bytes, and perhaps bits behind it.
#[inline(always)]
const fn line_feeds(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let zeros = word ^ (ONES * b'\n' as u64);
    zeros.wrapping_sub(ONES) & !zeros & (ONES << 7)
}

/// The number of bytes up to the one with the lowest bit, inclusive.
#[inline(always)]
pub(super) const fn first(bits: u64) -> u32 {
    // Without a loop or an instruction that BPF does not have: the ones below the lowest bit, counted by bytes.
    let below = (bits & bits.wrapping_neg()).wrapping_sub(1);
    ((below & 0x0101_0101_0101_0101).wrapping_mul(0x0101_0101_0101_0101) >> 56) as u32
}

/// [`line_length`](super::Message::line_length) where fewer than eight bytes are left.
#[inline(always)]
pub fn rest_of_line(payload: Bytes<'_>, most: u32) -> u32 {
    let mut at = 0;
    while at < 8 {
        match payload.byte(at) {
            Some(b'\n') => return at as u32 + 1,
            Some(_) => at += 1,
            None => break,
        }
    }
    most
}

/// The header that the line begins.
#[inline(always)]
pub fn header(payload: Bytes<'_>) -> Header {
    let Some(first) = payload.byte(0) else { return Header::OTHER };
    let (kind, name) = match first | 0x20 {
        // LF and CR.
        0x2a | 0x2d => return empty_or_other(payload, first),
        b'f' if begins_with(payload, b"from") => (HeaderKind::From, 4),
        b'f' => (HeaderKind::From, 1),
        b't' if begins_with(payload, b"to") => (HeaderKind::To, 2),
        b't' => (HeaderKind::To, 1),
        b'a' if begins_with(payload, b"authorization") => (HeaderKind::Credentials, 13),
        b'p' if begins_with(payload, b"proxy-authorization") => (HeaderKind::Credentials, 19),
        b'p' if begins_with(payload, b"proxy-authenticate") => (HeaderKind::Challenge, 18),
        b'w' if begins_with(payload, b"www-authenticate") => (HeaderKind::Challenge, 16),
        _ => return Header::OTHER,
    };
    let mut at = name;
    while at < name + BLANKS_MAX {
        match payload.byte(at) {
            // PJSIP folds even here.
            Some(b' ' | b'\t' | b'\r' | b'\n') => at += 1,
            Some(b':') => return Header { kind, value: at as u32 + 1 },
            _ => return Header::OTHER,
        }
    }
    // Too many blanks to say: credentials are not missed for it, though nothing that follows may be read as a name.
    if matches!(kind, HeaderKind::Credentials) { Header { kind, value: at as u32 } } else { Header::OTHER }
}

#[inline(always)]
fn empty_or_other(payload: Bytes<'_>, first: u8) -> Header {
    let empty = first == b'\n' || first == b'\r' && matches!(payload.byte(1), Some(b'\n'));
    if empty { Header { kind: HeaderKind::Empty, value: 0 } } else { Header::OTHER }
}

#[inline(always)]
pub(super) fn begins_with<const N: usize>(payload: Bytes<'_>, name: &[u8; N]) -> bool {
    let Some(chunk) = payload.chunk::<N>(0) else { return false };
    let mut differs = 0;
    let mut at = 0;
    while at < N {
        differs |= (chunk[at] | 0x20) ^ name[at];
        at += 1;
    }
    differs == 0
}
