//! A TOML document that knows where everything in it stands.
//!
//! The configuration is read by hand rather than derived: an error can then name the line and the full key,
//! and what was not asked for is unknown.

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::error::{ConfigError, FileError};
use sipward_types::time::{format_duration, parse_duration};

type Result<T> = std::result::Result<T, ConfigError>;

#[derive(Clone, Copy)]
struct Source<'a> {
    text: &'a str,
    origin: &'a str,
}

impl Source<'_> {
    fn fail(self, at: usize, key: Option<String>, problem: impl Into<String>) -> ConfigError {
        let before = self.text.as_bytes().iter().take(at);
        ConfigError::File(FileError {
            origin: self.origin.to_owned(),
            line: Some(1 + before.filter(|byte| **byte == b'\n').count()),
            key,
            problem: problem.into(),
        })
    }
}

/// One table of the document. Keys are taken out of it; [`Section::finish`] refuses what is left.
pub(super) struct Section<'a> {
    source: Source<'a>,
    path: String,
    at: usize,
    left: DeTable<'a>,
    /// The keys that were asked for, and where they stand if they are there.
    known: BTreeMap<&'static str, Option<usize>>,
    /// The keys of the table around this one.
    above: Vec<&'static str>,
}

impl<'a> Section<'a> {
    pub(super) fn root(text: &'a str, origin: &'a str) -> Result<Self> {
        let source = Source { text, origin };
        match DeTable::parse(text) {
            Ok(table) => Ok(Self::new(source, String::new(), 0, table.into_inner())),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                let message = error.message().lines().collect::<Vec<_>>().join(", ");
                Err(source.fail(at, None, format!("this is not TOML: {message}")))
            }
        }
    }

    fn new(source: Source<'a>, path: String, at: usize, left: DeTable<'a>) -> Self {
        Self { source, path, at, left, known: BTreeMap::new(), above: Vec::new() }
    }

    /// The value of `key`, if it is there.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value<'a>> {
        let found = self.left.remove_entry(key);
        let at = found.as_ref().map(|(name, _)| name.span().start);
        self.known.insert(key, at);
        found.map(|(_, value)| Value::new(self.source, join(&self.path, key), value))
    }

    /// The value of `key` as `read` understands it, or `default`.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(Value<'a>) -> Result<T>,
    ) -> Result<T> {
        self.take(key).map_or(Ok(default), read)
    }

    /// The table `key`; an empty one if it is not there.
    pub(super) fn section(&mut self, key: &'static str) -> Result<Self> {
        let section = match self.take(key) {
            Some(value) => value.section()?,
            None => Self::new(self.source, join(&self.path, key), self.at, DeTable::new()),
        };
        Ok(Self { above: self.known.keys().copied().collect(), ..section })
    }

    /// An error about `key`, or about the whole table where it has no such key.
    pub(super) fn fail(&self, key: &'static str, problem: impl Into<String>) -> ConfigError {
        let at = self.known.get(key).copied().flatten().unwrap_or(self.at);
        self.source.fail(at, Some(join(&self.path, key)), problem)
    }

    /// True if the file says anything about `key`.
    pub(super) fn says(&self, key: &'static str) -> bool {
        self.known.get(key).is_some_and(Option::is_some)
    }

    pub(super) fn finish(self) -> Result<()> {
        let first = self.left.keys().min_by_key(|name| name.span().start);
        let Some(name) = first else { return Ok(()) };
        let known: Vec<&str> = self.known.keys().copied().collect();
        let advice = if self.above.contains(&name.get_ref().as_ref()) {
            // In TOML everything behind a [table] is in it.
            "it belongs to the top of the file, before the first [table]".to_owned()
        } else {
            advice(name.get_ref(), &known)
        };
        let problem = format!("there is no such key; {advice}");
        Err(self.source.fail(name.span().start, Some(join(&self.path, name.get_ref())), problem))
    }
}

/// One value, and how it is called.
pub(super) struct Value<'a> {
    source: Source<'a>,
    path: String,
    at: usize,
    value: DeValue<'a>,
}

impl<'a> Value<'a> {
    fn new(source: Source<'a>, path: String, value: Spanned<DeValue<'a>>) -> Self {
        Self { source, path, at: value.span().start, value: value.into_inner() }
    }

    pub(super) fn fail(&self, problem: impl Into<String>) -> ConfigError {
        self.source.fail(self.at, Some(self.path.clone()), problem)
    }

    fn expected(&self, what: &str) -> ConfigError {
        self.fail(format!("this is {}; write {what}", article(self.value.type_str())))
    }

    pub(super) fn text(&self, what: &str) -> Result<&str> {
        self.value.as_str().ok_or_else(|| self.expected(what))
    }

    /// The text, if it is one.
    pub(super) fn as_text(&self) -> Option<&str> {
        self.value.as_str()
    }

    pub(super) fn flag(&self) -> Result<bool> {
        self.value.as_bool().ok_or_else(|| self.expected("true or false"))
    }

    /// A whole number within `range`.
    pub(super) fn number(&self, range: RangeInclusive<u32>) -> Result<u32> {
        let what = format!("a whole number from {} to {}", range.start(), range.end());
        let integer = self.value.as_integer().ok_or_else(|| self.expected(&what))?;
        let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok();
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| self.fail(format!("{integer} is out of range; write {what}")))
    }

    /// A length of time within `range`.
    pub(super) fn length(&self, range: &RangeInclusive<Duration>) -> Result<Duration> {
        let text = self.text("a time, such as \"10m\"")?;
        let length = parse_duration(text).map_err(|error| self.fail(error.to_string()))?;
        if range.contains(&length) { Ok(length) } else { Err(self.out_of_range(text, range, "")) }
    }

    pub(super) fn out_of_range(&self, text: &str, range: &RangeInclusive<Duration>, or: &str) -> ConfigError {
        let (least, most) = (format_duration(*range.start()), format_duration(*range.end()));
        self.fail(format!("{text} is out of range; write {least} to {most}{or}"))
    }

    pub(super) fn is_zero(&self) -> bool {
        self.value.as_integer().is_some_and(|integer| integer.as_str() == "0")
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let text = self.text(&quoted(&words))?;
        let found = choices.iter().find(|(word, _)| *word == text);
        found
            .map(|(_, value)| *value)
            .ok_or_else(|| self.fail(format!("\"{text}\" is not known here; write {}", quoted(&words))))
    }

    /// The items of a list.
    pub(super) fn list(self, what: &str) -> Result<Vec<Self>> {
        if self.value.as_array().is_none() {
            return Err(self.expected(what));
        }
        Ok(self.items())
    }

    /// The items of a list, or the value itself.
    pub(super) fn items(self) -> Vec<Self> {
        match self.value {
            DeValue::Array(items) => {
                items.into_iter().map(|item| Self::new(self.source, self.path.clone(), item)).collect()
            }
            _ => vec![self],
        }
    }

    pub(super) fn section(self) -> Result<Section<'a>> {
        match self.value {
            DeValue::Table(table) => Ok(Section::new(self.source, self.path, self.at, table)),
            _ => Err(self.expected("a table")),
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {noun}", if vowel { "an" } else { "a" })
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ")
}

/// The nearest of the keys that exist, or all of them.
fn advice(name: &str, known: &[&str]) -> String {
    let nearest = known.iter().min_by_key(|key| strsim::osa_distance(name, key));
    match nearest {
        Some(key) if strsim::osa_distance(name, key) <= 1 + key.len() / 4 => format!("did you mean {key}?"),
        _ => format!("here are: {}", known.join(", ")),
    }
}
