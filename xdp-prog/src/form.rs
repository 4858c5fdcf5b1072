//! Forms: ways to write a message, or the headers in front of it, that some PBX accepts although others, or this
//! program, read something else in them. A stranger who writes like that wants to be read in two ways.
//!
//! What PBXs do with each form was read in the sources of PJSIP (Asterisk), Kamailio and Sofia-SIP (FreeSWITCH); the
//! reference says it for operators. What all of them read alike is no form: lines that end in a lone LF, blanks around a
//! colon, folded headers, blanks behind the version, line ends in front of the message.
//!
//! A clean message costs one look at the end of its start line and one pass over its bytes. Only what is suspicious
//! there is walked byte by byte.

use crate::{
    abi::{Carried, phase},
    bytes::{Bytes, opaque},
    packed::{Packed, packed_enum},
    reason::Reason,
    sip::{Kind, LEADING_MAX},
};

/// A form. Its number is its bit in [`Policy::forms`](crate::abi::Policy::forms).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Form {
    /// A CR without its LF in a header. PJSIP ends the line there; others go on with it.
    LineEnd,
    /// A NUL in a header. C strings end there; PJSIP takes it within quotes.
    Nul,
    /// Anything but ` SIP/2.0` where the version stands, or something that begins like a response and is none.
    Version,
    /// A start line that goes on in the next line, or begins with what is no method.
    StartLine,
    /// A line of nothing but blanks behind the start line. For PJSIP it belongs to the start line.
    BlankLine,
    /// Two user names for one realm.
    Names,
    /// IP headers that are not all in the first fragment, or more of them than are followed.
    IpChain,
    /// A TCP segment with urgent data, of which the stack takes a byte out of the stream, or one in IP fragments.
    Tcp,
}

impl Form {
    pub const ALL: [Self; 8] = [
        Self::LineEnd,
        Self::Nul,
        Self::Version,
        Self::StartLine,
        Self::BlankLine,
        Self::Names,
        Self::IpChain,
        Self::Tcp,
    ];
    /// The bits of all of them.
    pub const EVERY: u32 = (1 << Self::ALL.len()) - 1;
    /// Those that hide a header from whoever reads by lines, credentials and `maddr` included. Being known excuses none of
    /// them: somebody else behind a known address would guess passwords unseen, and anybody can write its name.
    pub const HIDING: u32 = Self::LineEnd.bit() | Self::Nul.bit() | Self::IpChain.bit() | Self::Tcp.bit();

    #[inline(always)]
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }

    #[inline(always)]
    pub const fn reason(self) -> Reason {
        match self {
            Self::LineEnd => Reason::FormLineEnd,
            Self::Nul => Reason::FormNul,
            Self::Version => Reason::FormVersion,
            Self::StartLine => Reason::FormStartLine,
            Self::BlankLine => Reason::FormBlankLine,
            Self::Names => Reason::FormNames,
            Self::IpChain => Reason::FormIpChain,
            Self::Tcp => Reason::FormTcp,
        }
    }

    /// The first of a set.
    #[inline(always)]
    pub const fn first(bits: u32) -> Option<Self> {
        let mut at = 0;
        while at < Self::ALL.len() {
            if bits & Self::ALL[at].bit() != 0 {
                return Some(Self::ALL[at]);
            }
            at += 1;
        }
        None
    }
}

/// Bytes of a message that are looked at, as everywhere.
const SCAN_MAX: usize = crate::matcher::SCAN_MAX as usize;

const LOW: u64 = u64::from_ne_bytes([0x7f; 8]);
const HIGH: u64 = !LOW;
const RETURNS: u64 = u64::from_ne_bytes([b'\r'; 8]);
const FEEDS: u64 = u64::from_ne_bytes([b'\n'; 8]);

/// Bytes of a step, which looks at one more.
const STEP: usize = 64;
const WINDOW: usize = STEP + 1;

/// Whether all of the first `length` bytes are ASCII, each CR has its LF and each LF its CR, and there is no NUL: nearly all
/// messages, and cheaper to see than what [`has_plain_bytes`] says. Of the last byte nobody knows what follows it; what is
/// shorter than a step may have anything.
#[inline(always)]
pub fn has_usual_bytes(payload: Bytes<'_>, length: u32) -> bool {
    look(payload, length, |here, next| {
        // The sums have a top bit where the byte is another one; without bytes above 0x7f they carry nothing over.
        let no_return = (here ^ RETURNS).wrapping_add(LOW);
        let no_feed = (next ^ FEEDS).wrapping_add(LOW);
        (no_return ^ no_feed) | here | next | !here.wrapping_add(LOW)
    })
}

/// Whether none of the first `length` bytes is a NUL, nor a CR without its LF. Of the last byte nobody knows what follows
/// it; what is shorter than a step may have one.
#[inline(always)]
pub fn has_plain_bytes(payload: Bytes<'_>, length: u32) -> bool {
    look(payload, length, |here, next| {
        let low = here & LOW;
        let no_return = (low ^ RETURNS) + LOW;
        let no_feed = (((next ^ FEEDS) & LOW) + LOW) | next;
        ((!no_return & no_feed) | !(low + LOW)) & !here
    })
}

/// Looks at all words, each with the one that begins a byte further on. `strange` sets a top bit where something is.
#[inline(always)]
fn look(payload: Bytes<'_>, length: u32, strange: impl Fn(u64, u64) -> u64) -> bool {
    let length = if length as usize > SCAN_MAX { SCAN_MAX } else { length as usize };
    if length < WINDOW {
        return false;
    }
    let in_step = |bytes: &[u8; WINDOW]| {
        let mut found = 0;
        let mut at = 0;
        while at < STEP {
            found |= strange(word(bytes, at), word(bytes, at + 1));
            at += 8;
        }
        found
    };
    // The last step ends with the message. First, and masked, so that the verifier sees its bound.
    let last = opaque(length - WINDOW) & (SCAN_MAX - 1);
    let Some(bytes) = payload.chunk::<WINDOW>(last) else { return false };
    let mut found = in_step(bytes);
    let mut at = 0;
    while at < SCAN_MAX {
        if opaque(at) + WINDOW > length {
            break;
        }
        let Some(bytes) = payload.chunk::<WINDOW>(at) else { return false };
        found |= in_step(bytes);
        at += STEP;
    }
    found & HIGH == 0
}

#[inline(always)]
fn word(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// No URI fills a start line of this many bytes.
const START_LINE_MAX: usize = 1024;
/// From the blank before the version to the byte behind the line.
const PLAIN_END: usize = 11;
/// Instead of a length.
const ENDLESS: u32 = u32::MAX;

/// How long the first line is, its LF with it; zero: it has none. [`ENDLESS`]: it is longer than any start line.
#[inline(always)]
pub fn first_line(payload: Bytes<'_>, length: u32) -> u32 {
    let mut at = 0;
    while at < START_LINE_MAX {
        let Some(bytes) = payload.chunk::<8>(at) else {
            return short_line(payload.skip(at), at as u32, length);
        };
        let word = u64::from_le_bytes(*bytes);
        let no_feed = (((word ^ FEEDS) & LOW) + LOW) | word;
        let feeds = !no_feed & HIGH;
        if feeds != 0 {
            let end = (at + before(feeds)) as u32 + 1;
            return if end <= length { end } else { 0 };
        }
        at += 8;
    }
    if length as usize >= START_LINE_MAX { ENDLESS } else { 0 }
}

/// The same for less than a step, which begins at `at`.
#[inline(always)]
fn short_line(payload: Bytes<'_>, at: u32, length: u32) -> u32 {
    let mut more = 0;
    while more < 8 {
        match payload.byte(more) {
            Some(b'\n') => {
                let end = at + more as u32 + 1;
                return if end <= length { end } else { 0 };
            }
            Some(_) => more += 1,
            None => break,
        }
    }
    0
}

/// Whether the first line, of that length, ends with ` SIP/2.0` and CR LF, and nothing continues it.
#[inline(always)]
pub fn is_plain_start(payload: Bytes<'_>, line: u32) -> bool {
    if (line as usize) < PLAIN_END - 1 || line as usize > START_LINE_MAX {
        return false;
    }
    // Opaque and masked for the verifier: a pointer that goes back before it goes forth has no bound else.
    let end = opaque(line as usize + 1 - PLAIN_END) & (START_LINE_MAX - 1);
    payload.chunk::<PLAIN_END>(end).is_some_and(is_plain_end)
}

/// How many bytes of a word stand before the one with the lowest bit. Counted by bytes, as BPF has no instruction for it.
#[inline(always)]
const fn before(bits: u64) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let below = (bits & bits.wrapping_neg()).wrapping_sub(1);
    ((below >> 7 & ONES).wrapping_mul(ONES) >> 56) as usize
}

#[inline(always)]
fn is_plain_end(end: &[u8; PLAIN_END]) -> bool {
    const VERSION: u64 = u64::from_le_bytes(*b" SIP/2.0");
    word(end, 0) == VERSION && end[8] == b'\r' && end[10] != b' ' && end[10] != b'\t'
}

/// States of a table, besides what it remembers.
const STATES: u8 = 16;

/// A walk through a table of states: the last one.
#[derive(Clone, Copy, Debug)]
pub struct Walk(u8);

impl Walk {
    #[inline(always)]
    fn take<const SIZE: usize>(&mut self, table: &[u8; SIZE], byte: u8) {
        self.0 = table[((self.0 as usize) << 8 | byte as usize) & (SIZE - 1)];
    }

    /// Through as many of the first `length` bytes as are whole steps, and no more than `max`. Without a way out: the
    /// verifier goes every way through each step, and gives up where there are too many.
    #[inline(always)]
    fn steps<const SIZE: usize>(
        mut self,
        table: &[u8; SIZE],
        payload: Bytes<'_>,
        length: u32,
        max: usize,
    ) -> Self {
        let mut at = 0;
        while at < max {
            if opaque(at) + WALK_STEP > length as usize {
                break;
            }
            let Some(bytes) = payload.chunk::<WALK_STEP>(at) else { break };
            let mut byte = 0;
            while byte < WALK_STEP {
                self.take(table, bytes[byte]);
                byte += 1;
            }
            at += WALK_STEP;
        }
        self
    }

    /// Through what is less than a step.
    #[inline(always)]
    fn rest<const SIZE: usize>(mut self, table: &[u8; SIZE], payload: Bytes<'_>, length: u32) -> Self {
        let mut at = 0;
        while at < WALK_STEP {
            if opaque(at) >= length as usize {
                break;
            }
            let Some(byte) = payload.byte(at) else { break };
            self.take(table, byte);
            at += 1;
        }
        self
    }
}

impl Packed for Walk {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        self.0 as u32
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        Self(word as u8)
    }
}

const WALK_STEP: usize = 8;

const LESS_THAN_STEP: u32 = WALK_STEP as u32 - 1;

/// Where in a message a byte stands, for [`header_steps`]. With a state: what was found, and whether it is a stream.
mod place {
    use super::STATES;

    pub(super) const LINE: u8 = 0;
    pub(super) const RETURN: u8 = 1;
    const FEED: u8 = 2;
    /// A CR at the beginning of a line: of the empty line, perhaps.
    const FEED_RETURN: u8 = 3;
    pub(super) const BODY: u8 = 4;
    /// In a body, behind an `S`, `SI`, `SIP`, and behind the slash: in a stream it may be the start line of another
    /// message, whose header follows.
    const NAME: [u8; 3] = [5, 6, 7];
    const VERSION: u8 = 8;
    /// In the body of a datagram, which is nobody's.
    const OVER: u8 = 15;
    pub(super) const LINE_END: u8 = STATES;
    pub(super) const NUL: u8 = 2 * STATES;
    pub(super) const STREAM: u8 = 4 * STATES;

    pub(super) const fn next(state: u8, byte: u8) -> u8 {
        let with = state & (LINE_END | NUL | STREAM);
        let state = state & (STATES - 1);
        let with = match (state, byte) {
            (RETURN | FEED_RETURN, 1..=9 | 11..=255) => with | LINE_END,
            (RETURN | FEED_RETURN, 0) => with | LINE_END | NUL,
            (LINE | FEED, 0) => with | NUL,
            _ => with,
        };
        match after(state, byte) {
            BODY if with & STREAM == 0 => with | OVER,
            state => with | state,
        }
    }

    const fn after(state: u8, byte: u8) -> u8 {
        match (state, byte) {
            (OVER, _) => OVER,
            (FEED, b'\r') => FEED_RETURN,
            (FEED | FEED_RETURN, b'\n') => BODY,
            (LINE | RETURN | FEED_RETURN | VERSION, b'\r') => RETURN,
            (LINE | RETURN | VERSION, b'\n') => FEED,
            (LINE | RETURN | FEED | FEED_RETURN, _) => LINE,
            (VERSION, _) => VERSION,
            (_, b'S' | b's') => NAME[0],
            (5, b'I' | b'i') => NAME[1],
            (6, b'P' | b'p') => NAME[2],
            (7, b' ' | b'\t') => NAME[2],
            (7, b'/') => VERSION,
            _ => BODY,
        }
    }
}

const PLACES: usize = 8 * STATES as usize;

static PLACE: [u8; PLACES << 8] = {
    let mut table = [0; PLACES << 8];
    let mut index = 0;
    while index < table.len() {
        table[index] = place::next((index >> 8) as u8, index as u8);
        index += 1;
    }
    table
};

/// Walks the header of a message that begins with the first byte; in a stream, also of those behind it.
#[inline(always)]
pub fn header_steps(payload: Bytes<'_>, length: u32, walk: Walk) -> Walk {
    walk.steps(&PLACE, payload, length, SCAN_MAX)
}

/// The same for what is less than a step.
#[inline(always)]
pub fn header_rest(payload: Bytes<'_>, length: u32, walk: Walk) -> Walk {
    walk.rest(&PLACE, payload, length)
}

#[inline(always)]
fn in_header(text: &impl Text, at: u32, begin: Begin) -> u32 {
    let start = match begin.inside {
        Inside::Nowhere | Inside::Header => place::LINE,
        Inside::Return => place::RETURN,
        Inside::Body => place::BODY,
    };
    let start = Walk(if begin.stream { place::STREAM | start } else { start });
    let length = text.length().saturating_sub(at);
    let length = if length > SCAN_MAX as u32 { SCAN_MAX as u32 } else { length };
    let (whole, rest) = (length & !LESS_THAN_STEP, length & LESS_THAN_STEP);
    let walk = text.header_rest(at + whole, rest, text.header_steps(at, whole, start));
    let line_end = if walk.0 & place::LINE_END != 0 { Form::LineEnd.bit() } else { 0 };
    let nul = if walk.0 & place::NUL != 0 { Form::Nul.bit() } else { 0 };
    line_end | nul
}

/// What a start line says of the version, for [`start_steps`].
mod version {
    use super::STATES;

    const ELSEWHERE: u8 = 0;
    pub(super) const BLANK: u8 = 1;
    /// Behind so many bytes of `SIP/2.0` that follow a blank, up to all seven.
    const FIRST: u8 = 2;
    const NAME: u8 = 4;
    const SLASH: u8 = 5;
    const WHOLE: u8 = 8;
    /// Blanks behind it.
    const BEHIND: u8 = 9;
    /// Behind `S`, `SI`, `SIP` that follow no blank.
    const LOOSE: u8 = 10;
    const LOOSE_NAME: u8 = 12;
    /// Behind `SIP` and blanks.
    const NAME_BLANK: u8 = 13;
    /// Behind a CR: whatever follows, it is no longer this line.
    const RETURN: u8 = 14;
    pub(super) const LINE_END: u8 = 15;
    /// With a state: something like a version was there and did not end the line.
    pub(super) const ODD: u8 = STATES;
    /// With the last states: a plain version did.
    pub(super) const PLAIN: u8 = 2 * STATES;

    const TEXT: &[u8; 7] = b"sip/2.0";

    pub(super) const fn next(state: u8, byte: u8) -> u8 {
        let seen = state & (ODD | PLAIN);
        let state = state & (STATES - 1);
        let blank = byte == b' ' || byte == b'\t';
        let lower = byte.to_ascii_lowercase();
        match state {
            RETURN | LINE_END => seen | LINE_END,
            WHOLE | BEHIND if byte == b'\r' => seen | PLAIN | RETURN,
            WHOLE | BEHIND if byte == b'\n' => seen | PLAIN | LINE_END,
            SLASH..WHOLE if byte == b'\r' => ODD | RETURN,
            SLASH..WHOLE if byte == b'\n' => ODD | LINE_END,
            _ if byte == b'\r' => seen | RETURN,
            _ if byte == b'\n' => seen | LINE_END,
            WHOLE | BEHIND if blank => seen | BEHIND,
            WHOLE | BEHIND if lower == b's' && state == BEHIND => ODD | FIRST,
            WHOLE | BEHIND => ODD | ELSEWHERE,
            FIRST..WHOLE if lower == TEXT[(state - FIRST + 1) as usize] => seen | (state + 1),
            SLASH..WHOLE if blank => ODD | BLANK,
            SLASH..WHOLE => ODD | begin(lower, false),
            NAME | LOOSE_NAME | NAME_BLANK if blank => seen | NAME_BLANK,
            LOOSE_NAME | NAME_BLANK if byte == b'/' => ODD | ELSEWHERE,
            LOOSE if lower == b'i' => seen | (LOOSE + 1),
            11 if lower == b'p' => seen | LOOSE_NAME,
            _ if blank => seen | BLANK,
            _ => seen | begin(lower, state == BLANK || state == NAME_BLANK),
        }
    }

    const fn begin(lower: u8, behind_blank: bool) -> u8 {
        match (lower, behind_blank) {
            (b's', true) => FIRST,
            (b's', false) => LOOSE,
            _ => ELSEWHERE,
        }
    }
}

const VERSIONS: usize = 4 * STATES as usize;

static VERSION: [u8; VERSIONS << 8] = {
    let mut table = [0; VERSIONS << 8];
    let mut index = 0;
    while index < table.len() {
        table[index] = version::next((index >> 8) as u8, index as u8);
        index += 1;
    }
    table
};

/// What is known of a payload before forms are looked for in it.
#[derive(Clone, Copy, Debug)]
pub struct Begin {
    kind: Kind,
    stream: bool,
    inside: Inside,
}

/// Where in a message a segment or a fragment goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum Inside {
    /// It begins with the message.
    Nowhere = 0,
    Header = 1,
    /// In a header, behind a CR.
    Return = 2,
    Body = 3,
}

packed_enum!(Inside: Nowhere | Header | Return | Body, or Nowhere);

impl Begin {
    /// `None`: there is nothing that a PBX could read as a message, or that it would look further into.
    #[inline(always)]
    pub const fn of(kind: Kind, stream: bool) -> Option<Self> {
        match kind {
            Kind::Keepalive | Kind::Hidden => None,
            Kind::NotSip if stream => None,
            // In a stream a request may follow.
            Kind::Response if !stream => None,
            _ => Some(Self { kind, stream, inside: Inside::Nowhere }),
        }
    }

    /// Of what goes on where another packet ended. `None`: no header goes on there, and none can follow.
    #[inline(always)]
    pub const fn inside(carried: &Carried) -> Option<Self> {
        let stream = carried.phase != phase::DATAGRAM;
        let inside = match carried.phase {
            phase::BODY => Inside::Body,
            phase::DATAGRAM if carried.row == 0 => return None,
            phase::HEAD | phase::HEADERS | phase::DATAGRAM if carried.after_return != 0 => Inside::Return,
            phase::HEAD | phase::HEADERS | phase::DATAGRAM => Inside::Header,
            _ => return None,
        };
        Some(Self { kind: Kind::NotSip, stream, inside })
    }

    /// It has a method, of a standard or not.
    #[inline(always)]
    const fn has_method(self) -> bool {
        !matches!(self.kind, Kind::NotSip)
    }

    /// It is a message even if no version is found. In a stream a word and a blank may be the middle of anything.
    #[inline(always)]
    const fn is_certain(self) -> bool {
        match self.kind {
            Kind::Request(_) | Kind::Response => true,
            Kind::UnknownMethod => !self.stream,
            _ => false,
        }
    }
}

impl Packed for Begin {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        (self.inside as u32) << 16 | self.kind.pack() << 1 | self.stream as u32
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        let inside = Inside::unpack(word >> 16);
        Self { kind: Kind::unpack(word >> 1 & 0x7fff), stream: word & 1 != 0, inside }
    }
}

/// Where forms are looked for; positions count from the payload's beginning. The kernel verifies each as a function by
/// itself.
pub trait Text {
    /// [`first_line`] from there.
    fn first_line(&self, at: u32) -> u32;
    /// [`in_start_line`] from there.
    fn start_line(&self, at: u32, begin: Begin) -> u32;
    /// [`is_plain_start`] from there.
    fn is_plain_start(&self, at: u32, line: u32) -> bool;
    /// [`has_usual_bytes`] of the payload.
    fn has_usual_bytes(&self) -> bool;
    /// [`has_plain_bytes`] of the payload.
    fn has_plain_bytes(&self) -> bool;
    /// [`blanks`](crate::sip::blanks) of the payload.
    fn blanks(&self) -> u32;
    /// How many bytes there are.
    fn length(&self) -> u32;
    /// What it begins with there.
    fn head(&self, at: u32) -> Option<[u8; 4]>;
    /// [`start_steps`] from there.
    fn start_steps(&self, at: u32, length: u32) -> Walk;
    /// [`start_rest`] from there.
    fn start_rest(&self, at: u32, length: u32, walk: Walk) -> Walk;
    /// [`header_steps`] from there.
    fn header_steps(&self, at: u32, length: u32, walk: Walk) -> Walk;
    /// [`header_rest`] from there.
    fn header_rest(&self, at: u32, length: u32, walk: Walk) -> Walk;
    /// [`continued`] where the start line ends.
    fn continued(&self, at: u32) -> u32;
}

/// The forms of a payload, as a set of bits.
#[inline(always)]
pub fn find(text: &impl Text, begin: Begin) -> u32 {
    let is_inside = !matches!(begin.inside, Inside::Nowhere);
    let has_plain_start = is_inside
        || matches!(begin.kind, Kind::Response)
        || begin.has_method() && text.is_plain_start(0, text.first_line(0));
    let has_plain_bytes =
        !matches!(begin.inside, Inside::Return) && (text.has_usual_bytes() || text.has_plain_bytes());
    if has_plain_start && has_plain_bytes {
        return 0;
    }
    let at = if is_inside { 0 } else { text.blanks() & (LEADING_MAX - 1) };
    let start = if has_plain_start { IS_MESSAGE } else { text.start_line(at, begin) };
    if start & IS_MESSAGE == 0 {
        return 0;
    }
    let header = if has_plain_bytes { 0 } else { in_header(text, at, begin) };
    start & Form::EVERY | header
}

/// With the forms of a start line: some PBX would take it for the start of a message.
const IS_MESSAGE: u32 = 1 << 31;

/// The forms of the start line that begins there, and whether that is one.
#[inline(always)]
pub fn in_start_line(text: &impl Text, at: u32, begin: Begin) -> u32 {
    let line = text.first_line(at);
    let is_endless = line == ENDLESS;
    let line = match line {
        ENDLESS => 0,
        // It has no LF: perhaps it ends with a CR.
        0 => start_line_at_most(text.length().saturating_sub(at)),
        line => line,
    };
    let (whole_steps, rest) = (line & !LESS_THAN_STEP, line & LESS_THAN_STEP);
    let walk = text.start_steps(at, whole_steps);
    let Walk(state) = text.start_rest(at + whole_steps, rest, walk);
    let has_end = state & (STATES - 1) == version::LINE_END;
    let is_plain = has_end && state & version::PLAIN != 0;
    let is_odd = has_end && !is_plain && state & version::ODD != 0;
    let continued = if is_endless { 0 } else { text.continued(at + line) };
    // The version may stand in what continues the line, behind a method longer than any.
    let is_folded =
        continued & Form::StartLine.bit() != 0 && text.head(at).is_some_and(|head| head.is_ascii());
    // In a stream the end of the line may follow in the next segment; a datagram without one is nobody's.
    if !(begin.is_certain() || is_plain || is_odd || !begin.stream && (is_endless || is_folded)) {
        return 0;
    }
    let mut forms = IS_MESSAGE;
    if is_odd || text.head(at).is_some_and(is_like_response) {
        forms |= Form::Version.bit();
    }
    // Kamailio takes any word for a method, however long; PJSIP needs no blank behind it. What is endless hides something.
    if !begin.has_method() || is_endless {
        forms |= Form::StartLine.bit();
    }
    forms | continued
}

#[inline(always)]
const fn start_line_at_most(length: u32) -> u32 {
    if length > START_LINE_MAX as u32 { START_LINE_MAX as u32 } else { length }
}

/// Walks the start line that begins with the first byte.
#[inline(always)]
pub fn start_steps(payload: Bytes<'_>, length: u32) -> Walk {
    Walk(version::BLANK).steps(&VERSION, payload, length, START_LINE_MAX)
}

/// The same for what is less than a step.
#[inline(always)]
pub fn start_rest(payload: Bytes<'_>, length: u32, walk: Walk) -> Walk {
    walk.rest(&VERSION, payload, length)
}

/// Whether it begins as responses do. It is none, or nobody would look at it here.
#[inline(always)]
const fn is_like_response(head: [u8; 4]) -> bool {
    matches!(head, [b'S' | b's', b'I' | b'i', b'P' | b'p', b'/' | b' ' | b'\t'])
}

/// Blanks that may continue a start line and are looked at.
const FOLD_MAX: usize = 64;

/// What continues the start line, from behind its end.
#[inline(always)]
pub fn continued(payload: Bytes<'_>, length: u32) -> u32 {
    let mut at = 0;
    while at < FOLD_MAX {
        if opaque(at) >= length as usize {
            break;
        }
        match payload.byte(at) {
            Some(b' ' | b'\t') => at += 1,
            Some(b'\r' | b'\n') if at > 0 => return Form::BlankLine.bit(),
            _ => break,
        }
    }
    if at > 0 { Form::StartLine.bit() } else { 0 }
}

/// A payload that can be read in one go: everywhere but in the kernel.
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

impl Text for Whole<'_> {
    fn first_line(&self, at: u32) -> u32 {
        first_line(self.from(at), self.length.saturating_sub(at))
    }

    fn start_line(&self, at: u32, begin: Begin) -> u32 {
        in_start_line(self, at, begin)
    }

    fn is_plain_start(&self, at: u32, line: u32) -> bool {
        is_plain_start(self.from(at), line)
    }

    fn has_usual_bytes(&self) -> bool {
        has_usual_bytes(self.payload, self.length)
    }

    fn has_plain_bytes(&self) -> bool {
        has_plain_bytes(self.payload, self.length)
    }

    fn blanks(&self) -> u32 {
        crate::sip::blanks(self.payload)
    }

    fn length(&self) -> u32 {
        self.length
    }

    fn head(&self, at: u32) -> Option<[u8; 4]> {
        self.from(at).chunk::<4>(0).copied()
    }

    fn start_steps(&self, at: u32, length: u32) -> Walk {
        start_steps(self.from(at), length)
    }

    fn start_rest(&self, at: u32, length: u32, walk: Walk) -> Walk {
        start_rest(self.from(at), length, walk)
    }

    fn header_steps(&self, at: u32, length: u32, walk: Walk) -> Walk {
        header_steps(self.from(at), length, walk)
    }

    fn header_rest(&self, at: u32, length: u32, walk: Walk) -> Walk {
        header_rest(self.from(at), length, walk)
    }

    fn continued(&self, at: u32) -> u32 {
        continued(self.from(at), self.length.saturating_sub(at))
    }
}

#[cfg(test)]
mod tests;
