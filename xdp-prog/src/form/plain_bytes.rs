//! The one pass over the bytes of a message that shows that they are all plain.

use crate::bytes::{Bytes, opaque};

/// Bytes of a message that are looked at, as everywhere.
pub(super) const SCAN_MAX: usize = crate::matcher::SCAN_MAX as usize;

pub(super) const LOW: u64 = u64::from_ne_bytes([0x7f; 8]);
pub(super) const HIGH: u64 = !LOW;
const RETURNS: u64 = u64::from_ne_bytes([b'\r'; 8]);
pub(super) const FEEDS: u64 = u64::from_ne_bytes([b'\n'; 8]);

/// Bytes of a step, which looks at one more.
const STEP: usize = 64;
pub(super) const WINDOW: usize = STEP + 1;

/// True: all of the first `length` bytes are ASCII, each CR has its LF and each LF its CR, and there is no NUL. That
/// holds for nearly all messages, and costs less than [`has_plain_bytes`]. The byte behind the last one is not known; a
/// text that is shorter than a step counts as unusual.
#[inline(always)]
pub fn has_usual_bytes(payload: Bytes<'_>, length: u32) -> bool {
    look(payload, length, |here, next| {
        // The sums have a top bit where the byte is another one; without bytes above 0x7f they carry nothing over.
        let no_return = (here ^ RETURNS).wrapping_add(LOW);
        let no_feed = (next ^ FEEDS).wrapping_add(LOW);
        (no_return ^ no_feed) | here | next | !here.wrapping_add(LOW)
    })
}

/// True: none of the first `length` bytes is a NUL, nor a CR without its LF. The byte behind the last one is not known;
/// a text that is shorter than a step counts as one that has some.
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
pub(super) fn look(payload: Bytes<'_>, length: u32, strange: impl Fn(u64, u64) -> u64) -> bool {
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
pub(super) fn word(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
