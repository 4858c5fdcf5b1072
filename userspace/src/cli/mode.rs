//! `sipward mode`.

use clap::{Args, ValueEnum};

use super::{backend::ask, failure::Failure, output::Output};
use sipward_api::{Call, SetMode, item};

/// Drop what a rule objects to, or only count it
#[derive(Debug, Args)]
#[command(
    after_help = "Example: sipward mode enforce\n\nIt stays so over restarts, until a configuration that says \
                  otherwise is loaded."
)]
pub(super) struct Mode {
    /// What becomes of what a rule objects to
    mode: Choice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Choice {
    /// Count what would be dropped, and let it pass
    Monitor,
    /// Drop it
    Enforce,
}

impl Mode {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let enforce = self.mode == Choice::Enforce;
        ask(&Call::Mode(SetMode { enforce }), output, |_: item::Mode, output| {
            Ok(output.say(if enforce {
                "What a rule objects to is dropped."
            } else {
                "What would be dropped is counted and passes."
            })?)
        })
    }
}
