//! Values of headers, cut at what separates their pieces and not at what only looks like it.

use super::lines::{position, trim};

/// The pieces between separators that are in no quoted string and, where `brackets`, in no `<…>`.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
    finder: Finder,
}

impl<'a> Pieces<'a> {
    pub const fn new(value: &'a [u8], separator: u8, brackets: bool) -> Self {
        Self { rest: Some(value), separator, finder: Finder { quotes: true, brackets } }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        match self.finder.find(rest, self.separator) {
            Some(at) => {
                self.rest = Some(&rest[at + 1..]);
                Some(trim(&rest[..at]))
            }
            None => {
                self.rest = None;
                Some(trim(rest))
            }
        }
    }
}

/// The first such byte outside of quoted strings.
pub fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    Finder { quotes: true, brackets: false }.find(bytes, wanted)
}

/// A quote or bracket that nothing closes is a byte like any other, and so are all behind it: what is false here once,
/// stays so. That keeps the time linear.
#[derive(Clone, Debug)]
struct Finder {
    quotes: bool,
    brackets: bool,
}

impl Finder {
    fn find(&mut self, bytes: &[u8], wanted: u8) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if byte == wanted {
                return Some(at);
            }
            let closed = match byte {
                b'"' if self.quotes => {
                    let end = closing_quote(&bytes[at + 1..]);
                    self.quotes = end.is_some();
                    end
                }
                b'<' if self.brackets => {
                    let end = position(&bytes[at + 1..], b'>');
                    self.brackets = end.is_some();
                    end
                }
                _ => None,
            };
            at += closed.map_or(1, |end| end + 2);
        }
        None
    }
}

/// Of a quoted string that began before these bytes.
pub fn closing_quote(bytes: &[u8]) -> Option<usize> {
    let mut escaped = false;
    bytes.iter().position(|&byte| match byte {
        _ if escaped => {
            escaped = false;
            false
        }
        b'\\' => {
            escaped = true;
            false
        }
        _ => byte == b'"',
    })
}

/// Without its quotes. Escapes stay as they are.
pub(super) fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', rest @ ..] => &rest[..closing_quote(rest).unwrap_or(rest.len())],
        _ => value,
    }
}

/// `name=value` or `name`.
pub fn parameter(piece: &[u8]) -> (&[u8], Option<&[u8]>) {
    match position(piece, b'=') {
        Some(at) => (trim(&piece[..at]), Some(unquoted(trim(&piece[at + 1..])))),
        None => (trim(piece), None),
    }
}

/// Digits; more than fit are the largest number.
pub fn number(value: &[u8]) -> Option<u32> {
    let digits = |byte: &u8| byte.is_ascii_digit();
    if value.is_empty() || !value.iter().all(digits) {
        return None;
    }
    let add = |sum: u32, digit: &u8| sum.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
    Some(value.iter().fold(0, add))
}
