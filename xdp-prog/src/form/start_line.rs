//! Forms of the start line.

use super::{
    Form, Text,
    begin::Begin,
    plain_bytes::{FEEDS, HIGH, LOW, word},
    walk::{LESS_THAN_STEP, STATES, Walk},
};
use crate::bytes::{Bytes, opaque};

/// No URI fills a start line of this many bytes.
const START_LINE_MAX: usize = 1024;
/// From the blank before the version to the byte behind the line.
const PLAIN_END: usize = 11;
/// Instead of a length.
const ENDLESS: u32 = u32::MAX;

/// The length of the first line with its LF. Zero: it has no LF. `ENDLESS`: it is longer than any start line.
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

/// The same for a rest that is shorter than a step and begins at `at`.
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

/// True: the first line, of that length, ends with ` SIP/2.0` and CR LF, and nothing continues it.
#[inline(always)]
pub fn is_plain_start(payload: Bytes<'_>, line: u32) -> bool {
    if (line as usize) < PLAIN_END - 1 || line as usize > START_LINE_MAX {
        return false;
    }
    // Opaque and masked for the verifier: a pointer that goes back before it goes forth has no bound else.
    let end = opaque(line as usize + 1 - PLAIN_END) & (START_LINE_MAX - 1);
    payload.chunk::<PLAIN_END>(end).is_some_and(is_plain_end)
}

/// The number of bytes of a word before the one with the lowest bit. Counted by bytes, because BPF has no instruction
/// for it.
#[inline(always)]
pub(super) const fn before(bits: u64) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let below = (bits & bits.wrapping_neg()).wrapping_sub(1);
    ((below >> 7 & ONES).wrapping_mul(ONES) >> 56) as usize
}

#[inline(always)]
fn is_plain_end(end: &[u8; PLAIN_END]) -> bool {
    const VERSION: u64 = u64::from_le_bytes(*b" SIP/2.0");
    word(end, 0) == VERSION && end[8] == b'\r' && end[10] != b' ' && end[10] != b'\t'
}

/// States of the version in a start line, for [`start_steps`].
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

pub(super) static VERSION: [u8; VERSIONS << 8] = {
    let mut table = [0; VERSIONS << 8];
    let mut index = 0;
    while index < table.len() {
        table[index] = version::next((index >> 8) as u8, index as u8);
        index += 1;
    }
    table
};

/// With the forms of a start line: some PBX would take it for the start of a message.
pub(super) const IS_MESSAGE: u32 = 1 << 31;

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
    // In a stream the end of the line may follow in the next segment; a datagram without one is no message.
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

/// The same for a rest that is shorter than a step.
#[inline(always)]
pub fn start_rest(payload: Bytes<'_>, length: u32, walk: Walk) -> Walk {
    walk.rest(&VERSION, payload, length)
}

/// True: it begins like a response. It is none: responses do not come here.
#[inline(always)]
const fn is_like_response(head: [u8; 4]) -> bool {
    matches!(head, [b'S' | b's', b'I' | b'i', b'P' | b'p', b'/' | b' ' | b'\t'])
}

/// Blanks that may continue a start line and are looked at.
const FOLD_MAX: usize = 64;

/// The form that continues the start line, from behind its end.
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
