//! One tree for each way of matching, over a value as [`reference`](super::reference) normalises it: trimmed,
//! with single spaces.

use regex_syntax::{
    ParserBuilder,
    hir::{Class, ClassBytes, ClassBytesRange, Hir, HirKind, Look, LookSet},
};

use super::{Matching, Place, byte_set::is_blank};

/// The tree, or what is wrong with the pattern.
pub(super) fn tree(matching: &Matching, places: &[Place]) -> Result<Hir, String> {
    let tree = match matching {
        Matching::Contains(text) => literal(text)?,
        Matching::Starts(text) => Hir::concat(vec![Hir::look(Look::Start), literal(text)?]),
        Matching::Equals(text) => {
            Hir::concat(vec![Hir::look(Look::Start), literal(text)?, Hir::look(Look::End)])
        }
        Matching::Regex(text) => regex(text)?,
    };
    let looks = tree.properties().look_set();
    if let Some(place) = places.iter().find(|place| matches!(place, Place::Message | Place::Body))
        && looks.contains(Look::End)
    {
        return Err(format!(
            "the end of `{place}` cannot be seen in one packet; use `contains` or `starts`, and no `$`"
        ));
    }
    Ok(tree)
}

/// Runs of blanks as one space; letters in both cases.
fn literal(text: &str) -> Result<Hir, String> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    if words.is_empty() {
        return Err("the text is empty and would match everything; write what to look for".into());
    }
    if text.starts_with(|first: char| first.is_ascii_whitespace())
        || text.ends_with(|last: char| last.is_ascii_whitespace())
    {
        return Err("blanks around a value do not belong to it; remove those at the text's ends".into());
    }
    Ok(Hir::concat(words.join(" ").bytes().map(any_case).collect()))
}

fn any_case(byte: u8) -> Hir {
    let cases = [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()];
    Hir::class(Class::Bytes(ClassBytes::new(cases.map(|case| ClassBytesRange::new(case, case)))))
}

fn regex(text: &str) -> Result<Hir, String> {
    let tree = ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .case_insensitive(true)
        .build()
        .parse(text)
        .map_err(|error| explain(&error))?;
    let simple = LookSet::singleton(Look::Start).insert(Look::End);
    if !tree.properties().look_set().subtract(simple).is_empty() {
        return Err("of the assertions only `^` and `$` are known; write out what stands there".into());
    }
    if tree.properties().minimum_len().is_none_or(|length| length == 0) {
        return Err("it matches an empty text, and so everything, or nothing at all; write what must be \
                    there"
            .into());
    }
    check(&tree)?;
    Ok(tree)
}

/// Refuses a pattern that parses but would not do what it says.
fn check(tree: &Hir) -> Result<(), String> {
    match tree.kind() {
        HirKind::Literal(literal) if literal.0.iter().any(|byte| *byte != b' ' && is_blank(*byte)) => {
            Err("every run of blanks is read as one space; write a space".into())
        }
        HirKind::Class(Class::Unicode(class)) if !class.is_ascii() => {
            Err("a class has bytes, not characters; write those outside of ASCII as `\\xNN`".into())
        }
        HirKind::Capture(capture) => check(&capture.sub),
        HirKind::Repetition(repetition) => check(&repetition.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().try_for_each(check),
        _ => Ok(()),
    }
}

/// The parser's reason without its drawing of the pattern.
fn explain(error: &regex_syntax::Error) -> String {
    let reason = match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        other => other.to_string(),
    };
    format!(
        "not a simple regular expression: {reason}; use literals, classes, `.`, `|`, `(…)`, `?`, `*`, `+`, \
         `{{m,n}}`, `^` and `$`"
    )
}
