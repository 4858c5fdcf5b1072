//! Segments that are one whole message.

use super::SCAN_MAX;
use crate::{
    bytes::{Bytes, opaque},
    lines,
};

/// True: a segment that begins with a message ends with it too, as far as its last bytes tell. The headers end there
/// and not before, and the last one says that there is no body.
#[inline(always)]
pub fn is_whole_message(payload: Bytes<'_>, length: u32) -> bool {
    length <= SCAN_MAX
        && ends_without_body(payload, length)
        && !lines::goes_on_behind_empty_line(payload, length, SCAN_MAX)
}

/// True: the last bytes are `Content-Length: 0` and the empty line. A name that only ends like that one, or another
/// length before it, makes more be looked at and not less.
#[inline(always)]
fn ends_without_body(payload: Bytes<'_>, length: u32) -> bool {
    const LAST: usize = 16;
    let Some(at) = (length as usize).checked_sub(LAST) else { return false };
    let Some(last) = payload.chunk::<LAST>(opaque(at) & (SCAN_MAX as usize - 1)) else { return false };
    let last = folded(last);
    last == folded(b"nt-Length: 0\r\n\r\n") || last == folded(b"t-Length:  0\r\n\r\n")
}

/// As two words, with the name's letters in lower case. Other bytes of it change too, the same on both sides of a
/// comparison.
#[inline(always)]
fn folded(bytes: &[u8; 16]) -> [u64; 2] {
    let word = |at: usize| bytes[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    [word(0) | 0x2020_2020_2020_2020, word(8) | 0x20]
}
