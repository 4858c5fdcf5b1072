//! Whose account a request is about: the user of its From header and the user names of its credentials, as they are
//! written, and in the kernel only their hashes.
//!
//! Credentials may have several user names, in one header or in several. Kamailio and PJSIP, so Asterisk too, take the
//! last of a header, and the first header for their realm, which nobody knows here. So all headers count, and a header
//! with two names, or with one that a PBX may read otherwise, is [marked](flag).
//!
//! The message is walked line by line. What is read has a bound, and a message that goes on behind it is reported as
//! such ([`MORE`]).

use crate::{
    bytes::{Bytes, opaque},
    packed::{Packed, packed_enum},
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
pub const LINES_MAX: u32 = 128;
/// Bytes of a message.
pub const MESSAGE_MAX: usize = 4096;
/// More lines of one header than these hide something.
const FOLDS_MAX: u32 = 32;
/// Blanks between a header's name and its colon.
const BLANKS_MAX: usize = 16;
/// Bytes in front of the URI of a From header: the display name.
const DISPLAY_MAX: usize = 512;
/// Bytes of a URI up to its `@`.
const USER_MAX: usize = 256;
/// Bytes of a nonce or a realm that count: longer than any that is known.
const VALUE_MAX: usize = 128;
/// Bytes of credentials that are read at once, and how often that is done: more than a whole message at once, and many
/// more parameters than any phone sends.
const PARAMETER_STEP: usize = 256;
const PARAMETER_TURNS: u32 = 64;
/// Credentials whose realms are compared.
const REALMS: usize = 4;

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
    /// [`has_tag`] of the To header whose value begins there.
    fn has_tag(&self, at: u32, most: u32) -> bool;
    /// [`parameter`] of the credentials that go on there.
    fn parameter(&self, at: u32, most: u32, state: u8) -> u32;
    /// [`name_hash`] of the name that begins there.
    fn name_hash(&self, at: u32, most: u32, end: End) -> u64;
    /// [`value_hash`] of the value that begins there.
    fn value_hash(&self, at: u32, most: u32, end: End) -> u64;

    /// How many bytes there are up to the end of this line, its LF with it; or up to the end of `most`.
    #[inline(always)]
    fn line_length(&self, at: u32, most: u32) -> u32 {
        let steps = self.line_steps(at, most);
        let length = steps & POSITION;
        let rest = if steps & REST == 0 { 0 } else { self.rest_of_line(at + length, most - length) };
        // A step may have gone beyond.
        if length + rest > most { most } else { length + rest }
    }
}

/// What a walk looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// From and credentials, and whether To has a tag.
    Names,
    Credentials,
    /// The same in what goes on in the middle of a header, and no further than up to the empty line.
    RestOfHeader,
    /// Those of a response, which give nonces to the other side.
    Challenges,
}

/// What a header says about who sends the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Named {
    /// [`NOTHING`], [`BY_FROM`], [`BY_CREDENTIALS`] or [`MORE`].
    pub kind: u32,
    /// A set of [`flag`]s.
    pub flags: u32,
    /// The hash of the user name, the last one of credentials; [`NONE`]: it has none.
    pub name: u64,
    /// Of credentials: the hash of their nonce, or [`NONE`].
    pub nonce: u64,
    /// Of credentials: where their value ends in the message.
    pub end: u32,
    pub reserved: u32,
}

/// The message names nobody else.
pub const NOTHING: u32 = 0;
pub const BY_FROM: u32 = 1;
pub const BY_CREDENTIALS: u32 = 2;
/// The message has more lines or bytes of headers than are looked at.
pub const MORE: u32 = 3;

pub mod flag {
    /// Credentials have two user names that differ, or those before for the same realm have another one.
    pub const NAMES: u32 = 1;
    /// A PBX may read another name here than this walk does: it decodes `%` escapes, or `\` escapes in quotes.
    pub const ODD: u32 = 2;
    /// At the end of the message: its To header has a tag.
    pub const IN_DIALOG: u32 = 4;
    /// Credentials that go on behind what is there of the message.
    pub const CUT: u32 = 8;
    /// In a stream, behind an empty line: in another message, or in a body.
    pub const LATER: u32 = 16;
}

impl Named {
    /// The name is certain: every PBX reads this one.
    #[inline(always)]
    pub const fn is_certain(&self) -> bool {
        self.flags & !flag::LATER == 0 && self.name != NONE
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
    /// Not 0: where the value of the header before is, and whether that is the [From](FROM) or the [To](TO).
    names: u32,
    /// A set of [`how`] flags.
    how: u32,
    /// Whether To headers were met [with a tag](dialog::INSIDE) and [without](dialog::OUTSIDE).
    dialog: u32,
    pub found: Named,
    realm: u64,
    /// Of the credentials before: their realms, and the names for those.
    realms: [u64; REALMS],
    owners: [u64; REALMS],
    headers: u32,
    /// Where in the credentials' value the walk is, and in which state of [`parameter`].
    value_at: u32,
    state: u32,
    /// User names in these credentials.
    count: u32,
}

mod dialog {
    pub(super) const INSIDE: u32 = 1;
    pub(super) const OUTSIDE: u32 = 2;
}

mod how {
    /// From and To are not looked at.
    pub(super) const NO_ADDRESSES: u32 = 1;
    /// Challenges are looked for, instead of credentials.
    pub(super) const CHALLENGES: u32 = 16;
    /// Behind an empty line there may be another message: all lines count.
    pub(super) const STREAM: u32 = 2;
    /// There are more bytes than are looked at.
    pub(super) const CUT: u32 = 4;
    /// The end of the headers was met.
    pub(super) const ENDED: u32 = 8;
    /// The end of a message's headers was met.
    pub(super) const LATER: u32 = 32;
}

impl Walk {
    /// `stream`: it may be several messages, one behind the other, so that all of it is walked through.
    #[inline(always)]
    pub fn new(offset: u32, length: u32, wanted: Wanted, stream: bool) -> Self {
        let cut = if length > MESSAGE_MAX as u32 { how::CUT } else { 0 };
        let length = if length > MESSAGE_MAX as u32 { MESSAGE_MAX as u32 } else { length };
        let only = match wanted {
            Wanted::Names => 0,
            Wanted::Credentials | Wanted::RestOfHeader => how::NO_ADDRESSES,
            Wanted::Challenges => how::NO_ADDRESSES | how::CHALLENGES,
        };
        let is_rest = matches!(wanted, Wanted::RestOfHeader);
        let stream = if stream && !is_rest { how::STREAM } else { 0 };
        Self { offset, length, how: cut | only | stream, started: is_rest as u32, ..Self::default() }
    }

    /// Goes on to the next name and leaves it in [`found`](Self::found). `line` is [`line`](Self::line), `address` is
    /// [`address`](Self::address) and `credentials` is [`credentials`](Self::credentials), which the kernel verifies as
    /// functions by themselves.
    #[inline(always)]
    pub fn next(
        &mut self,
        line: impl Fn(&mut Self),
        address: impl Fn(&mut Self),
        credentials: impl Fn(&mut Self),
    ) {
        self.found = Named::default();
        let mut steps = 0;
        while steps < 2 * LINES_MAX {
            if self.names == 0 {
                let over = self.at >= self.length;
                if over || self.lines >= LINES_MAX {
                    let more = self.how & how::ENDED == 0 && (!over || self.how & how::CUT != 0);
                    self.found.kind = if more { MORE } else { NOTHING };
                    self.found.flags = if self.dialog == dialog::INSIDE { flag::IN_DIALOG } else { 0 };
                    return;
                }
                line(self);
            } else if self.names & (FROM | TO) != 0 {
                address(self);
                if self.found.kind != NOTHING {
                    return;
                }
            } else {
                credentials(self);
                return;
            }
            steps += 1;
        }
        self.found.kind = MORE;
    }

    /// Goes on by one line. Where a header with names begins, these are to be looked for.
    #[inline(always)]
    pub fn line(&mut self, message: &impl Message) {
        self.lines += 1;
        let at = self.at;
        let header = message.header(at);
        self.at = at + message.line_length(at, self.length - at);
        let mark = match header.kind {
            HeaderKind::Empty => {
                if self.how & how::STREAM != 0 {
                    // What follows is another request's, or a body.
                    self.headers = 0;
                    self.how |= if self.started != 0 { how::LATER } else { 0 };
                } else if self.started != 0 {
                    self.at = self.length;
                    self.how |= how::ENDED;
                }
                return;
            }
            HeaderKind::From if self.how & how::NO_ADDRESSES == 0 => FROM,
            HeaderKind::To if self.how & how::NO_ADDRESSES == 0 => TO,
            HeaderKind::Credentials if self.how & how::CHALLENGES == 0 => 0,
            HeaderKind::Challenge if self.how & how::CHALLENGES != 0 => 0,
            _ => {
                self.started = 1;
                return;
            }
        };
        self.started = 1;
        self.names = message.skip_blanks(at + header.value) | mark;
    }

    /// Goes on by the further lines of a header. Whether there may be more of them.
    #[inline(always)]
    fn unfold(&mut self, message: &impl Message) -> bool {
        let mut folds = 0;
        while folds < FOLDS_MAX {
            if self.at >= self.length || !matches!(message.byte(self.at), Some(b' ' | b'\t')) {
                break;
            }
            self.at += message.line_length(self.at, self.length - self.at);
            folds += 1;
        }
        folds == FOLDS_MAX
    }

    /// Reads the From header, or whether the To header has a tag; goes on by the header's further lines.
    #[inline(always)]
    pub fn address(&mut self, message: &impl Message) {
        self.unfold(message);
        let (value, names) = (self.value(message), self.names);
        self.names = 0;
        if names & TO != 0 {
            let at = names & !TO;
            self.dialog |= if message.has_tag(at, value.most(at)) { dialog::INSIDE } else { dialog::OUTSIDE };
            return;
        }
        let name = value.user_of_from(names & !FROM);
        if name != NONE {
            self.found.name = name;
            self.found.kind = BY_FROM;
        }
    }

    /// Begins to read credentials, and goes on by the header's further lines.
    #[inline(always)]
    pub fn begin_credentials(&mut self, message: &impl Message) {
        let has_more = self.unfold(message);
        let end = self.at;
        let cut = has_more || !matches!(message.byte(end.wrapping_sub(1)), Some(b'\n'));
        let later = if self.how & how::LATER != 0 { flag::LATER } else { 0 };
        let flags = later | if cut { flag::CUT } else { 0 };
        self.found = Named { kind: BY_CREDENTIALS, flags, end, ..Named::default() };
        self.value_at = self.names;
        self.names = 0;
        self.state = parameter::SCHEME as u32;
        self.count = 0;
        self.realm = NONE;
    }

    /// Reads credentials that were begun. `turn` is [`turn`](Self::turn), which the kernel verifies as a function by
    /// itself.
    #[inline(always)]
    pub fn credentials(&mut self, turn: impl Fn(&mut Self) -> bool) {
        let mut turns = 0;
        while turns < PARAMETER_TURNS {
            if turn(self) {
                self.compare();
                return;
            }
            turns += 1;
        }
        // More parameters than are looked at.
        self.found.flags |= flag::ODD;
    }

    /// Goes on to the next parameter that matters; true: the credentials are over.
    #[inline(always)]
    pub fn turn(&mut self, message: &impl Message) -> bool {
        let (at, end) = (self.value_at, self.found.end);
        if at >= end {
            return true;
        }
        let step = message.parameter(at, end - at, self.state as u8);
        let (state, read) = ((step >> 16) as u8, step & POSITION);
        self.value_at = at + read;
        self.state = state as u32;
        let value = Value { message, end };
        match state {
            parameter::ODD => {
                self.found.flags |= flag::ODD;
                self.state = parameter::SCHEME as u32;
            }
            parameter::ODD_ESCAPE => {
                self.found.flags |= flag::ODD;
                self.state = parameter::ESCAPED_NAME as u32;
            }
            parameter::ODD_COLON => {
                self.found.flags |= flag::ODD;
                self.state = parameter::QUOTED_NAME as u32;
            }
            parameter::AMBIGUOUS => {
                self.found.flags |= flag::NAMES;
                self.state = parameter::OTHER_VALUE as u32;
            }
            parameter::NAME | parameter::NAME_QUOTE => {
                let start = self.begin_value(state == parameter::NAME_QUOTE, parameter::NAME_BEGIN);
                let name = value.name_hash(start, End::of_value(state == parameter::NAME_QUOTE));
                if self.count != 0 && self.found.name != name {
                    self.found.flags |= flag::NAMES;
                }
                self.found.name = name;
                self.count += 1;
            }
            parameter::NONCE | parameter::NONCE_QUOTE => {
                let start = self.begin_value(state == parameter::NONCE_QUOTE, parameter::OTHER_EQUALS);
                self.found.nonce = value.hash(start, End::of_value(state == parameter::NONCE_QUOTE));
            }
            parameter::REALM | parameter::REALM_QUOTE => {
                let start = self.begin_value(state == parameter::REALM_QUOTE, parameter::OTHER_EQUALS);
                self.realm = value.hash(start, End::of_value(state == parameter::REALM_QUOTE));
            }
            _ => return read == 0,
        }
        false
    }

    /// Where the value begins whose first byte was read. That byte is read again, in the state for values.
    #[inline(always)]
    const fn begin_value(&mut self, quoted: bool, state: u8) -> u32 {
        self.value_at -= 1;
        self.state = state as u32;
        if quoted { self.value_at + 1 } else { self.value_at }
    }

    /// Marks credentials for a realm that others in the message are for, too, under another name.
    #[inline(always)]
    fn compare(&mut self) {
        let mut at = 0;
        while at < REALMS {
            if (at as u32) < self.headers {
                if self.realms[at] == self.realm && self.owners[at] != self.found.name {
                    self.found.flags |= flag::NAMES;
                }
            } else if at as u32 == self.headers {
                self.realms[at] = self.realm;
                self.owners[at] = self.found.name;
            }
            at += 1;
        }
        self.headers += 1;
        if self.headers > REALMS as u32 {
            self.found.flags |= flag::ODD;
        }
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
    fn name_hash(&self, at: u32, end: End) -> u64 {
        self.message.name_hash(at, self.most(at), end)
    }

    #[inline(always)]
    fn hash(&self, at: u32, end: End) -> u64 {
        self.message.value_hash(at, self.most(at), end)
    }
}

/// With a position: it is that of the From header's value.
const FROM: u32 = 1 << 31;
/// The same for the To header.
const TO: u32 = 1 << 30;
/// Instead of a position.
const NOWHERE: u32 = u32::MAX;
const POSITION: u32 = 0xffff;
const BRACKETED: u32 = 1 << 16;
const TELEPHONE: u32 = 1 << 17;
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

packed_enum!(End: User | Telephone | Quote | Token, or Token);

impl End {
    #[inline(always)]
    const fn of_value(quoted: bool) -> Self {
        if quoted { Self::Quote } else { Self::Token }
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

/// Where in a To header its tag is.
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

/// Whether the value of a To header has a tag: the request is one within a dialog.
#[inline(always)]
pub fn has_tag(payload: Bytes<'_>, most: u32) -> bool {
    TAGS.run(payload, most, tag::OUTSIDE, tag::FOUND, DISPLAY_MAX).is_some()
}

/// Where in credentials a byte stands.
mod parameter {
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
    pub(super) const NAME_VALUE: u8 = NAME_EQUALS + 4;
    const QUOTED: u8 = NAME_EQUALS + 5;
    const ESCAPED: u8 = NAME_EQUALS + 6;
    pub(super) const QUOTED_NAME: u8 = NAME_EQUALS + 7;
    pub(super) const ESCAPED_NAME: u8 = NAME_EQUALS + 8;
    /// Where a user name begins.
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

    pub(super) const fn next(state: u8, byte: u8) -> u8 {
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
        let names: [(u8, &[u8]); 4] = [
            (USERNAME, b"username"),
            (NONCE_NAME, b"nonce"),
            (REALM_NAME, b"realm"),
            (NEXT_NONCE, b"extnonce"),
        ];
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
}
table!(PARAMETERS, 64, parameter::next);

/// Reads on in credentials, or in a challenge, until there is something to look at or the step is done. The state in
/// the high half, in the low half how many bytes were read.
#[inline(always)]
pub fn parameter(payload: Bytes<'_>, most: u32, state: u8) -> u32 {
    let mut state = state;
    let mut at = 0;
    while at < PARAMETER_STEP {
        if opaque(at) >= most as usize {
            break;
        }
        let Some(byte) = payload.byte(at) else { break };
        state = PARAMETERS.next(state, byte);
        at += 1;
        if state >= parameter::FOUND {
            break;
        }
    }
    (state as u32) << 16 | at as u32
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
    /// User names of credentials. Kamailio leaves out a domain behind them.
    const QUOTED_ACCOUNT: u8 = 6;
    const ACCOUNT: u8 = 7;

    /// Of a name, where other values begin with the state of their end.
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

    /// [`Walk::next`] through this message.
    pub fn next(&self, walk: &mut Walk) -> Named {
        walk.next(
            |walk| walk.line(self),
            |walk| walk.address(self),
            |walk| {
                walk.begin_credentials(self);
                walk.credentials(|walk| walk.turn(self));
            },
        );
        walk.found
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

    fn has_tag(&self, at: u32, most: u32) -> bool {
        has_tag(self.from(at), most)
    }

    fn parameter(&self, at: u32, most: u32, state: u8) -> u32 {
        parameter(self.from(at), most, state)
    }

    fn name_hash(&self, at: u32, most: u32, end: End) -> u64 {
        name_hash(self.from(at), most, end)
    }

    fn value_hash(&self, at: u32, most: u32, end: End) -> u64 {
        value_hash(self.from(at), most, end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(message: &[u8], wanted: Wanted, stream: bool) -> Vec<Named> {
        let length = message.len() as u32;
        let mut walk = Walk::new(0, length, wanted, stream);
        let message = Whole { payload: Bytes::of(message), length };
        let mut found = vec![];
        while found.last().is_none_or(|last: &Named| !matches!(last.kind, NOTHING | MORE)) {
            found.push(message.next(&mut walk));
        }
        found
    }

    fn names(message: &[u8]) -> Vec<u64> {
        let found = all(message, Wanted::Names, false);
        found.iter().map(|named| named.name).filter(|name| *name != NONE).collect()
    }

    /// The credentials in a request with these header lines.
    fn credentials(headers: &str) -> Vec<Named> {
        let message = format!("REGISTER sip:a SIP/2.0\r\n{headers}\r\nCall-ID: x\r\n\r\n");
        let mut found = all(message.as_bytes(), Wanted::Credentials, false);
        assert_eq!(found.pop().map(|last| last.kind), Some(NOTHING), "{headers}");
        found
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
            ("Authorization: Digest username=\"201@pbx\"", "201"),
            ("Authorization: Digest username=201@pbx", "201"),
            ("Authorization: Digest username=\"Ann \\\"O\"", "Ann \\\"O"),
            ("Authorization: Digest user=\"x\", username=\"201\"", "201"),
            ("Authorization: Digest username*=x, username=\"201\"", "201"),
        ] {
            assert_eq!(of(header), hashes(&[name]), "{header}");
        }
    }

    #[test]
    fn of_several_user_names_the_last_is_taken_and_the_credentials_are_marked() {
        for (header, name) in [
            ("Authorization: Digest username=\"201\", username=\"202\"", "202"),
            ("Authorization: Digest username=201,username=202 , username=\"203\"", "203"),
            ("Authorization: Digest username=\"username=1\", username=\"202\"", "202"),
            ("Authorization: Digest username=\"201\",\r\n username=\"202\"", "202"),
            ("Authorization: Digest username=\"201\", realm=\"x\", Digest username=\"202\"", "202"),
        ] {
            assert_eq!(of(header), hashes(&[name]), "{header}");
            assert_eq!(credentials(header)[0].flags, flag::NAMES, "{header}");
        }
        for header in [
            "Authorization: Digest username=\"201\", realm=\"username=202\"",
            "Authorization: Digest username=\"201\"\r\nX: username=\"202\"",
            "Authorization: Digest username=\"201\", username=201",
        ] {
            assert_eq!(credentials(header)[0].flags, 0, "{header}");
        }
        // What one PBX reads as a part of a string, and another as a name.
        for shadow in ["\"\\\"", "a\"b", "\"a\"\"", "'\"", "\"a\" \"b", "\"a\"b"]
            .map(|it| format!("x={it}, username=201"))
        {
            let header = format!("Authorization: Digest username=\"202\", {shadow}");
            assert_eq!(credentials(&header)[0].flags, flag::NAMES, "{header}");
        }
        for colon in ["\"x:201@pbx\"", "x:201"].map(|it| format!("Authorization: Digest username={it}")) {
            assert_eq!(credentials(&colon)[0].flags, flag::ODD, "{colon}");
        }
        // The last header of all, without an end.
        let cut = "REGISTER sip:a SIP/2.0\r\nAuthorization: Digest username=201, username=202";
        assert_eq!(names(cut.as_bytes()), hashes(&["202"]));
    }

    #[test]
    fn two_credentials_for_one_realm_under_two_names_are_marked() {
        let of = |first: &str, second: &str| {
            let found = credentials(&format!(
                "Authorization: Digest {first}\r\nProxy-Authorization: Digest {second}"
            ));
            [found[0].flags, found[1].flags]
        };
        let (a, b) = ("username=\"201\", realm=\"a\"", "username=\"202\", realm=\"a\"");
        assert_eq!(of(a, b), [0, flag::NAMES]);
        assert_eq!(of(a, "realm=a,username=202"), [0, flag::NAMES]);
        assert_eq!(of("username=\"201\"", "username=\"202\""), [0, flag::NAMES]);
        assert_eq!(of(a, a), [0, 0]);
        assert_eq!(of(a, "username=\"202\", realm=\"b\""), [0, 0]);
        // Nor are they in a segment, which may have several requests.
        let one = format!(
            "REGISTER sip:a SIP/2.0\r\nAuthorization: Digest {a}\r\nProxy-Authorization: Digest {b}\r\n\r\n"
        );
        assert!(
            all(one.as_bytes(), Wanted::Credentials, true).iter().any(|named| named.flags == flag::NAMES)
        );
        let two = format!("REGISTER sip:a SIP/2.0\r\nAuthorization: Digest {a}\r\n\r\n").into_bytes();
        let two = [two.as_slice(), &two].concat();
        let two = String::from_utf8(two).unwrap().replacen("201", "202", 1);
        assert!(
            all(two.as_bytes(), Wanted::Credentials, true)
                .iter()
                .all(|named| named.flags & !flag::LATER == 0)
        );
    }

    #[test]
    fn a_name_that_a_pbx_may_read_otherwise_is_marked() {
        for header in [
            "Authorization: Digest username=\"x\", %75sername=\"201\"",
            "Authorization: Digest username=\"x\", user%6Eame=\"201\"",
            "Authorization: Digest username=%32%30%31",
            "Authorization: Digest username=2%301",
            "Authorization: Digest username=\"2\\01\"",
        ] {
            assert_eq!(credentials(header)[0].flags & flag::ODD, flag::ODD, "{header}");
        }
        for header in [
            "Authorization: Digest username=\"201\", uri=\"sip:%20@x\", realm=\"a\\b\"",
            "Authorization: Digest username=\"201\", uri=sip:%20@x",
            "Authorization: Digest username=\"%32\"",
        ] {
            assert_eq!(credentials(header)[0].flags, 0, "{header}");
        }
    }

    #[test]
    fn the_nonce_is_found_however_it_is_written() {
        let nonce = nonce_hash(b"1764470516/0123456789abcdef0123456789abcdef");
        for header in [
            "username=\"201\", nonce=\"1764470516/0123456789abcdef0123456789abcdef\"",
            "NONCE = \"1764470516/0123456789abcdef0123456789abcdef\",username=\"201\"",
            "cnonce=\"x\",nonce=1764470516/0123456789abcdef0123456789abcdef , opaque=\"nonce=1\"",
            "nonce=\"1764470516/0123456789abcdef0123456789abcdef\", nc=00000001, cnonce=\"nonce=2\"",
            "nextnonce=\"1764470516/0123456789abcdef0123456789abcdef\", nextnonc=\"x\", nnonce=\"y\"",
        ] {
            let found = credentials(&format!("Authorization: Digest {header}"));
            assert_eq!(found[0].nonce, nonce, "{header}");
        }
        for header in ["nonce=\"\"", "cnonce=\"x\"", "xnonce=\"x\"", "nonce", "nonce=\"x"] {
            assert_eq!(credentials(&format!("Authorization: Digest {header}"))[0].nonce, NONE, "{header}");
        }
    }

    #[test]
    fn no_decoy_hides_credentials() {
        let decoys = "X: username=\"x\"\r\n".repeat(20);
        let long = "a".repeat(3000);
        for headers in [
            format!("{decoys}Authorization: Digest username=\"201\""),
            format!("Authorization: Digest realm=\"{long}\", username=\"201\""),
            format!("X: {long}\r\nAuthorization: Digest username=\"201\""),
            "Authorization\r\n : Digest username=\"201\"".to_owned(),
            format!("Authorization{}: Digest username=\"201\"", " ".repeat(300)),
            format!("Authorization: Digest {}username=\"201\"", "a=b,".repeat(500)),
        ] {
            let found = credentials(&headers);
            assert_eq!((found[0].kind, found[0].name), (BY_CREDENTIALS, hash(b"201")), "{headers}");
        }
        let many = credentials(&format!("Authorization: Digest {}username=\"201\"", "nonce=b,".repeat(70)));
        assert!(!many[0].is_certain());
        let nine = "Authorization: Digest username=\"x\"\r\n".repeat(9);
        let nine = credentials(&format!("{nine}Authorization: Digest username=\"201\""));
        assert_eq!(nine.len(), 10);
        assert!(!nine[9].is_certain());
    }

    #[test]
    fn a_message_that_goes_on_behind_what_is_looked_at_says_so() {
        let last =
            |message: &str| all(message.as_bytes(), Wanted::Credentials, false).last().map(|last| last.kind);
        assert_eq!(last(&format!("INVITE sip:a SIP/2.0\r\n{}\r\n", "X: y\r\n".repeat(120))), Some(NOTHING));
        assert_eq!(last(&format!("INVITE sip:a SIP/2.0\r\n{}\r\n", "X: y\r\n".repeat(130))), Some(MORE));
        assert_eq!(last(&format!("INVITE sip:a SIP/2.0\r\nX: {}\r\n\r\n", "y".repeat(5000))), Some(MORE));
        assert_eq!(last(&format!("INVITE sip:a SIP/2.0\r\n\r\n{}", "X: y\r\n".repeat(2000))), Some(NOTHING));
    }

    #[test]
    fn credentials_that_are_cut_are_marked() {
        let message = "INFO sip:a SIP/2.0\r\nAuthorization: Digest username=\"201\", realm=\"pbx\"\r\n\r\n";
        let end = message.len() as u32 - 2;
        for length in 40..message.len() as u32 {
            let mut walk = Walk::new(0, length, Wanted::Credentials, false);
            let named = Whole { payload: Bytes::of(message.as_bytes()), length }.next(&mut walk);
            assert_eq!(named.flags == flag::CUT, length < end, "{length}");
        }
    }

    #[test]
    fn credentials_of_the_second_message_in_a_segment_are_found() {
        let request =
            |name| format!("INFO sip:a SIP/2.0\r\nAuthorization: Digest username=\"{name}\"\r\n\r\n");
        let both = request("201") + &request("202");
        let found = all(both.as_bytes(), Wanted::Credentials, true);
        assert_eq!(
            found.iter().map(|named| named.name).collect::<Vec<_>>(),
            [hash(b"201"), hash(b"202"), NONE]
        );
    }

    #[test]
    fn the_nonces_of_challenges_are_found_and_none_that_is_echoed() {
        let response = "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP x;a,nonce=\"forged\"\r\n\
                        Call-ID: ,nonce=\"forged\"\r\nFrom: \"nonce=\" <sip:a@b>;x=\"\r\n\
                        Authorization: Digest nonce=\"forged\"\r\n\
                        WWW-Authenticate: Digest realm=\"a\",nonce=\"one\",opaque=\"nonce=1\"\r\n\
                        proxy-authenticate : Digest\r\n nonce=\"two\"\r\n\r\nWWW-Authenticate: Digest nonce=\"forged\"";
        let found = all(response.as_bytes(), Wanted::Challenges, false);
        let nonces: Vec<_> = found.iter().map(|named| named.nonce).collect();
        assert_eq!(nonces, [nonce_hash(b"one"), nonce_hash(b"two"), NONE]);
    }

    #[test]
    fn a_tag_of_to_is_found_however_it_is_written() {
        for (to, inside) in [
            ("To: <sip:201@pbx>;tag=1", true),
            ("t:sip:201@pbx ; TAG = 1", true),
            ("To: \"a;tag=1\" <sip:201@pbx>;x=y;tag=1", true),
            ("To: <sip:201@pbx>\r\n ;tag=1", true),
            ("To: <sip:201@pbx>", false),
            ("To: <sip:201@pbx;tag=1>", false),
            ("To: \"a;tag=1\" <sip:201@pbx>", false),
            ("To: <sip:201@pbx>;xtag=1;tagx=1", false),
            ("Via: x;tag=1", false),
            ("To: <sip:201@pbx>;tag=1\r\nTo: <sip:201@pbx>", false),
        ] {
            let message = format!("INFO sip:a SIP/2.0\r\n{to}\r\n\r\n");
            let last = *all(message.as_bytes(), Wanted::Names, false).last().unwrap();
            assert_eq!((last.kind, last.flags != 0), (NOTHING, inside), "{to}");
        }
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
        let mut walk = Walk::new(0, 60, Wanted::Names, false);
        let whole = Whole { payload: Bytes::of(message.as_bytes()), length: 60 };
        assert_eq!(whole.next(&mut walk).name, all[0]);
        let cut = whole.next(&mut walk);
        assert_eq!((cut.kind, cut.name), (BY_CREDENTIALS, NONE));
        assert_eq!(whole.next(&mut walk).kind, NOTHING);
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
            "nonce=",
            "%",
            "To:",
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
