//! The text format: `[[signature]]` tables, with the line and the key in each error.

use std::{collections::HashSet, ops::Range};

use serde::Deserialize;
use toml::Spanned;

use super::{Judge, Matching, Place, Risk, Signature, SignatureError, header, nfa::Nfa, pattern, prefilter};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    signature: Vec<Spanned<Table>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: Spanned<String>,
    r#in: Spanned<OneOrMany>,
    contains: Option<Spanned<String>>,
    equals: Option<Spanned<String>>,
    starts: Option<Spanned<String>>,
    regex: Option<Spanned<String>>,
    #[serde(default = "yes")]
    on: bool,
    #[serde(default)]
    judge: Judge,
    #[serde(default)]
    risk: Risk,
    #[serde(default)]
    note: String,
}

/// Of a signature and of a header.
const NAME_MAX: usize = 64;

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

pub(super) fn parse(text: &str, origin: &str) -> Result<Vec<Signature>, SignatureError> {
    let file: File = toml::from_str(text).map_err(|error| SignatureError::Text {
        origin: origin.to_owned(),
        line: line(text, error.span().unwrap_or_default().start),
        key: None,
        what: error.message().to_owned(),
    })?;
    let mut names = HashSet::new();
    let signatures = file.signature.into_iter().map(|table| {
        let at = table.as_ref().name.span();
        let signature = signature(table)?;
        if !names.insert(signature.name.clone()) {
            let what = format!("`{}` is taken by a signature above; choose another", signature.name);
            return Err(Wrong::new(at, "name", what));
        }
        Ok(signature)
    });
    signatures.collect::<Result<_, Wrong>>().map_err(|wrong| SignatureError::Text {
        origin: origin.to_owned(),
        line: line(text, wrong.at.start),
        key: Some(wrong.key),
        what: wrong.what,
    })
}

fn line(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// A key whose value is refused.
struct Wrong {
    at: Range<usize>,
    key: &'static str,
    what: String,
}

impl Wrong {
    fn new(at: Range<usize>, key: &'static str, what: impl Into<String>) -> Self {
        Self { at, key, what: what.into() }
    }
}

fn signature(table: Spanned<Table>) -> Result<Signature, Wrong> {
    let whole = table.span();
    let table = table.into_inner();
    let name = name(table.name)?;
    let places = places(table.r#in)?;
    let ways = [
        ("contains", table.contains, Matching::Contains as fn(String) -> Matching),
        ("equals", table.equals, Matching::Equals),
        ("starts", table.starts, Matching::Starts),
        ("regex", table.regex, Matching::Regex),
    ];
    let mut ways = ways.into_iter().filter_map(|(key, text, way)| text.map(|text| (key, text, way)));
    let Some((key, text, way)) = ways.next() else {
        let what = "what to look for is missing; add one of `contains`, `equals`, `starts`, `regex`";
        return Err(Wrong::new(whole, "signature", what));
    };
    if let Some((second, text, _)) = ways.next() {
        let what = format!("there is `{key}` already; keep one of the two, or make two signatures");
        return Err(Wrong::new(text.span(), second, what));
    }
    let at = text.span();
    let matching = way(text.into_inner());
    let signature = Signature {
        name,
        places,
        matching,
        on: table.on,
        judge: table.judge,
        risk: table.risk,
        note: table.note,
    };
    check(&signature).map_err(|what| Wrong::new(at, key, what))?;
    Ok(signature)
}

fn name(name: Spanned<String>) -> Result<String, Wrong> {
    let at = name.span();
    let name = name.into_inner();
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(good) {
        let what = format!("`{name}`: use 1 to {NAME_MAX} lower-case letters, digits and dashes");
        return Err(Wrong::new(at, "name", what));
    }
    Ok(name)
}

fn places(places: Spanned<OneOrMany>) -> Result<Vec<Place>, Wrong> {
    let at = places.span();
    let names = match places.into_inner() {
        OneOrMany::One(name) => vec![name],
        OneOrMany::Many(names) => names,
    };
    let mut places = vec![];
    for name in names {
        let place = match name.as_str() {
            "start-line" => Place::StartLine,
            "message" => Place::Message,
            "body" => Place::Body,
            header if header.len() <= NAME_MAX && header::is_token(header) => {
                Place::Header(header::canonical(header).to_owned())
            }
            other => {
                let what = format!("`{other}`: use start-line, message, body, or the name of a header");
                return Err(Wrong::new(at, "in", what));
            }
        };
        if !places.contains(&place) {
            places.push(place);
        }
    }
    if places.is_empty() {
        return Err(Wrong::new(at, "in", "the list is empty; name a header, start-line, message or body"));
    }
    Ok(places)
}

/// True if the pattern can be compiled where it is judged.
fn check(signature: &Signature) -> Result<(), String> {
    let tree = pattern::tree(&signature.matching, &signature.places)?;
    Nfa::default().add(&tree, 0).map_err(|too_large| too_large.to_string())?;
    match signature.judge {
        Judge::Kernel => prefilter::check(&tree, &signature.places),
        Judge::Daemon => Ok(()),
    }
}
