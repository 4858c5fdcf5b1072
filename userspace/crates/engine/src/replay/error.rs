//! Why a replay did not come to its end.

use std::{fmt, io, path::PathBuf};

use super::capture::CaptureError;
use sipward_signature::SignatureError;
use sipward_types::text_file::describe;

#[derive(Debug)]
pub enum ReplayError {
    Open {
        path: PathBuf,
        error: io::Error,
    },
    /// The packets before it have been reported.
    Capture {
        path: PathBuf,
        error: CaptureError,
    },
    Signatures(SignatureError),
    Write(io::Error),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { path, error } => {
                write!(f, "{}: cannot open it: {}", path.display(), describe(error))
            }
            Self::Capture { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Signatures(error) => error.fmt(f),
            Self::Write(error) => write!(f, "cannot write the report: {error}"),
        }
    }
}

impl std::error::Error for ReplayError {}
