//! Forms of the header.

use super::{
    Form, Text,
    begin::{Begin, Inside},
    plain_bytes::SCAN_MAX,
    walk::{LESS_THAN_STEP, STATES, Walk},
};
use crate::bytes::Bytes;

/// States of the walk through a message, for [`header_steps`]. The high bits say what was found, and that the text is a
/// stream.
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
    /// In the body of a datagram, which is not looked at.
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

/// The same for a rest that is shorter than a step.
#[inline(always)]
pub fn header_rest(payload: Bytes<'_>, length: u32, walk: Walk) -> Walk {
    walk.rest(&PLACE, payload, length)
}

#[inline(always)]
pub(super) fn in_header(text: &impl Text, at: u32, begin: Begin) -> u32 {
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
