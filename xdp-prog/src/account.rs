//! Whose account a request is about: the user of its From header and the user names of its credentials, as they are
//! written, and in the kernel only their hashes.
//!
//! Credentials may have several user names, in one header or in several. Kamailio and PJSIP, so Asterisk too, take the
//! last of a header, and the first header for their realm, which nobody knows here. So all of them count.
//!
//! The message is walked line by line. What is read of a line has a bound, and what lies behind is not seen: who hides
//! a name there is not recognised here, and answered by the PBX.

use crate::{
    bytes::{Bytes, opaque},
    stream,
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

/// Whether a number is a [`hash`], and not something else in its place.
pub const fn is_hash(number: u64) -> bool {
    number & MARK != 0
}

struct Hash {
    all: u64,
    /// Of what stands before the last character that began.
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

/// Lines of a message that are looked at: no phone or trunk has half as many headers.
const LINES_MAX: u32 = 128;
/// Bytes of a message.
const MESSAGE_MAX: usize = 4096;
/// More lines of one header than these hide something.
const FOLDS_MAX: u32 = 8;
/// Blanks between a header's name and its colon.
const BLANKS_MAX: usize = 16;
/// Bytes in front of the URI of a From header: the display name.
const DISPLAY_MAX: usize = 512;
/// Bytes of a URI up to its `@`.
const USER_MAX: usize = 256;
/// Bytes of credentials in front of their user name.
const CREDENTIALS_MAX: usize = 1024;

/// No name here.
pub const NONE: u64 = 0;

/// A message as the walk reads it; positions count from its beginning, and of what is read, `most` bytes belong to it.
/// The kernel verifies each as a function by itself.
pub trait Message {
    fn byte(&self, at: u32) -> Option<u8>;
    /// [`line_steps`] from there.
    fn line_steps(&self, at: u32, most: u32) -> u32;
    /// [`rest_of_line`] from there.
    fn rest_of_line(&self, at: u32, most: u32) -> u32;
    /// [`header`] that begins there.
    fn header(&self, at: u32) -> Header;
    /// Where the blanks that begin there end, and the ends of lines among them.
    fn skip_blanks(&self, at: u32) -> u32;
    /// [`uri`] of the From header whose value begins there.
    fn uri(&self, at: u32, most: u32) -> u32;
    /// [`user`] of the URI that begins there.
    fn user(&self, at: u32, most: u32, bracketed: bool) -> u32;
    /// [`username`] in the credentials that begin there.
    fn username(&self, at: u32, most: u32) -> u32;
    /// [`name_hash`] of the name that begins there.
    fn name_hash(&self, at: u32, most: u32, end: End) -> u64;

    /// How many bytes there are up to the end of this line, its LF with it; or up to the end of `most`.
    #[inline(always)]
    fn line_length(&self, at: u32, most: u32) -> u32 {
        let steps = self.line_steps(at, most);
        let length = steps & POSITION;
        if steps & REST == 0 { length } else { length + self.rest_of_line(at + length, most - length) }
    }
}

/// A walk from name to name.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Walk {
    /// For the kernel: where the message begins in the frame.
    pub offset: u32,
    pub length: u32,
    at: u32,
    lines: u32,
    /// The request line was met; before it there may be empty ones.
    started: u32,
    /// Not 0: where the names of the header before are, and whether that is the [From](FROM).
    names: u32,
}

impl Walk {
    #[inline(always)]
    pub const fn new(offset: u32, length: u32) -> Self {
        let length = if length > MESSAGE_MAX as u32 { MESSAGE_MAX as u32 } else { length };
        Self { offset, length, at: 0, lines: 0, started: 0, names: 0 }
    }

    /// The hash of the next name, or [`NONE`] if there is no other. `line` is [`line`](Self::line) and `name` is
    /// [`name`](Self::name), which the kernel verifies as functions by themselves: one for both takes too much stack.
    #[inline(always)]
    pub fn next(&mut self, line: impl Fn(&mut Self), name: impl Fn(&mut Self) -> u64) -> u64 {
        let mut steps = 0;
        while steps < LINES_MAX {
            if self.names == 0 {
                if self.at >= self.length || self.lines >= LINES_MAX {
                    return NONE;
                }
                line(self);
            } else {
                let name = name(self);
                if name != NONE {
                    return name;
                }
            }
            steps += 1;
        }
        NONE
    }

    /// Goes on by one line. Where a header with names begins, these are to be [looked for](Self::name).
    #[inline(always)]
    pub fn line(&mut self, message: &impl Message) {
        self.lines += 1;
        let at = self.at;
        let header = message.header(at);
        self.at = at + message.line_length(at, self.length - at);
        let from = match header.kind {
            HeaderKind::Empty => {
                if self.started != 0 {
                    self.at = self.length;
                }
                return;
            }
            HeaderKind::Other => {
                self.started = 1;
                return;
            }
            HeaderKind::From => FROM,
            HeaderKind::Credentials => 0,
        };
        self.started = 1;
        self.names = message.skip_blanks(at + header.value) | from;
    }

    /// Goes on by the further lines of a header.
    #[inline(always)]
    fn unfold(&mut self, message: &impl Message) {
        let mut folds = 0;
        while folds < FOLDS_MAX {
            if self.at >= self.length || !matches!(message.byte(self.at), Some(b' ' | b'\t')) {
                break;
            }
            self.at += message.line_length(self.at, self.length - self.at);
            folds += 1;
        }
    }

    /// The hash of the next name in the header, or [`NONE`]; goes on by the header's further lines.
    #[inline(always)]
    pub fn name(&mut self, message: &impl Message) -> u64 {
        self.unfold(message);
        let (value, names) = (self.value(message), self.names);
        self.names = 0;
        if names & FROM != 0 {
            return value.user_of_from(names & !FROM);
        }
        let name = value.username(names);
        if name == NOWHERE {
            return NONE;
        }
        // There may be another behind it.
        self.names = names + (name & POSITION);
        value.hash_of_username(self.names, name & QUOTED != 0)
    }

    #[inline(always)]
    const fn value<'a, M: Message>(&self, message: &'a M) -> Value<'a, M> {
        Value { message, end: self.at }
    }
}

/// The value of a header, up to its end.
struct Value<'a, M> {
    message: &'a M,
    end: u32,
}

impl<M: Message> Value<'_, M> {
    #[inline(always)]
    const fn most(&self, at: u32) -> u32 {
        self.end.saturating_sub(at)
    }

    #[inline(always)]
    fn user_of_from(&self, at: u32) -> u64 {
        let uri = self.message.uri(at, self.most(at));
        if uri == NOWHERE {
            return NONE;
        }
        let at = at + (uri & POSITION);
        let user = self.message.user(at, self.most(at), uri & BRACKETED != 0);
        if user == NOWHERE {
            return NONE;
        }
        let end = if user & TELEPHONE != 0 { End::Telephone } else { End::User };
        self.name_hash(at + (user & POSITION), end)
    }

    #[inline(always)]
    fn username(&self, at: u32) -> u32 {
        self.message.username(at, self.most(at))
    }

    /// In quotes it begins behind the first one.
    #[inline(always)]
    fn hash_of_username(&self, at: u32, quoted: bool) -> u64 {
        if quoted { self.name_hash(at + 1, End::Quote) } else { self.name_hash(at, End::Token) }
    }

    #[inline(always)]
    fn name_hash(&self, at: u32, end: End) -> u64 {
        self.message.name_hash(at, self.most(at), end)
    }
}

/// With a position: it is that of the From header's value.
const FROM: u32 = 1 << 31;
/// Instead of a position.
const NOWHERE: u32 = u32::MAX;
const POSITION: u32 = 0xffff;
const BRACKETED: u32 = 1 << 16;
const TELEPHONE: u32 = 1 << 17;
const QUOTED: u32 = 1 << 18;
const REST: u32 = 1 << 19;

/// What a line begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub kind: HeaderKind,
    /// Where its value begins, counted from the line's beginning.
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
}

impl Header {
    const OTHER: Self = Self { kind: HeaderKind::Other, value: 0 };

    /// In a word, because that is all a separately verified function may return.
    #[inline(always)]
    pub const fn word(self) -> u32 {
        (self.kind as u32) << 16 | self.value
    }

    #[inline(always)]
    pub const fn from_word(word: u32) -> Self {
        let kind = match word >> 16 {
            0 => HeaderKind::Empty,
            2 => HeaderKind::From,
            3 => HeaderKind::Credentials,
            _ => HeaderKind::Other,
        };
        Self { kind, value: word & POSITION }
    }
}

/// What ends a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum End {
    /// Of a user, before `@` or a password.
    User = 0,
    /// Of a telephone number.
    Telephone = 1,
    Quote = 2,
    Token = 3,
}

impl End {
    #[inline(always)]
    pub const fn from_code(code: u32) -> Self {
        match code {
            0 => Self::User,
            1 => Self::Telephone,
            2 => Self::Quote,
            _ => Self::Token,
        }
    }
}

/// [`Message::line_length`] as far as it goes in whole steps, and whether a [rest](rest_of_line) is left.
#[inline(always)]
pub fn line_steps(payload: Bytes<'_>, most: u32) -> u32 {
    const STEP: usize = 8;
    let mut at = 0;
    while at < MESSAGE_MAX {
        if opaque(at) >= most as usize {
            break;
        }
        let Some(chunk) = payload.chunk::<STEP>(at) else { return at as u32 | REST };
        let feeds = line_feeds(u64::from_le_bytes(*chunk));
        if feeds != 0 {
            return at as u32 + first(feeds);
        }
        at += STEP;
    }
    most
}

/// A bit for the first line feed of eight bytes, and perhaps bits behind it.
#[inline(always)]
const fn line_feeds(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let zeros = word ^ (ONES * b'\n' as u64);
    zeros.wrapping_sub(ONES) & !zeros & (ONES << 7)
}

/// How many bytes there are up to the lowest bit, its own with it.
#[inline(always)]
const fn first(bits: u64) -> u32 {
    // Without a loop or an instruction that BPF does not have: the ones below the lowest bit, counted by bytes.
    let below = (bits & bits.wrapping_neg()).wrapping_sub(1);
    ((below & 0x0101_0101_0101_0101).wrapping_mul(0x0101_0101_0101_0101) >> 56) as u32
}

/// [`Message::line_length`] where fewer than eight bytes are left.
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
        b'a' if begins_with(payload, b"authorization") => (HeaderKind::Credentials, 13),
        b'p' if begins_with(payload, b"proxy-authorization") => (HeaderKind::Credentials, 19),
        _ => return Header::OTHER,
    };
    let mut at = name;
    while at < name + BLANKS_MAX {
        match payload.byte(at) {
            Some(b' ' | b'\t') => at += 1,
            Some(b':') => return Header { kind, value: at as u32 + 1 },
            _ => break,
        }
    }
    Header::OTHER
}

#[inline(always)]
fn empty_or_other(payload: Bytes<'_>, first: u8) -> Header {
    let empty = first == b'\n' || first == b'\r' && matches!(payload.byte(1), Some(b'\n'));
    if empty { Header { kind: HeaderKind::Empty, value: 0 } } else { Header::OTHER }
}

#[inline(always)]
fn begins_with<const N: usize>(payload: Bytes<'_>, name: &[u8; N]) -> bool {
    let Some(chunk) = payload.chunk::<N>(0) else { return false };
    let mut differs = 0;
    let mut at = 0;
    while at < N {
        differs |= (chunk[at] | 0x20) ^ name[at];
        at += 1;
    }
    differs == 0
}

/// What follows each state at each byte. A table, because the verifier would go every way through a `match` again for
/// every byte.
#[repr(transparent)]
struct Table<const SIZE: usize>([u8; SIZE]);

impl<const SIZE: usize> Table<SIZE> {
    const MASK: usize = {
        assert!(SIZE.is_power_of_two());
        SIZE - 1
    };

    #[inline(always)]
    const fn next(&self, state: u8, byte: u8) -> u8 {
        self.0[((state as usize) << 8 | byte as usize) & Self::MASK]
    }

    /// Runs bytes through the table until a state of at least `stop`, and says which and how many bytes it took.
    #[inline(always)]
    fn run(&self, payload: Bytes<'_>, most: u32, mut state: u8, stop: u8, max: usize) -> Option<(u8, u32)> {
        let mut at = 0;
        while at < max {
            if opaque(at) >= most as usize {
                break;
            }
            let byte = payload.byte(at)?;
            state = self.next(state, byte);
            at += 1;
            if state >= stop {
                return Some((state, at as u32));
            }
        }
        None
    }
}

/// Calls `$next` for every state and byte.
macro_rules! table {
    ($name:ident, $states:literal, $next:path) => {
        static $name: Table<{ $states << 8 }> = {
            let mut table = [0; $states << 8];
            let mut index = 0;
            while index < table.len() {
                table[index] = $next((index >> 8) as u8, index as u8);
                index += 1;
            }
            Table(table)
        };
    };
}

/// Where a From header's `<` is.
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

/// Where the URI begins in the value of a From header, and whether in brackets.
#[inline(always)]
pub fn uri(payload: Bytes<'_>, most: u32) -> u32 {
    match BRACKETS.run(payload, most, bracket::OUTSIDE, bracket::FOUND, DISPLAY_MAX) {
        Some((_, at)) => at | BRACKETED,
        // Without brackets it is all of the value, up to its parameters.
        None if most < DISPLAY_MAX as u32 => 0,
        None => NOWHERE,
    }
}

/// Whether there is a user in front of a host.
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

/// Where the user begins in a URI, if it has one.
#[inline(always)]
pub fn user(payload: Bytes<'_>, most: u32, bracketed: bool) -> u32 {
    if begins_with(payload, b"tel:") {
        return 4 | TELEPHONE;
    }
    let start = if begins_with(payload, b"sip:") {
        4
    } else if begins_with(payload, b"sips:") {
        5
    } else {
        return NOWHERE;
    };
    let state = if bracketed { at_sign::BRACKETED } else { at_sign::PLAIN };
    // A scheme has nothing that the table would take for something else.
    match AT_SIGNS.run(payload, most, state, at_sign::FOUND, USER_MAX) {
        Some((at_sign::FOUND, _)) => start,
        _ => NOWHERE,
    }
}

/// Where in credentials a byte stands.
mod parameter {
    pub(super) const ELSEWHERE: u8 = 0;
    /// A parameter may begin here.
    const BOUNDARY: u8 = 1;
    /// So many letters of the name were there, and one.
    const BEHIND_FIRST: u8 = 2;
    const BEHIND_NAME: u8 = BEHIND_FIRST + NAME.len() as u8 - 1;
    /// Behind its `=`.
    const VALUE: u8 = BEHIND_NAME + 1;
    const QUOTED: u8 = VALUE + 1;
    const ESCAPED: u8 = QUOTED + 1;
    pub(super) const FOUND: u8 = ESCAPED + 1;
    pub(super) const FOUND_QUOTE: u8 = FOUND + 1;

    const NAME: &[u8] = b"username";

    pub(super) const fn next(state: u8, byte: u8) -> u8 {
        match (state, byte) {
            (ESCAPED, _) => QUOTED,
            (QUOTED, b'\\') => ESCAPED,
            (QUOTED, b'"') => ELSEWHERE,
            (QUOTED, _) => QUOTED,
            (VALUE, b'"') => FOUND_QUOTE,
            (VALUE, 0..=b' ') => VALUE,
            (VALUE, _) => FOUND,
            (_, b'"') => QUOTED,
            (BEHIND_NAME, b'=') => VALUE,
            (BEHIND_NAME, 0..=b' ') => BEHIND_NAME,
            (_, b',' | 0..=b' ') => BOUNDARY,
            (BOUNDARY..BEHIND_NAME, _) => {
                if byte.to_ascii_lowercase() == NAME[(state - BOUNDARY) as usize] {
                    state + 1
                } else {
                    ELSEWHERE
                }
            }
            _ => ELSEWHERE,
        }
    }
}
table!(PARAMETERS, 16, parameter::next);

/// Where the value of the parameter `username` begins in credentials, its quote with it, and whether it has one.
#[inline(always)]
pub fn username(payload: Bytes<'_>, most: u32) -> u32 {
    match PARAMETERS.run(payload, most, parameter::ELSEWHERE, parameter::FOUND, CREDENTIALS_MAX) {
        Some((parameter::FOUND_QUOTE, at)) => (at - 1) | QUOTED,
        Some((_, at)) => at - 1,
        None => NOWHERE,
    }
}

/// Whether a name goes on: the first states are those of [`End`].
mod name {
    use super::End;

    const USER: u8 = End::User as u8;
    const TELEPHONE: u8 = End::Telephone as u8;
    const QUOTE: u8 = End::Quote as u8;
    const TOKEN: u8 = End::Token as u8;
    const ESCAPED: u8 = 4;
    pub(super) const ENDS: u8 = 5;

    pub(super) const fn next(state: u8, byte: u8) -> u8 {
        match (state, byte) {
            (USER, b'@' | b':')
            | (TELEPHONE, b'>' | b';' | b',' | 0..=b' ')
            | (QUOTE, b'"')
            | (TOKEN, b',' | 0..=b' ') => ENDS,
            (QUOTE, b'\\') => ESCAPED,
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
    let mut state = end as u8;
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

/// A message that can be read in one go: everywhere but in the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Whole<'a> {
    pub payload: Bytes<'a>,
    pub length: u32,
}

impl Whole<'_> {
    const fn from(&self, at: u32) -> Bytes<'_> {
        self.payload.skip(at as usize)
    }
}

impl Message for Whole<'_> {
    fn byte(&self, at: u32) -> Option<u8> {
        self.payload.byte(at as usize)
    }

    fn line_steps(&self, at: u32, most: u32) -> u32 {
        line_steps(self.from(at), most)
    }

    fn rest_of_line(&self, at: u32, most: u32) -> u32 {
        rest_of_line(self.from(at), most)
    }

    fn header(&self, at: u32) -> Header {
        header(self.from(at))
    }

    fn skip_blanks(&self, at: u32) -> u32 {
        at + stream::skip_blanks(self.from(at))
    }

    fn uri(&self, at: u32, most: u32) -> u32 {
        uri(self.from(at), most)
    }

    fn user(&self, at: u32, most: u32, bracketed: bool) -> u32 {
        user(self.from(at), most, bracketed)
    }

    fn username(&self, at: u32, most: u32) -> u32 {
        username(self.from(at), most)
    }

    fn name_hash(&self, at: u32, most: u32, end: End) -> u64 {
        name_hash(self.from(at), most, end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(message: &[u8]) -> Vec<u64> {
        let length = message.len() as u32;
        let mut walk = Walk::new(0, length);
        let message = Whole { payload: Bytes::of(message), length };
        core::iter::from_fn(|| {
            Some(walk.next(|walk| walk.line(&message), |walk| walk.name(&message)))
                .filter(|name| *name != NONE)
        })
        .collect()
    }

    fn hashes(names: &[&str]) -> Vec<u64> {
        names.iter().map(|name| hash(name.as_bytes())).collect()
    }

    /// The names in a request with these header lines.
    fn of(headers: &str) -> Vec<u64> {
        names(format!("REGISTER sip:a SIP/2.0\r\n{headers}\r\nCall-ID: x\r\n\r\n").as_bytes())
    }

    #[test]
    fn a_name_has_one_hash_and_no_other_name_has_it() {
        let names = ["", "1", "2", "201", "202", "alice", "Alice", "alice@example.org"];
        let hashes: std::collections::HashSet<_> = names.map(|name| hash(name.as_bytes())).into();
        assert_eq!(hashes.len(), names.len());
        assert!(hashes.iter().all(|hash| is_hash(*hash)));
        assert!(!is_hash(0));
    }

    #[test]
    fn only_the_first_whole_characters_of_a_long_name_count() {
        let long = "x".repeat(64);
        assert_eq!(hash(long.as_bytes()), hash(format!("{long}y").as_bytes()));
        assert_ne!(hash(long.as_bytes()), hash("x".repeat(63).as_bytes()));
        let cut = format!("{}\u{fc}", "x".repeat(63));
        assert_eq!(hash(cut.as_bytes()), hash("x".repeat(63).as_bytes()));
        let whole = format!("{}\u{fc}", "x".repeat(62));
        assert_eq!(hash(whole.as_bytes()), hash(format!("{whole}y").as_bytes()));
    }

    #[test]
    fn the_user_of_from_is_found_however_it_is_written() {
        for (header, user) in [
            ("From: <sip:201@pbx>;tag=1", "201"),
            ("From: sip:201@pbx;tag=1", "201"),
            ("From: sip:201@pbx", "201"),
            ("f: <sip:201@pbx>;tag=1", "201"),
            ("F:<sip:201@pbx>", "201"),
            ("FROM \t: \t <SIP:201@pbx>", "201"),
            ("from:\r\n <sips:201@pbx>", "201"),
            ("From: Ann\r\n\t<sip:201@pbx>", "201"),
            ("From:\n <sip:201@pbx>", "201"),
            ("From: \"Ann\" <sip:201@pbx>", "201"),
            ("From: \"<sip:202@pbx>\" <sip:201@pbx>", "201"),
            ("From: \"\\\" <sip:202@pbx>\" <sip:201@pbx>", "201"),
            ("From: \"\\\\\" <sip:201@pbx>", "201"),
            ("From: Ann O'Neill <sip:201@pbx>", "201"),
            ("From: <sip:201:secret@pbx>", "201"),
            ("From: <sip:201;phone-context=x@pbx>", "201;phone-context=x"),
            ("From: <sip:%32%30%31@pbx>", "%32%30%31"),
            ("From: <sip:+49301@pbx;user=phone>", "+49301"),
            ("From: <tel:+49301;phone-context=x>", "+49301"),
            ("From: tel:+49301", "+49301"),
            ("From: <tel:201>", "201"),
            ("Via: x\r\nFrom: <sip:201@pbx>", "201"),
            ("P-Asserted-Identity: <sip:202@pbx>\r\nFrom: <sip:201@pbx>", "201"),
        ] {
            assert_eq!(of(header), hashes(&[user]), "{header}");
        }
    }

    #[test]
    fn what_has_no_user_has_no_name() {
        for header in [
            "From: <sip:pbx>",
            "From: sip:pbx;tag=a@b",
            "From: <sip:@pbx>",
            "From: <sip::secret@pbx>",
            "From: <mailto:201@pbx>",
            "From: \"<sip:201@pbx>",
            "From: ",
            "From",
            "Fromage: <sip:201@pbx>",
            "To: <sip:201@pbx>",
            "Subject: From: <sip:201@pbx>",
            "X: y\r\n From: <sip:201@pbx>",
            "From: <sip:201\r\nX: @pbx>",
            "Authorization: Digest realm=\"pbx\"",
            "Authorization: Digest username=",
            "Authorization: Digest username=\"\"",
            "Authorization: Digest username=\"201",
            "Authorization: Digest username*=\"201\"",
            "Authorization: Digest xusername=\"201\"",
            "Authorization: Digest realm=\"username=201\"",
            "Authorization: Digest realm=\"\\\", username=201\"",
            "Authentication-Info: username=\"201\"",
        ] {
            assert_eq!(of(header), [], "{header}");
        }
    }

    #[test]
    fn the_user_name_of_credentials_is_found_however_it_is_written() {
        for (header, name) in [
            ("Authorization: Digest username=\"201\", realm=\"pbx\"", "201"),
            ("AUTHORIZATION:DIGEST USERNAME=\"201\"", "201"),
            ("proxy-Authorization : Digest realm=\"pbx\",username=\"201\"", "201"),
            ("Authorization: Digest realm=\"a, username=\\\"202\\\"\", username=\"201\"", "201"),
            ("Authorization: Digest username = \"201\"", "201"),
            ("Authorization: Digest\r\n username\r\n =\r\n \"201\"", "201"),
            ("Authorization: Digest username=201, realm=\"pbx\"", "201"),
            ("Authorization: Digest username=201", "201"),
            ("Authorization: Digest username=\"201@pbx\"", "201@pbx"),
            ("Authorization: Digest username=\"Ann \\\"O\"", "Ann \\\"O"),
            ("Authorization: Digest user=\"x\", username=\"201\"", "201"),
            ("Authorization: Digest username*=x, username=\"201\"", "201"),
        ] {
            assert_eq!(of(header), hashes(&[name]), "{header}");
        }
    }

    #[test]
    fn all_user_names_of_credentials_are_found() {
        for (header, names) in [
            ("Authorization: Digest username=\"201\", username=\"202\"", &["201", "202"][..]),
            ("Authorization: Digest username=201,username=202 , username=\"203\"", &["201", "202", "203"]),
            ("Authorization: Digest username=\"username=1\", username=\"202\"", &["username=1", "202"]),
            (
                "Authorization: Digest username=\"a\\\" username=1\", username=\"202\"",
                &["a\\\" username=1", "202"],
            ),
            ("Authorization: Digest username=\"201\",\r\n username=\"202\"", &["201", "202"]),
            (
                "Authorization: Digest username=\"201\"\r\nAuthorization: Digest username=\"202\"",
                &["201", "202"],
            ),
            ("Authorization: Digest username=\"201\", realm=\"username=202\"", &["201"]),
            ("Authorization: Digest username=\"201\"\r\nX: username=\"202\"", &["201"]),
        ] {
            assert_eq!(of(header), hashes(names), "{header}");
        }
        // The last header of all, without an end.
        let cut = "REGISTER sip:a SIP/2.0\r\nAuthorization: Digest username=201, username=202";
        assert_eq!(names(cut.as_bytes()), hashes(&["201", "202"]));
    }

    #[test]
    fn all_names_of_a_message_are_found_and_none_of_its_body() {
        let message = "\r\n\r\nINVITE sip:203@pbx SIP/2.0\r\nTo: <sip:203@pbx>\r\nFrom: <sip:201@pbx>;tag=1\r\n\
                       Authorization: Digest username=\"a\"\r\nProxy-Authorization: Digest username=\"b\"\r\n\
                       \r\nFrom: <sip:202@pbx>\r\n";
        assert_eq!(names(message.as_bytes()), hashes(&["201", "a", "b"]));
        let with_feeds = message.replace("\r\n", "\n");
        assert_eq!(names(with_feeds.as_bytes()), hashes(&["201", "a", "b"]));
    }

    #[test]
    fn a_message_that_is_cut_anywhere_has_no_other_names() {
        let message = "INVITE sip:a SIP/2.0\r\nFrom: \"A\" <sip:201@pbx>\r\n\
                       Authorization: Digest realm=\"x\", username=\"202\"\r\n\r\n";
        let all = hashes(&["201", "202"]);
        for length in 0..=message.len() {
            let found = names(&message.as_bytes()[..length]);
            assert!(all.starts_with(&found), "{length}");
        }
        // What lies behind the message's end is not of it.
        let mut walk = Walk::new(0, 60);
        let whole = Whole { payload: Bytes::of(message.as_bytes()), length: 60 };
        assert_eq!(walk.next(|walk| walk.line(&whole), |walk| walk.name(&whole)), all[0]);
        assert_eq!(walk.next(|walk| walk.line(&whole), |walk| walk.name(&whole)), NONE);
    }

    #[test]
    fn a_line_ends_with_its_first_line_feed() {
        for length in 0..40 {
            for rest in ["", "x", "\n", "\nxxxxxxxxxxxxxxxx\n"] {
                let line = format!("{}\n{rest}", "\u{b}".repeat(length));
                let most = line.len() as u32;
                let whole = Whole { payload: Bytes::of(line.as_bytes()), length: most };
                assert_eq!(whole.line_length(0, most), length as u32 + 1);
            }
            let endless = "x".repeat(length);
            let whole = Whole { payload: Bytes::of(endless.as_bytes()), length: length as u32 };
            assert_eq!(whole.line_length(0, length as u32), length as u32);
        }
    }

    /// Bytes that mean something, more often than others.
    fn telling() -> impl Strategy<Value = String> {
        let pieces = [
            "From:",
            "f:",
            "Authorization:",
            "Digest ",
            "username=",
            "\"",
            "\\",
            "<",
            ">",
            "sip:",
            "tel:",
            "@",
            ":",
            ";",
            ",",
            " ",
            "\t",
            "\r\n",
            "\n",
            "201",
            "\u{fc}",
            "x",
        ];
        proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..60)
            .prop_map(|all| all.concat())
    }

    proptest! {
        #[test]
        fn the_walk_ends_whatever_it_walks_through(message: Vec<u8>) {
            prop_assert!(names(&message).into_iter().all(is_hash));
        }

        #[test]
        fn the_walk_ends_among_what_it_looks_for(message in telling()) {
            prop_assert!(names(message.as_bytes()).len() < 60);
        }

        #[test]
        fn any_name_is_the_same_in_both_places(name in "[!-9A-Za-z=~\u{fc}\u{4e2d}]{1,70}") {
            let plain: String = name.chars().filter(|char| !"\"\\:;,<>@".contains(*char)).collect();
            if !plain.is_empty() {
                let wanted = hashes(&[&plain]);
                prop_assert_eq!(of(&format!("From: <sip:{plain}@pbx>")), wanted.clone());
                prop_assert_eq!(of(&format!("Authorization: Digest username=\"{plain}\"")), wanted);
            }
        }
    }
}
