//! Failures of commands, and their exit codes.

use std::{fmt, io, process::ExitCode};

use crate::{
    control::{ClientError, LockError},
    refusal::{Refusal, RefusalKind},
};
use sipward_engine::{policy::ConfigError, replay::ReplayError};
use sipward_kernel as kernel;
use sipward_signature::SignatureError;

#[derive(Debug)]
pub(super) enum Failure {
    /// Not found, or refused.
    No(String),
    /// Wrong use, or a wrong file.
    Wrong(String),
    Kernel(kernel::Error),
    /// By the daemon or the controller.
    Refused(Refusal),
    /// A daemon runs but cannot be reached.
    Unreachable(String),
    /// The reader of the output is gone; that is not a failure.
    Unread,
    /// The output could not be written.
    Output(io::Error),
}

impl Failure {
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Unread => 0,
            Self::Refused(refusal) => match refusal.kind {
                RefusalKind::No => 1,
                RefusalKind::Wrong => 2,
                RefusalKind::Failed => 3,
            },
            Self::Unreachable(_) => 3,
            Self::No(_) | Self::Output(_) => 1,
            Self::Wrong(_) => 2,
            Self::Kernel(error) => match RefusalKind::of(error) {
                RefusalKind::No => 1,
                RefusalKind::Wrong => 2,
                RefusalKind::Failed => 3,
            },
        })
    }

    /// The message, if there is one.
    pub(super) fn message(&self, verbose: bool) -> Option<String> {
        match self {
            Self::Unread => None,
            Self::No(message) | Self::Wrong(message) | Self::Unreachable(message) => Some(message.clone()),
            Self::Refused(refusal) => Some(refusal.message.clone()),
            Self::Output(error) => Some(format!("cannot write the output: {error}")),
            Self::Kernel(error) => {
                let lines = if verbose { usize::MAX } else { kernel::LOG_LINES };
                let log = error.log(lines).map(|log| {
                    let which = if verbose { "Its message" } else { "The end of its message (-v: all)" };
                    format!("\n{which}:\n{log}")
                });
                Some(format!("{error}{}", log.unwrap_or_default()))
            }
        }
    }
}

/// Something wrong with what was given to the command.
pub(super) fn wrong(problem: impl fmt::Display) -> Failure {
    Failure::Wrong(problem.to_string())
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Unreachable(error.to_string())
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        Self::Unreachable(error.to_string())
    }
}

impl From<kernel::Error> for Failure {
    fn from(error: kernel::Error) -> Self {
        Self::Kernel(error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        wrong(error)
    }
}

impl From<SignatureError> for Failure {
    fn from(error: SignatureError) -> Self {
        wrong(error)
    }
}

impl From<ReplayError> for Failure {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Write(error) => error.into(),
            error => wrong(error),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Unread } else { Self::Output(error) }
    }
}
