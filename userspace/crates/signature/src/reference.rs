//! The plain reading of a signature: for one message at a time, where speed does not matter. `signature test`
//! uses it, the daemon for the signatures it judges, and tests to hold the compiled tables against.

use regex_automata::meta::Regex;
use regex_syntax::hir::{Hir, HirKind, Look};

use super::{Matching, Place, Signature, SignatureError, byte_set::is_blank, header, pattern};

/// A signature, ready to be compared.
#[derive(Clone, Debug)]
pub struct Reference {
    places: Vec<Place>,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Contains(Vec<u8>),
    Equals(Vec<u8>),
    Starts(Vec<u8>),
    Regex {
        whole: Regex,
        /// For a value whose end has not arrived: `$` never holds.
        cut_off: Regex,
    },
}

impl Reference {
    pub fn new(signature: &Signature) -> Result<Self, SignatureError> {
        let refuse = |what| SignatureError::Signature { name: signature.name.clone(), what };
        let tree = pattern::tree(&signature.matching, &signature.places).map_err(refuse)?;
        let test = match &signature.matching {
            Matching::Contains(text) => Test::Contains(folded(text.as_bytes())),
            Matching::Equals(text) => Test::Equals(folded(text.as_bytes())),
            Matching::Starts(text) => Test::Starts(folded(text.as_bytes())),
            Matching::Regex(_) => Test::Regex {
                whole: search(&tree).map_err(refuse)?,
                cut_off: search(&without_end(&tree)).map_err(refuse)?,
            },
        };
        Ok(Self { places: signature.places.clone(), test })
    }

    /// True if `message`, a datagram or the start of one, carries the signature.
    pub fn matches(&self, message: &[u8]) -> bool {
        let start = message.iter().position(|byte| *byte > b' ').unwrap_or(message.len());
        let message = &message[start..];
        let (lines, body) = lines_and_body(message);
        self.places.iter().any(|place| match place {
            Place::Message => self.test.holds(message, false),
            Place::Body => body.is_some_and(|body| self.test.holds(body, false)),
            Place::StartLine => lines.first().is_some_and(|line| self.test.holds(line.text, line.whole)),
            Place::Header(name) => lines
                .iter()
                .skip(1)
                .any(|line| line.value_of(name).is_some_and(|value| self.test.holds(value, line.whole))),
        })
    }
}

impl Test {
    fn holds(&self, value: &[u8], whole: bool) -> bool {
        match self {
            Self::Contains(text) => folded(value).windows(text.len()).any(|part| part == text),
            Self::Equals(text) => whole && folded(value) == *text,
            Self::Starts(text) => folded(value).starts_with(text),
            Self::Regex { whole: regex, .. } if whole => regex.is_match(&trimmed(value)),
            Self::Regex { cut_off, .. } => cut_off.is_match(&trimmed(value)),
        }
    }
}

/// The start line or a header, folded lines included.
#[derive(Clone, Copy, Debug)]
struct Line<'a> {
    text: &'a [u8],
    /// The next bytes have been seen, so that no folded line can come.
    whole: bool,
}

impl<'a> Line<'a> {
    /// The value, if the line is a header of that name.
    fn value_of(&self, name: &str) -> Option<&'a [u8]> {
        let colon = self.text.iter().position(|byte| *byte == b':')?;
        let (own, value) = (&self.text[..colon], &self.text[colon + 1..]);
        let own = str::from_utf8(own).ok()?.trim_end_matches([' ', '\t']);
        header::canonical(own).eq_ignore_ascii_case(header::canonical(name)).then_some(value)
    }
}

/// The lines before the empty one, and what follows it.
fn lines_and_body(message: &[u8]) -> (Vec<Line<'_>>, Option<&[u8]>) {
    let mut lines = vec![];
    let mut rest = message;
    while !rest.is_empty() {
        if let Some(body) = rest.strip_prefix(b"\n").or_else(|| rest.strip_prefix(b"\r\n")) {
            return (lines, Some(body));
        }
        let end = line_end(rest);
        let (text, after) = rest.split_at(end);
        lines.push(Line { text, whole: text.ends_with(b"\n") && !after.is_empty() });
        rest = after;
    }
    (lines, None)
}

/// Behind the line feed that no blank follows.
fn line_end(text: &[u8]) -> usize {
    let ends = (1..=text.len()).filter(|end| text[end - 1] == b'\n');
    let folded = |end: usize| matches!(text.get(end), Some(b' ' | b'\t'));
    ends.into_iter().find(|end| !folded(*end)).unwrap_or(text.len())
}

/// Without the blanks at its ends, each run of others as one space.
fn trimmed(text: &[u8]) -> Vec<u8> {
    let words = text.split(|byte| is_blank(*byte)).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(&b' ')
}

/// The same in lower case.
fn folded(text: &[u8]) -> Vec<u8> {
    trimmed(text).to_ascii_lowercase()
}

fn search(tree: &Hir) -> Result<Regex, String> {
    Regex::builder().build_from_hir(tree).map_err(|error| error.to_string())
}

/// The pattern with a `$` that never holds.
fn without_end(tree: &Hir) -> Hir {
    match tree.kind() {
        HirKind::Look(Look::End) => Hir::fail(),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(without_end).collect()),
        HirKind::Alternation(branches) => Hir::alternation(branches.iter().map(without_end).collect()),
        HirKind::Capture(capture) => without_end(&capture.sub),
        HirKind::Repetition(repetition) => Hir::repetition(repetition.with(without_end(&repetition.sub))),
        _ => tree.clone(),
    }
}
