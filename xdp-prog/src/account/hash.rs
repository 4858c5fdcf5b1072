//! Hashes of names, nonces and realms.

use super::{NONE, VALUE_MAX, table::table};
use crate::{
    bytes::{Bytes, opaque},
    packed::packed_enum,
};

/// Bytes of a name that count.
pub const NAME_MAX: usize = 64;

/// Set in every hash: no other number in its place in a map has it.
const MARK: u64 = 1 << 63;
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// FNV-1a of an account's name, or of as many whole characters of it as [`NAME_MAX`] bytes have room for.
pub fn hash(name: &[u8]) -> u64 {
    let mut hash = Hash::default();
    // One more than counts: it may belong to the last character.
    for byte in &name[..name.len().min(NAME_MAX + 1)] {
        hash.add(*byte);
    }
    if name.len() > NAME_MAX { hash.of_whole_characters() } else { hash.of_all() }
}

/// True: the number is a [`hash`], and not something else in its place.
pub const fn is_hash(number: u64) -> bool {
    number & MARK != 0
}

struct Hash {
    all: u64,
    /// The hash of the bytes before the last character that began.
    whole: u64,
}

impl Default for Hash {
    #[inline(always)]
    fn default() -> Self {
        Self { all: OFFSET, whole: OFFSET }
    }
}

impl Hash {
    #[inline(always)]
    const fn add(&mut self, byte: u8) {
        if byte & 0xc0 != 0x80 {
            self.whole = self.all;
        }
        self.all = (self.all ^ byte as u64).wrapping_mul(PRIME);
    }

    #[inline(always)]
    const fn of_all(&self) -> u64 {
        self.all | MARK
    }

    #[inline(always)]
    const fn of_whole_characters(&self) -> u64 {
        self.whole | MARK
    }
}

/// The end of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum End {
    /// The end of a user, before `@` or a password.
    User = 0,
    /// The end of a telephone number.
    Telephone = 1,
    Quote = 2,
    Token = 3,
}

packed_enum!(End: User | Telephone | Quote | Token, or Token);

impl End {
    #[inline(always)]
    pub(super) const fn of_value(quoted: bool) -> Self {
        if quoted { Self::Quote } else { Self::Token }
    }
}

/// States of the search for the end of a name. The first ones are those of [`End`].
mod name {
    use super::End;

    const USER: u8 = End::User as u8;
    const TELEPHONE: u8 = End::Telephone as u8;
    const QUOTE: u8 = End::Quote as u8;
    const TOKEN: u8 = End::Token as u8;
    const ESCAPED: u8 = 4;
    pub(super) const ENDS: u8 = 5;
    /// User names of credentials. Kamailio leaves out a domain behind them.
    const QUOTED_ACCOUNT: u8 = 6;
    const ACCOUNT: u8 = 7;

    /// The first state for a name. Other values begin with the state of their end.
    pub(super) const fn begin(end: End) -> u8 {
        match end {
            End::Quote => QUOTED_ACCOUNT,
            End::Token => ACCOUNT,
            End::User | End::Telephone => end as u8,
        }
    }

    pub(super) const fn next(state: u8, byte: u8) -> u8 {
        match (state, byte) {
            (USER | ACCOUNT | QUOTED_ACCOUNT, b'@')
            | (USER, b':')
            | (TELEPHONE, b'>' | b';' | b',' | 0..=b' ')
            | (QUOTE | QUOTED_ACCOUNT, b'"')
            | (TOKEN | ACCOUNT, b',' | 0..=b' ') => ENDS,
            (QUOTE | QUOTED_ACCOUNT, b'\\') => ESCAPED,
            (ESCAPED, _) => QUOTE,
            (state, _) => state,
        }
    }
}
table!(NAMES, 8, name::next);

/// The hash of the name that begins here, or [`NONE`] if it has no end or is empty.
#[inline(always)]
pub fn name_hash(payload: Bytes<'_>, most: u32, end: End) -> u64 {
    let mut hash = Hash::default();
    let mut state = name::begin(end);
    let mut at = 0;
    while at <= NAME_MAX {
        let byte = if opaque(at) < most as usize { payload.byte(at) } else { None };
        let Some(byte) = byte else {
            let complete = at != 0 && matches!(end, End::Telephone | End::Token);
            return if complete { hash.of_all() } else { NONE };
        };
        state = NAMES.next(state, byte);
        if state == name::ENDS {
            return if at == 0 { NONE } else { hash.of_all() };
        }
        hash.add(byte);
        at += 1;
    }
    hash.of_whole_characters()
}

/// The hash of the value that begins here, or of as much of it as counts; [`NONE`]: it has no end, or is empty.
#[inline(always)]
pub fn value_hash(payload: Bytes<'_>, most: u32, end: End) -> u64 {
    let mut hash = Hash::default();
    let mut state = end as u8;
    let mut at = 0;
    while at < VALUE_MAX {
        let byte = if opaque(at) < most as usize { payload.byte(at) } else { None };
        let Some(byte) = byte else {
            return if at != 0 && matches!(end, End::Token) { hash.of_all() } else { NONE };
        };
        state = NAMES.next(state, byte);
        if state == name::ENDS {
            return if at == 0 { NONE } else { hash.of_all() };
        }
        hash.add(byte);
        at += 1;
    }
    hash.of_all()
}

/// The [`value_hash`] of a nonce that is at hand as a whole.
pub fn nonce_hash(nonce: &[u8]) -> u64 {
    let mut hash = Hash::default();
    for byte in &nonce[..nonce.len().min(VALUE_MAX)] {
        hash.add(*byte);
    }
    if nonce.is_empty() { NONE } else { hash.of_all() }
}
