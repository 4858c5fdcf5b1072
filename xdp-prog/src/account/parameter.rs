//! The parameters of credentials and of challenges.

use super::{PARAMETER_STEP, table::table};
use crate::{
    bytes::{Bytes, opaque},
    packed::Packed,
};

/// In the scheme, or in a parameter's name that does not matter.
pub(super) const SCHEME: u8 = 0;
/// A parameter may begin here.
const BOUNDARY: u8 = 1;
/// So many letters of a name were there, and one.
const USERNAME: u8 = 2;
const NONCE_NAME: u8 = USERNAME + 8;
const REALM_NAME: u8 = NONCE_NAME + 5;
/// From the second letter on: the first one is that of `nonce`.
const NEXT_NONCE: u8 = REALM_NAME + 5;
/// Behind the `=`.
const NAME_EQUALS: u8 = NEXT_NONCE + 8;
const NONCE_EQUALS: u8 = NAME_EQUALS + 1;
const REALM_EQUALS: u8 = NAME_EQUALS + 2;
/// In a value that does not matter.
pub(super) const OTHER_VALUE: u8 = NAME_EQUALS + 3;
/// In a user name.
const NAME_VALUE: u8 = NAME_EQUALS + 4;
pub(super) const QUOTED: u8 = NAME_EQUALS + 5;
const ESCAPED: u8 = NAME_EQUALS + 6;
pub(super) const QUOTED_NAME: u8 = NAME_EQUALS + 7;
pub(super) const ESCAPED_NAME: u8 = NAME_EQUALS + 8;
/// The beginning of a user name.
pub(super) const NAME_BEGIN: u8 = NAME_EQUALS + 9;
/// Behind the `=` of what does not matter, or where its value begins.
pub(super) const OTHER_EQUALS: u8 = NAME_EQUALS + 10;
/// Behind a quoted value.
const CLOSED: u8 = NAME_EQUALS + 11;
/// States from here on are for the walk to look at.
pub(super) const FOUND: u8 = 48;
pub(super) const ODD: u8 = FOUND;
pub(super) const ODD_ESCAPE: u8 = FOUND + 1;
pub(super) const NAME: u8 = FOUND + 2;
pub(super) const NAME_QUOTE: u8 = FOUND + 3;
pub(super) const NONCE: u8 = FOUND + 4;
pub(super) const NONCE_QUOTE: u8 = FOUND + 5;
pub(super) const REALM: u8 = FOUND + 6;
pub(super) const REALM_QUOTE: u8 = FOUND + 7;
/// A colon in a user name: Kamailio reads what follows.
pub(super) const ODD_COLON: u8 = FOUND + 8;
/// Quotes that PBXs read differently: for Kamailio a string ends at the next `"`, whatever is before it, and nothing
/// counts from there to the next comma. So one of them can see a user name where another sees a part of a string.
pub(super) const AMBIGUOUS: u8 = FOUND + 9;
const _: () = assert!(CLOSED < FOUND);

const fn next(state: u8, byte: u8) -> u8 {
    match (state, byte) {
        (ESCAPED | ESCAPED_NAME, b'"') => AMBIGUOUS,
        (ESCAPED, _) => QUOTED,
        (ESCAPED_NAME, _) => QUOTED_NAME,
        (QUOTED, b'\\') => ESCAPED,
        (QUOTED_NAME, b'\\') => ODD_ESCAPE,
        (QUOTED_NAME, b':') => ODD_COLON,
        (QUOTED | QUOTED_NAME, b'"') => CLOSED,
        (QUOTED | QUOTED_NAME, _) => state,
        (NAME_EQUALS..=REALM_EQUALS | OTHER_EQUALS | CLOSED, 0..=b' ') => state,
        (OTHER_EQUALS, b'"') => QUOTED,
        (NAME_BEGIN, b'"') => QUOTED_NAME,
        (NAME_EQUALS, b'"') => NAME_QUOTE,
        (NONCE_EQUALS, b'"') => NONCE_QUOTE,
        (REALM_EQUALS, b'"') => REALM_QUOTE,
        (NAME_EQUALS..=REALM_EQUALS | OTHER_EQUALS | CLOSED, b',') => BOUNDARY,
        (CLOSED, _) => AMBIGUOUS,
        (NAME_EQUALS, _) => NAME,
        (NONCE_EQUALS, _) => NONCE,
        (REALM_EQUALS, _) => REALM,
        (_, b'"') => AMBIGUOUS,
        (NAME_BEGIN | NAME_VALUE, b'%' | b':') => ODD,
        (OTHER_VALUE | NAME_BEGIN | NAME_VALUE, b',' | 0..=b' ') => BOUNDARY,
        (NAME_BEGIN | NAME_VALUE, _) => NAME_VALUE,
        (OTHER_VALUE | OTHER_EQUALS, _) => OTHER_VALUE,
        (..NAME_EQUALS, b'%') => ODD,
        (..NAME_EQUALS, b'=') => behind_equals(state),
        (..NAME_EQUALS, 0..=b' ') if behind_equals(state) != OTHER_EQUALS => state,
        (..NAME_EQUALS, b',' | 0..=b' ') => BOUNDARY,
        (..NAME_EQUALS, _) => in_name(state, byte.to_ascii_lowercase()),
        _ => OTHER_VALUE,
    }
}

/// Which value follows a whole name.
const fn behind_equals(state: u8) -> u8 {
    if state == USERNAME + 7 {
        NAME_EQUALS
    } else if state == NONCE_NAME + 4 || state == NEXT_NONCE + 7 {
        NONCE_EQUALS
    } else if state == REALM_NAME + 4 {
        REALM_EQUALS
    } else {
        OTHER_EQUALS
    }
}

const fn in_name(state: u8, letter: u8) -> u8 {
    if state == BOUNDARY {
        return match letter {
            b'u' => USERNAME,
            b'n' => NONCE_NAME,
            b'r' => REALM_NAME,
            _ => SCHEME,
        };
    }
    // `nonce` and `nextnonce` part behind their first letter.
    if state == NONCE_NAME && letter == b'e' {
        return NEXT_NONCE;
    }
    let names: [(u8, &[u8]); 4] =
        [(USERNAME, b"username"), (NONCE_NAME, b"nonce"), (REALM_NAME, b"realm"), (NEXT_NONCE, b"extnonce")];
    let mut at = 0;
    while at < names.len() {
        let (first, name) = names[at];
        if state >= first
            && (state - first + 1) < name.len() as u8
            && name[(state - first) as usize + 1] == letter
        {
            return state + 1;
        }
        at += 1;
    }
    SCHEME
}

table!(pub(super) PARAMETERS, 64, next);

/// A step through the parameters of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterStep {
    pub state: u8,
    /// Bytes that were read.
    pub read: u32,
}

impl Packed for ParameterStep {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        (self.state as u32) << 16 | self.read
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        Self { state: (word >> 16) as u8, read: word & 0xffff }
    }
}

/// Reads on in credentials, or in a challenge, until there is something to look at or the step is done.
#[inline(always)]
pub fn parameter(payload: Bytes<'_>, most: u32, state: u8) -> ParameterStep {
    let mut state = state;
    let mut at = 0;
    while at < PARAMETER_STEP {
        if opaque(at) >= most as usize {
            break;
        }
        let Some(byte) = payload.byte(at) else { break };
        state = PARAMETERS.next(state, byte);
        at += 1;
        // A step ends at the beginning of a string, too, because most of the string can be skipped.
        if state >= FOUND || byte == b'"' && state == QUOTED {
            break;
        }
    }
    ParameterStep { state, read: at as u32 }
}
