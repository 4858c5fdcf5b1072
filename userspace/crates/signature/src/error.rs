//! Errors in signatures, each with a remedy.

use std::{error::Error, fmt, io, path::PathBuf};

use xdp_prog::abi::{MAX_CLASSES, MAX_SIGNATURES};

use sipward_types::text_file::describe;

#[derive(Debug)]
#[non_exhaustive]
pub enum SignatureError {
    Unreadable {
        path: PathBuf,
        source: io::Error,
    },
    /// The text of a file.
    Text {
        origin: String,
        line: usize,
        key: Option<&'static str>,
        what: String,
    },
    /// One signature cannot be compiled.
    Signature {
        name: String,
        what: String,
    },
    TooMany {
        count: usize,
    },
    /// The automaton has more states than its table has rows.
    TooManyStates {
        limit: usize,
        /// The signature with the largest pattern.
        largest: String,
    },
    TooManyClasses {
        count: usize,
    },
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, source } => {
                write!(f, "{}: cannot be read: {}", path.display(), describe(source))
            }
            Self::Text { origin, line, key: Some(key), what } => write!(f, "{origin}:{line}: {key}: {what}"),
            Self::Text { origin, line, key: None, what } => write!(f, "{origin}:{line}: {what}"),
            Self::Signature { name, what } => write!(f, "signature `{name}`: {what}"),
            Self::TooMany { count } => write!(
                f,
                "{count} signatures are on, but the kernel holds {MAX_SIGNATURES}: switch some off with `on = \
                 false`, or leave them to the daemon with `judge = \"daemon\"`"
            ),
            Self::TooManyStates { limit, largest } => write!(
                f,
                "the signatures need more than {limit} states, which is what the kernel holds; `{largest}` is \
                 the largest: shorten it, or leave it to the daemon with `judge = \"daemon\"`"
            ),
            Self::TooManyClasses { count } => write!(
                f,
                "the signatures tell {count} kinds of bytes apart, but the kernel's limit is {MAX_CLASSES}: \
                 remove bytes outside of ASCII, or leave such signatures to the daemon with `judge = \"daemon\"`"
            ),
        }
    }
}

impl Error for SignatureError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            _ => None,
        }
    }
}
