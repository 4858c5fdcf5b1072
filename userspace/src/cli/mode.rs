//! `sipward mode`.

use clap::{Args, ValueEnum};

use super::{backend::ask, failure::Failure, output::Output};
use sipward_api::{Call, SetMode, item};

/// Drop packets that a rule objects to, or only count them
#[derive(Debug, Args)]
#[command(
    after_help = "Example: sipward mode enforce\n\nThe mode survives restarts, until a configuration with \
                  another mode is loaded."
)]
pub(super) struct Mode {
    /// Treatment of packets that a rule objects to
    mode: Choice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Choice {
    /// Count packets that would drop, and pass them
    Monitor,
    /// Drop them
    Enforce,
}

impl Mode {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let enforce = self.mode == Choice::Enforce;
        ask(&Call::Mode(SetMode { enforce }), output, |_: item::Mode, output| {
            Ok(output.say(if enforce {
                "Enforce mode: packets that a rule objects to are dropped."
            } else {
                "Monitor mode: packets that would drop are counted and pass."
            })?)
        })
    }
}
