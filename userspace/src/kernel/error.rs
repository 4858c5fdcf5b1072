//! What can go wrong with the kernel, one sentence each and what to do.

use std::{error::Error as StdError, fmt, io};

use aya::{
    EbpfError,
    maps::MapError,
    programs::ProgramError,
};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug)]
pub enum Error {
    /// The kernel does not let this user do it.
    NotPermitted,
    /// The verifier, or the kernel's limits, refused the program.
    Rejected { log: String },
    /// No room for another entry.
    Full { map: &'static str },
    /// Anything else the kernel said no to.
    Failed { doing: String, cause: String },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPermitted => write!(
                f,
                "the kernel does not permit this user to use BPF: run sipward as root (it needs CAP_BPF and CAP_NET_ADMIN)"
            ),
            Self::Rejected { log } => {
                let lines: Vec<_> = log.lines().collect();
                let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
                write!(
                    f,
                    "the kernel's verifier refused the filter; nothing was loaded. The end of its log (-v shows all):\n{}",
                    last.join("\n")
                )
            }
            Self::Full { map } => write!(f, "the {map} map is full: remove entries first"),
            Self::Failed { doing, cause } => write!(f, "could not {doing}: {cause}"),
        }
    }
}

const LOG_LINES: usize = 15;

impl StdError for Error {}

impl Error {
    /// An error of the system while doing something.
    pub(super) fn io(doing: impl Into<String>, error: &io::Error) -> Self {
        Self::classify(doing, error, Some(error))
    }

    pub(super) fn map(doing: impl Into<String>, error: &MapError) -> Self {
        Self::classify(doing, error, source_io(error))
    }

    pub(super) fn program(doing: impl Into<String>, error: &ProgramError) -> Self {
        match error {
            ProgramError::LoadError { io_error, verifier_log } if !permission(io_error) => {
                Self::Rejected { log: format!("{io_error}\n{verifier_log}") }
            }
            _ => Self::classify(doing, error, source_io(error)),
        }
    }

    pub(super) fn ebpf(doing: impl Into<String>, error: &EbpfError) -> Self {
        Self::classify(doing, error, source_io(error))
    }

    fn classify(doing: impl Into<String>, error: &dyn StdError, io: Option<&io::Error>) -> Self {
        match io {
            Some(io) if permission(io) => Self::NotPermitted,
            _ => Self::Failed { doing: doing.into(), cause: chain(error) },
        }
    }
}

fn permission(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// The system's error at the root of one of aya's.
fn source_io<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref() {
            return Some(io);
        }
        next = error.source();
    }
    None
}

/// An error and its causes, none said twice.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        next = error.source();
    }
    text
}
