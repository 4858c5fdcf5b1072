//! Lists as files, written by `export` and read by `import`.
//!
//! As text, one source a line, and what is known of it:
//!
//! ```text
//! # a comment
//! 192.0.2.1
//! 198.51.100.0/24  until 2026-11-20T18:00:00Z
//! 2001:db8::/32  until 2026-11-20T18:00:00Z  # a note
//! ```
//!
//! Or as JSON, with the lines of `list --json`. The first character distinguishes the two.

mod json;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;

use ipnet::IpNet;

pub use self::text::text_line;
use sipward_api::Imported;
use sipward_types::{address::parse, printable::printable};

/// Defaults for lines without a time or a note.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// Seconds since 1970; `None`: for ever.
    pub until: Option<u64>,
    pub note: Option<String>,
}

/// An error in a file, with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFileError {
    file: String,
    line: usize,
    what: String,
}

/// The content of a line.
struct Line {
    source: IpNet,
    /// Seconds since 1970; `Some(None)`: for ever, in so many words.
    until: Option<Option<u64>>,
    note: Option<String>,
}

/// In bytes. An entry must fit into a request, in which a character may be six times as long.
const LONGEST_NOTE: usize = 1 << 16;

/// All entries of a file, or what is wrong with it. `file` is what errors call it.
pub fn read(bytes: &[u8], file: &str, defaults: &Defaults) -> Result<Vec<Imported>, ListFileError> {
    // A comment may be of any encoding.
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}');
    let read = if text.trim_start().starts_with('{') { json::line } else { text::line };
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let fail = |what| ListFileError { file: file.to_owned(), line: index + 1, what };
        if let Some(line) = read(line).and_then(checked).map_err(fail)? {
            entries.push(line.with(defaults));
        }
    }
    Ok(entries)
}

fn checked(line: Option<Line>) -> Result<Option<Line>, String> {
    match line.as_ref().and_then(|line| line.note.as_ref()) {
        Some(note) if note.len() > LONGEST_NOTE => {
            Err(format!("the note is longer than {LONGEST_NOTE} bytes"))
        }
        _ => Ok(line),
    }
}

impl Line {
    fn with(self, defaults: &Defaults) -> Imported {
        Imported {
            source: self.source,
            until: self.until.unwrap_or(defaults.until),
            note: self.note.or_else(|| defaults.note.clone()),
        }
    }
}

fn source(text: &str) -> Result<IpNet, String> {
    parse(text).map_err(|problem| format!("{}: {problem}", quoted(text)))
}

/// A printable excerpt of input of any length.
fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let shown = &text[..text.floor_char_boundary(LONGEST)];
    format!("\"{}\"{}", printable(shown.as_bytes()), if shown.len() < text.len() { "…" } else { "" })
}

impl fmt::Display for ListFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

impl std::error::Error for ListFileError {}
