//! The words of a line: between blanks, or between quotes.

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// Without its quotes.
    pub(super) text: String,
    pub(super) quoted: bool,
}

impl Word {
    /// `{MD5}…`, and no password in quotes.
    pub(super) fn is_ha1(&self) -> bool {
        !self.quoted && self.text.starts_with('{')
    }
}

/// A realm may have blanks, so its value may stand in quotes as well as the whole word.
const REALM: &str = "realm=";

/// A word that begins with # begins a comment.
pub(super) fn words(line: &str) -> Result<Vec<Word>, &'static str> {
    let (mut words, mut rest) = (Vec::new(), line.trim_start());
    while !rest.is_empty() && !rest.starts_with('#') {
        let before = if rest.starts_with("realm=\"") { REALM } else { "" };
        let (word, behind) = match rest[before.len()..].strip_prefix('"') {
            Some(inside) => quoted(before, inside)?,
            None => plain(rest),
        };
        if behind.starts_with(|c: char| !c.is_whitespace()) {
            return Err(
                "behind the quote that ends a word comes a blank. Write \\\" for a quote inside of it",
            );
        }
        words.push(word);
        rest = behind.trim_start();
    }
    Ok(words)
}

fn plain(rest: &str) -> (Word, &str) {
    let (text, behind) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
    (Word { text: text.to_owned(), quoted: false }, behind)
}

/// `inside`: behind the first quote. A backslash takes its meaning from a quote or a backslash.
fn quoted<'a>(before: &str, inside: &'a str) -> Result<(Word, &'a str), &'static str> {
    let (mut text, mut chars) = (before.to_owned(), inside.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok((Word { text, quoted: true }, chars.as_str())),
            '\\' => match chars.next() {
                Some(c @ ('"' | '\\')) => text.push(c),
                _ => {
                    return Err(
                        "in quotes, a backslash stands before a quote or another backslash: write \\\\",
                    );
                }
            },
            c => text.push(c),
        }
    }
    Err(
        "a quote begins a word and none ends it: close it, or write the word in quotes and \\\" for the quote",
    )
}
