//! The reply to a call.

use serde::Serialize;
use serde_json::Value;

use crate::refusal::{Refusal, RefusalKind};
use sipward_engine::policy::ConfigError;
use sipward_kernel::{self as kernel, LOG_LINES};
use sipward_signature::SignatureError;

/// The answers to a call, in their order, kept apart from what should be known besides.
#[derive(Debug, Default)]
pub struct Reply {
    pub items: Vec<Value>,
    pub notices: Vec<String>,
}

impl Reply {
    pub(super) fn item(&mut self, item: &impl Serialize) {
        // Only maps with keys other than strings have no form in JSON, and no item has one.
        self.items.extend(serde_json::to_value(item));
    }

    pub(super) fn notice(&mut self, notice: impl Into<String>) {
        self.notices.push(notice.into());
    }
}

impl From<kernel::Error> for Refusal {
    fn from(error: kernel::Error) -> Self {
        let log = error.log(LOG_LINES).map(|log| format!("\nThe end of its message:\n{log}"));
        Self { kind: RefusalKind::of(&error), message: format!("{error}{}", log.unwrap_or_default()) }
    }
}

impl RefusalKind {
    pub(crate) const fn of(error: &kernel::Error) -> Self {
        use kernel::Error;
        match error {
            Error::NoInterface { .. } | Error::NoEthernet { .. } => Self::Wrong,
            Error::NothingAttached
            | Error::NotAttached { .. }
            | Error::OtherBuild { .. }
            | Error::AttachedOtherwise { .. }
            | Error::Taken { .. }
            | Error::Full { .. } => Self::No,
            Error::NotPermitted
            | Error::NoBpffs { .. }
            | Error::OtherProgram { .. }
            | Error::ModeRefused { .. }
            | Error::Rejected { .. }
            | Error::Unsupported { .. }
            | Error::OtherLayout { .. }
            | Error::Failed { .. } => Self::Failed,
        }
    }
}

impl From<ConfigError> for Refusal {
    fn from(error: ConfigError) -> Self {
        Self::wrong(error.to_string())
    }
}

impl From<SignatureError> for Refusal {
    fn from(error: SignatureError) -> Self {
        Self::wrong(error.to_string())
    }
}
