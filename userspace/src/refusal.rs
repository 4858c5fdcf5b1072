//! Refusals of calls.

use sipward_api as wire;
use std::fmt;

/// The reason why a call was not performed, or not completely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub kind: RefusalKind,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// Not found, or refused.
    No,
    /// Wrong use, or a wrong file.
    Wrong,
    /// The kernel or the store did not do it.
    Failed,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    pub fn no(message: impl Into<String>) -> Self {
        Self { kind: RefusalKind::No, message: message.into() }
    }

    pub fn wrong(message: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Wrong, message: message.into() }
    }

    pub fn failed(message: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Failed, message: message.into() }
    }
}

impl From<Refusal> for wire::Refusal {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal.kind {
            RefusalKind::No => wire::RefusalKind::No,
            RefusalKind::Wrong => wire::RefusalKind::Wrong,
            RefusalKind::Failed => wire::RefusalKind::Failed,
        };
        Self { kind, message: refusal.message }
    }
}

impl From<wire::Refusal> for Refusal {
    fn from(refusal: wire::Refusal) -> Self {
        let kind = match refusal.kind {
            wire::RefusalKind::No => RefusalKind::No,
            wire::RefusalKind::Wrong => RefusalKind::Wrong,
            wire::RefusalKind::Failed => RefusalKind::Failed,
        };
        Self { kind, message: refusal.message }
    }
}
