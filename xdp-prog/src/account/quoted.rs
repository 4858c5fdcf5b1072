//! Text within quotes, read several bytes at a time.

use super::PARAMETER_STEP;
use crate::bytes::{Bytes, opaque};

/// Bytes that are looked at together.
const TEXT: usize = 8;

/// True if the next bytes of a quoted string are text: neither its end nor an escape.
#[inline(always)]
fn is_text(payload: Bytes<'_>, at: usize, most: u32) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    if opaque(at) + TEXT > most as usize {
        return false;
    }
    let Some(text) = payload.chunk::<TEXT>(at) else { return false };
    let word = u64::from_le_bytes(*text);
    let (quotes, escapes) = (word ^ (ONES * b'"' as u64), word ^ (ONES * b'\\' as u64));
    let found = (quotes.wrapping_sub(ONES) & !quotes) | (escapes.wrapping_sub(ONES) & !escapes);
    found & (ONES << 7) == 0
}

/// The number of bytes of text that are next in a quoted string, at least: a multiple of eight. Not a part of
/// [`parameter`](super::parameter()), because the verifier goes every way through each byte there.
#[inline(always)]
pub fn skip_quoted(payload: Bytes<'_>, most: u32) -> u32 {
    let mut at = 0;
    while at + TEXT <= PARAMETER_STEP && is_text(payload, at, most) {
        at += TEXT;
    }
    at as u32
}
