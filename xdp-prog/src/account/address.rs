//! The values of From and To.

use super::{DISPLAY_MAX, USER_MAX, line::begins_with, table::table};
use crate::{bytes::Bytes, packed::Packed};

/// States of the search for the `<` of a From header.
mod bracket {
    pub(super) const OUTSIDE: u8 = 0;
    const QUOTED: u8 = 1;
    const ESCAPED: u8 = 2;
    pub(super) const FOUND: u8 = 3;

    pub(super) const fn next(state: u8, byte: u8) -> u8 {
        match (state, byte) {
            (OUTSIDE, b'<') => FOUND,
            (OUTSIDE, b'"') | (ESCAPED, _) => QUOTED,
            (QUOTED, b'\\') => ESCAPED,
            (QUOTED, b'"') => OUTSIDE,
            (state, _) => state,
        }
    }
}
table!(BRACKETS, 4, bracket::next);

/// The place of a URI in the value of a From header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uri {
    pub at: u32,
    /// It stands in brackets.
    pub bracketed: bool,
}

impl Packed for Uri {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        self.at | (self.bracketed as u32) << 16
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        Self { at: word & 0xffff, bracketed: word >> 16 & 1 != 0 }
    }
}

/// Finds the URI in the value of a From header.
#[inline(always)]
pub fn uri(payload: Bytes<'_>, most: u32) -> Option<Uri> {
    match BRACKETS.run(payload, most, bracket::OUTSIDE, bracket::FOUND, DISPLAY_MAX) {
        Some((_, at)) => Some(Uri { at, bracketed: true }),
        // Without brackets it is all of the value, up to its parameters.
        None if most < DISPLAY_MAX as u32 => Some(Uri { at: 0, bracketed: false }),
        None => None,
    }
}

/// States of the search for a user in front of a host.
mod at_sign {
    pub(super) const BRACKETED: u8 = 0;
    pub(super) const PLAIN: u8 = 1;
    pub(super) const FOUND: u8 = 2;
    const NONE: u8 = 3;

    pub(super) const fn next(state: u8, byte: u8) -> u8 {
        match (state, byte) {
            (_, b'@') => FOUND,
            (_, b'>' | 0..=b' ') | (PLAIN, b';' | b',' | b'?') => NONE,
            (state, _) => state,
        }
    }
}
table!(AT_SIGNS, 4, at_sign::next);

/// The place of the user in a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    pub at: u32,
    pub is_telephone: bool,
}

impl Packed for User {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        self.at | (self.is_telephone as u32) << 16
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        Self { at: word & 0xffff, is_telephone: word >> 16 & 1 != 0 }
    }
}

/// Finds the user in a URI, if it has one.
#[inline(always)]
pub fn user(payload: Bytes<'_>, most: u32, bracketed: bool) -> Option<User> {
    if begins_with(payload, b"tel:") {
        return Some(User { at: 4, is_telephone: true });
    }
    let at = if begins_with(payload, b"sip:") {
        4
    } else if begins_with(payload, b"sips:") {
        5
    } else {
        return None;
    };
    let state = if bracketed { at_sign::BRACKETED } else { at_sign::PLAIN };
    // A scheme has nothing that the table would take for something else.
    match AT_SIGNS.run(payload, most, state, at_sign::FOUND, USER_MAX) {
        Some((at_sign::FOUND, _)) => Some(User { at, is_telephone: false }),
        _ => None,
    }
}

/// States of the search for the tag of a To header.
mod tag {
    pub(super) const OUTSIDE: u8 = 0;
    const QUOTED: u8 = 1;
    const ESCAPED: u8 = 2;
    const BRACKETED: u8 = 3;
    const BOUNDARY: u8 = 4;
    const T: u8 = 5;
    const TA: u8 = 6;
    const TAG: u8 = 7;
    pub(super) const FOUND: u8 = 8;

    pub(super) const fn next(state: u8, byte: u8) -> u8 {
        match (state, byte) {
            (ESCAPED, _) => QUOTED,
            (QUOTED, b'\\') => ESCAPED,
            (QUOTED, b'"') | (BRACKETED, b'>') => OUTSIDE,
            (QUOTED | BRACKETED, _) => state,
            (_, b'"') => QUOTED,
            (_, b'<') => BRACKETED,
            (_, b';') => BOUNDARY,
            (TAG, b'=') => FOUND,
            (BOUNDARY | TAG, 0..=b' ') => state,
            (BOUNDARY, b't' | b'T') => T,
            (T, b'a' | b'A') => TA,
            (TA, b'g' | b'G') => TAG,
            _ => OUTSIDE,
        }
    }
}
table!(TAGS, 16, tag::next);

/// True: the value of a To header has a tag, so the request is one within a dialog.
#[inline(always)]
pub fn has_tag(payload: Bytes<'_>, most: u32) -> bool {
    TAGS.run(payload, most, tag::OUTSIDE, tag::FOUND, DISPLAY_MAX).is_some()
}
