//! Parses a line of a client into a call, or into a refusal that names the error.

use serde::{Deserialize, de::IgnoredAny};

use crate::refusal::Refusal;
use sipward_api::{Call, Request, VERSION};

/// In bytes, its end not counted. An import comes in parts that fit.
pub(super) const LONGEST: usize = 4 << 20;

const EXPECTED: &str = r#"expected is one JSON object on a line, such as {"version":1,"call":"status"}"#;

pub(super) fn parse(line: &[u8]) -> Result<Call, Refusal> {
    #[derive(Deserialize)]
    struct Head {
        version: u32,
    }
    let not_one = |problem: &str| Refusal::wrong(format!("this is not a request: {problem}; {EXPECTED}"));
    if !line.trim_ascii_start().starts_with(b"{") {
        return Err(not_one("it does not begin with {"));
    }
    // By itself first: of another version, nothing else may be understood.
    let Head { version } = serde_json::from_slice(line).map_err(|error| not_one(&brief(&error)))?;
    if version != VERSION {
        return Err(Refusal::wrong(format!(
            "the request is of version {version} of the protocol, and this daemon speaks version {VERSION}: use a \
             sipward of the same release, or restart the daemon if it was upgraded"
        )));
    }
    let unknown = |error| Refusal::wrong(format!("this call is not understood: {}", brief(&error)));
    let Request { call, .. } = serde_json::from_slice(line).map_err(unknown)?;
    if is_bare(&call) {
        serde_json::from_slice::<Bare>(line).map_err(unknown)?;
    }
    Ok(call)
}

/// A field that a daemon does not know might be one that matters, so it is not passed over. Serde sees to that, but
/// for calls without any field.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "there to be known")]
struct Bare {
    version: IgnoredAny,
    call: IgnoredAny,
}

const fn is_bare(call: &Call) -> bool {
    matches!(
        call,
        Call::Confirm | Call::Reload | Call::Attach | Call::Status | Call::Rules | Call::Top | Call::InForce
    )
}

/// An error may quote what it was given, however long that is.
fn brief(error: &serde_json::Error) -> String {
    const FIRST: usize = 200;
    const LAST: usize = 600;
    let text = error.to_string();
    if text.len() <= FIRST + LAST {
        return text;
    }
    let (first, last) = (text.floor_char_boundary(FIRST), text.ceil_char_boundary(text.len() - LAST));
    format!("{} … {}", &text[..first], &text[last..])
}
