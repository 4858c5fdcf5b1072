//! A line of text: `SOURCE [until TIME] [# NOTE]`.

use super::{Line, quoted, source};
use sipward_api::item::Listed;
use sipward_types::{
    printable::is_hidden,
    time::{format_utc, parse_utc},
};

const UNTIL: &str = "until";

/// `None`: a comment, or nothing.
pub(super) fn line(line: &str) -> Result<Option<Line>, String> {
    let (said, note) = match line.split_once('#') {
        Some((said, note)) => (said, Some(note.trim())),
        None => (line, None),
    };
    let mut words = said.split_whitespace();
    let Some(first) = words.next() else { return Ok(None) };
    let source = source(first)?;
    let until = match (words.next(), words.next(), words.next()) {
        (None, ..) => None,
        (Some(UNTIL), Some(time), None) => Some(Some(parse_utc(time).ok_or_else(|| {
            format!("{}: it is no time: write for example 2026-11-20T18:00:00Z", quoted(time))
        })?)),
        _ => {
            return Err(format!(
                "{}: after the address or prefix comes nothing, a time such as `until 2026-11-20T18:00:00Z`, or `# \
                 a note`",
                quoted(said.trim())
            ));
        }
    };
    Ok(Some(Line { source, until, note: note.filter(|note| !note.is_empty()).map(str::to_owned) }))
}

/// As a line, its end not included. A note that is several lines becomes one.
pub fn text_line(listed: &Listed) -> String {
    let mut line = listed.source.clone();
    if let Some(until) = listed.until {
        line += &format!("  {UNTIL} {}", format_utc(until));
    }
    if let Some(note) = &listed.note {
        let note: String = note.chars().map(|c| if is_hidden(c) { ' ' } else { c }).collect();
        if !note.trim().is_empty() {
            line += &format!("  # {}", note.trim());
        }
    }
    line
}
