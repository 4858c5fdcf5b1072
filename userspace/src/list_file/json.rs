//! A line of JSON: an object of `list --json`.

use std::borrow::Cow;

use serde::{Deserialize, de::IgnoredAny};

use super::{Line, source};
use sipward_api::item::null_or_absent;

/// Unknown fields are mistakes; those that are known and not used are of the list that it was exported from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Object<'a> {
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(default, deserialize_with = "null_or_absent")]
    until: Option<Option<u64>>,
    note: Option<String>,
    #[serde(rename = "expires_in")]
    _expires_in: Option<IgnoredAny>,
    #[serde(rename = "since")]
    _since: Option<IgnoredAny>,
    #[serde(rename = "origin")]
    _origin: Option<IgnoredAny>,
    #[serde(rename = "shadowed_for")]
    _shadowed_for: Option<IgnoredAny>,
    #[serde(rename = "evidence")]
    _evidence: Option<IgnoredAny>,
}

/// `None`: there is nothing.
pub(super) fn line(line: &str) -> Result<Option<Line>, String> {
    if line.trim().is_empty() {
        return Ok(None);
    }
    let Object { source: text, until, note, .. } =
        serde_json::from_str(line).map_err(|error| problem(&error))?;
    Ok(Some(Line { source: source(&text)?, until, note }))
}

/// Without the line that it counts itself: there is only one.
fn problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    format!("column {}: {what}", error.column())
}
