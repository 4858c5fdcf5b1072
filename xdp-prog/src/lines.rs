//! The beginnings of lines and the ends of headers, found eight bytes at a time: no look-up waits for the one before
//! it.

use crate::bytes::{Bytes, opaque};

/// Bytes in which an empty line is looked for at once; as many more are read as its end may be further on.
const STEP: usize = 24;
const WINDOW: usize = STEP + 2;
/// Bytes of a word of which it is known whether an empty line begins there.
const KNOWN: usize = 6;
/// A line that is longer than this is not followed back to its start.
const LINE_MAX: u32 = 512;

const FEEDS: u64 = u64::from_ne_bytes([b'\n'; 8]);
const LOW: u64 = u64::from_ne_bytes([0x7f; 8]);

/// The top bit of each byte that is a line feed.
#[inline(always)]
const fn feeds(word: u64) -> u64 {
    let others = word ^ FEEDS;
    !(((others & LOW) + LOW) | others | LOW)
}

#[inline(always)]
fn word(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// True: an empty line begins in the first [`STEP`] bytes. A line of any one byte counts as empty.
#[inline(always)]
fn has_empty_line(bytes: &[u8; WINDOW]) -> bool {
    let mut found = 0;
    let mut at = 0;
    while at < STEP {
        let feeds = feeds(word(bytes, at));
        found |= feeds & (feeds >> 8 | feeds >> 16);
        at += KNOWN;
    }
    found != 0
}

/// A place up to which there is no empty line: `most`, or one not far before the first empty line or the payload's
/// end. `limit` is a constant that `most` does not exceed.
#[inline(always)]
pub fn without_empty_line(payload: Bytes<'_>, most: u32, limit: u32) -> u32 {
    let mut at = 0;
    while at < limit {
        if at >= most {
            return most;
        }
        match payload.chunk(at as usize) {
            Some(bytes) if !has_empty_line(bytes) => at += STEP as u32,
            _ => return at,
        }
    }
    most
}

/// True: the `length` bytes of `payload` have an empty line that does not end with the last of them. Never a false no.
/// `limit` is a power of two that `length` does not exceed.
#[inline(always)]
pub fn goes_on_behind_empty_line(payload: Bytes<'_>, length: u32, limit: u32) -> bool {
    let length = length as usize;
    // Too short for a whole step.
    if length <= WINDOW {
        return true;
    }
    // First, and masked, for the same reasons as the last step of the prefilter.
    let last = opaque(length - 1 - WINDOW) & (limit as usize - 1);
    match payload.chunk(last) {
        Some(bytes) if !has_empty_line(bytes) => {}
        _ => return true,
    }
    let mut at = 0;
    while at < limit as usize {
        if at + WINDOW >= length {
            break;
        }
        match payload.chunk(at) {
            Some(bytes) if !has_empty_line(bytes) => at += STEP,
            _ => return true,
        }
    }
    false
}

/// The beginning of the line that `at` is in, folded lines counting as one. Zero: it is the first one, or too long, or
/// one that begins among the first eight bytes.
#[inline(always)]
pub fn start_of_line(payload: Bytes<'_>, at: u32, limit: u32) -> u32 {
    let mask = limit as usize - 1;
    let mut at = at as usize;
    let mut turns = 0;
    while turns < LINE_MAX / 8 {
        if at < 8 {
            return 0;
        }
        let Some(before) = payload.chunk(opaque(at - 8) & mask) else { return 0 };
        let feeds = feeds(u64::from_le_bytes(*before));
        // Behind the last line feed of the eight bytes; without one, where they begin.
        let start = opaque(at - (feeds.leading_zeros() / 8) as usize) & mask;
        if feeds == 0 {
            at = start;
        } else if matches!(payload.byte(start), Some(b' ' | b'\t')) {
            at = start - 1;
        } else {
            return start as u32;
        }
        turns += 1;
    }
    0
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    const LIMIT: u32 = 4096;

    /// Texts with many lines, some empty, some folded.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => select(vec!["\r\n", "\n", "\r", "\r\n ", "\n\t", "\r\n\r\n", "\n\n", "\0", "\x0b"]).prop_map(str::to_owned),
            4 => "[a-z]{0,90}",
        ];
        vec(piece, 0..20).prop_map(|pieces| pieces.concat().into_bytes())
    }

    /// Where empty lines begin, and where they end.
    fn empty_lines(text: &[u8]) -> impl Iterator<Item = (usize, usize)> {
        let ends = |at: usize| {
            let rest = &text[at..];
            [&b"\n\n"[..], b"\n\r\n"].into_iter().find(|empty| rest.starts_with(empty)).map(<[u8]>::len)
        };
        (0..text.len()).filter_map(move |at| ends(at).map(|length| (at, at + length)))
    }

    /// Lines of one byte are taken for empty ones.
    fn has_short_line(text: &[u8]) -> bool {
        text.windows(3).any(|bytes| bytes[0] == b'\n' && bytes[2] == b'\n')
    }

    proptest! {
        #[test]
        fn there_is_no_empty_line_before_where_one_may_be(text in text(), most in 0..2000_u32) {
            let most = most.min(text.len() as u32);
            let clear = without_empty_line(Bytes::of(&text), most, LIMIT) as usize;
            prop_assert!(clear <= most as usize);
            prop_assert!(empty_lines(&text).all(|(at, _)| at >= clear));
            // And not without a reason: something of the kind follows, or the end.
            let reach = (clear + WINDOW).min(text.len());
            let reason = empty_lines(&text).any(|(at, _)| at < reach)
                || has_short_line(&text[clear..reach])
                || clear + WINDOW > text.len();
            prop_assert!(clear == most as usize || reason, "{clear} of {most}");
        }

        #[test]
        fn what_goes_on_behind_an_empty_line_is_never_missed(text in text()) {
            let goes_on = goes_on_behind_empty_line(Bytes::of(&text), text.len() as u32, LIMIT);
            let there = empty_lines(&text).any(|(_, end)| end < text.len());
            prop_assert!(goes_on || !there);
            prop_assert!(there || !goes_on || text.len() <= WINDOW || has_short_line(&text));
        }

        #[test]
        fn a_line_begins_behind_a_feed_that_folds_nothing(text in text(), at in 0..2000_usize) {
            let at = at.min(text.len().saturating_sub(1));
            let starts = |start: usize| {
                text[start - 1] == b'\n' && !matches!(text[start], b' ' | b'\t')
            };
            let expected = (1..at + 1).rev().find(|start| starts(*start)).unwrap_or(0);
            let start = start_of_line(Bytes::of(&text), at as u32, LIMIT) as usize;
            // Each fold costs a turn.
            let too_far = expected < 8 || at - expected >= LINE_MAX as usize / 2;
            prop_assert!(start == expected || start == 0 && too_far, "{start}, {expected} of {at}");
        }
    }
}
