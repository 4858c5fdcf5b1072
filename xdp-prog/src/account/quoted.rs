//! Text within quotes, read several bytes at a time.

use super::PARAMETER_STEP;
use crate::bytes::{Bytes, opaque};

/// Bytes that are looked at together.
pub(super) const TEXT: usize = 8;

/// The next bytes of a quoted string, if all of them are text: neither its end nor an escape.
#[inline(always)]
pub(super) fn quoted_text(payload: Bytes<'_>, at: usize, most: u32) -> Option<&[u8; TEXT]> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    if opaque(at) + TEXT > most as usize {
        return None;
    }
    let text = payload.chunk::<TEXT>(at)?;
    let word = u64::from_le_bytes(*text);
    let (quotes, escapes) = (word ^ (ONES * b'"' as u64), word ^ (ONES * b'\\' as u64));
    let found = (quotes.wrapping_sub(ONES) & !quotes) | (escapes.wrapping_sub(ONES) & !escapes);
    (found & (ONES << 7) == 0).then_some(text)
}

/// The number of bytes of text that are next in a quoted string, at least.
#[inline(always)]
pub(super) fn skip_quoted(payload: Bytes<'_>, most: u32) -> usize {
    let mut at = 0;
    while at + TEXT <= PARAMETER_STEP && quoted_text(payload, at, most).is_some() {
        at += TEXT;
    }
    at
}
