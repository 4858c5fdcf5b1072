//! Header names: any case, and a compact form for some.

/// From the IANA registry "SIP Parameters", section "Header Fields".
const COMPACT: [(&str, &str); 19] = [
    ("Accept-Contact", "a"),
    ("Allow-Events", "u"),
    ("Call-ID", "i"),
    ("Contact", "m"),
    ("Content-Encoding", "e"),
    ("Content-Length", "l"),
    ("Content-Type", "c"),
    ("Event", "o"),
    ("From", "f"),
    ("Identity", "y"),
    ("Refer-To", "r"),
    ("Referred-By", "b"),
    ("Reject-Contact", "j"),
    ("Request-Disposition", "d"),
    ("Session-Expires", "x"),
    ("Subject", "s"),
    ("Supported", "k"),
    ("To", "t"),
    ("Via", "v"),
];

/// The header whose digits frame the messages of a stream.
pub(super) const CONTENT_LENGTH: &str = "Content-Length";

/// The headers that a PBX checks a password by.
pub(super) const CREDENTIALS: [&str; 2] = ["Authorization", "Proxy-Authorization"];

/// The one name for a header: the long form where there is a compact one.
pub(super) fn canonical(name: &str) -> &str {
    COMPACT
        .iter()
        .find(|(long, compact)| name.eq_ignore_ascii_case(long) || name.eq_ignore_ascii_case(compact))
        .map_or(name, |(long, _)| long)
}

/// All names under which a header may come, in lower case; `name` is canonical.
pub(super) fn spellings(name: &str) -> impl Iterator<Item = String> {
    let compact = COMPACT.iter().find(|(long, _)| *long == name).map(|(_, compact)| *compact);
    std::iter::once(name).chain(compact).map(str::to_ascii_lowercase)
}

/// RFC 3261 §25.1 `token`.
pub(super) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte))
}
