//! `sipward mode`.

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{failure::Failure, output::Output};
use crate::{
    kernel::{Error, Pins, Tables},
    policy::Mode,
};

/// Drop what a rule objects to, or only count it
#[derive(Debug, Args)]
#[command(after_help = "Example: sipward mode enforce")]
pub(super) struct SetMode {
    mode: Choice,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Choice {
    /// Count what would be dropped, and let it pass
    Monitor,
    /// Drop it
    Enforce,
}

#[derive(Serialize)]
struct Line {
    mode: &'static str,
}

impl SetMode {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let pins = Pins::default();
        let _lock = pins.lock()?;
        let (mode, line) = match self.mode {
            Choice::Monitor => (Mode::Monitor, "What would be dropped is counted and passes."),
            Choice::Enforce => (Mode::Enforce, "What a rule objects to is dropped."),
        };
        set(&mut Tables::open(&pins)?, mode)?;
        output.say(line)?;
        output.object(&Line { mode: name(mode == Mode::Enforce) })?;
        Ok(())
    }
}

/// Changes the mode of the policy in force, and nothing else.
pub(super) fn set(tables: &mut Tables, mode: Mode) -> Result<(), Failure> {
    let mut policy = tables.policy()?.ok_or(Error::NothingAttached)?;
    policy.enforce = u8::from(mode == Mode::Enforce);
    Ok(tables.set_policy(&policy)?)
}

pub(super) const fn name(enforce: bool) -> &'static str {
    if enforce { "enforce" } else { "monitor" }
}
