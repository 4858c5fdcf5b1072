//! Where in a message a byte stands: start line, header names and values with their folded lines, body.
//!
//! [`reference`](super::reference) says the same once more in plain code; tests hold one against the other.

use std::collections::BTreeMap;

use super::{byte_set::is_blank, header};

/// The state after the bytes so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Position {
    /// Blanks and control bytes before the start line.
    Before,
    /// In the start line or in a header's value.
    Value(Number),
    /// After a line's end; a blank here folds the line.
    Break(Number),
    /// After a carriage return at the start of a line.
    Return,
    /// In a header's name.
    Name(NameNode),
    /// In the blanks between a header's name and its colon.
    AfterName(NameNode),
    /// The same in the next line, of a header with credentials: PJSIP takes it.
    FoldedName(NameNode),
    /// The byte that ended the headers was the last.
    BodyStart,
    Body,
}

/// The part that a value has in Content-Length, and whether credentials begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Number {
    /// Another header's value, or read already.
    No,
    /// Only blanks so far.
    Awaited,
    /// The last byte was a digit.
    Digit,
    /// Of another kind: the last byte was the colon behind the name of a header with credentials.
    Credentials,
}

/// The meaning of a byte beyond the next position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Another byte of the value or the body, or of nothing that patterns look at.
    More,
    /// First byte of the start line.
    StartLine,
    /// The value before is over, and this byte is not part of it.
    ValueOver,
    /// The same, and the body follows.
    HeadersOver,
    /// A value follows, of the header of that number if it is one that was asked for.
    Value(Option<usize>),
}

/// A node in the tree of header names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct NameNode(u32);

#[derive(Debug, Default)]
struct Branch {
    next: BTreeMap<u8, NameNode>,
    /// A name ends here.
    name: Option<Name>,
}

#[derive(Clone, Copy, Debug)]
struct Name {
    /// Number of the header as asked for.
    header: Option<usize>,
    /// Its value's beginning.
    number: Number,
}

/// The header names that matter.
#[derive(Debug)]
pub(super) struct Names(Vec<Branch>);

impl Names {
    /// `headers` are canonical names; Content-Length is always known, and so are those with credentials.
    pub(super) fn new<'a>(headers: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names = Self(vec![Branch::default()]);
        names.add(header::CONTENT_LENGTH, None);
        header::CREDENTIALS.into_iter().for_each(|name| names.add(name, None));
        for (number, header) in headers.into_iter().enumerate() {
            names.add(header, Some(number));
        }
        names
    }

    fn add(&mut self, name: &str, header: Option<usize>) {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let number = if is(header::CONTENT_LENGTH) {
            Number::Awaited
        } else if header::CREDENTIALS.into_iter().any(is) {
            Number::Credentials
        } else {
            Number::No
        };
        for spelling in header::spellings(name) {
            let mut node = NameNode(0);
            for byte in spelling.bytes() {
                node = self.grow(node, byte);
            }
            self.0[node.0 as usize].name = Some(Name { header, number });
        }
    }

    fn grow(&mut self, node: NameNode, byte: u8) -> NameNode {
        let fresh = NameNode(self.0.len() as u32);
        let next = *self.0[node.0 as usize].next.entry(byte).or_insert(fresh);
        if next == fresh {
            self.0.push(Branch::default());
        }
        next
    }

    /// Bytes that occur in names, in lower case.
    pub(super) fn bytes(&self) -> impl Iterator<Item = u8> {
        self.0.iter().flat_map(|branch| branch.next.keys().copied())
    }

    /// The position after `byte`, and what the byte meant.
    pub(super) fn step(&self, position: Position, byte: u8) -> (Position, Meaning) {
        match position {
            Position::Before if byte <= b' ' => (Position::Before, Meaning::More),
            Position::Before => (Position::Value(Number::No), Meaning::StartLine),
            Position::Value(number) => (in_value(number, byte), Meaning::More),
            Position::Break(number) => match byte {
                b' ' | b'\t' => (Position::Value(number), Meaning::More),
                b'\n' => (Position::BodyStart, Meaning::HeadersOver),
                b'\r' => (Position::Return, Meaning::ValueOver),
                _ => (self.in_name(NameNode(0), byte).0, Meaning::ValueOver),
            },
            Position::Return if byte == b'\n' => (Position::BodyStart, Meaning::HeadersOver),
            // A line that begins with a bare carriage return has no name.
            Position::Return => (Position::Value(Number::No), Meaning::More),
            Position::Name(node) => self.in_name(node, byte),
            Position::AfterName(node) => self.after_name(node, byte),
            Position::FoldedName(node) if is_blank(byte) && byte != b'\r' => self.after_name(node, byte),
            Position::FoldedName(_) => self.step(Position::Break(Number::No), byte),
            Position::BodyStart | Position::Body => (Position::Body, Meaning::More),
        }
    }

    fn in_name(&self, node: NameNode, byte: u8) -> (Position, Meaning) {
        if matches!(byte, b' ' | b'\t' | b':' | b'\r' | b'\n') {
            return self.after_name(node, byte);
        }
        match self.0[node.0 as usize].next.get(&byte.to_ascii_lowercase()) {
            Some(next) => (Position::Name(*next), Meaning::More),
            None => (Position::Value(Number::No), Meaning::More),
        }
    }

    fn after_name(&self, node: NameNode, byte: u8) -> (Position, Meaning) {
        match (byte, self.0[node.0 as usize].name) {
            (b' ' | b'\t', Some(_)) => (Position::AfterName(node), Meaning::More),
            (b'\r', Some(Name { number: Number::Credentials, .. })) => {
                (Position::AfterName(node), Meaning::More)
            }
            (b'\n', Some(Name { number: Number::Credentials, .. })) => {
                (Position::FoldedName(node), Meaning::More)
            }
            (b':', Some(name)) => (Position::Value(name.number), Meaning::Value(name.header)),
            (b'\n', _) => (Position::Break(Number::No), Meaning::More),
            _ => (Position::Value(Number::No), Meaning::More),
        }
    }
}

fn in_value(number: Number, byte: u8) -> Position {
    let number = match number {
        Number::Awaited if is_blank(byte) => Number::Awaited,
        Number::Awaited | Number::Digit if byte.is_ascii_digit() => Number::Digit,
        _ => Number::No,
    };
    if byte == b'\n' { Position::Break(number) } else { Position::Value(number) }
}
