//! `sipward doctor`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{failure::Failure, output::Output};
use crate::doctor::{self, Finding, State};
use sipward_engine::policy::DEFAULT_PATH;

/// Check the host for problems of the filter, with advice
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: sipward doctor\n          sipward doctor --json | jq 'select(.state != \"ok\")'"
)]
pub(super) struct Doctor {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Doctor {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let config = self.config.as_deref().unwrap_or(Path::new(DEFAULT_PATH));
        let findings = doctor::examine(config, self.config.is_some());
        let width = findings.iter().map(|finding| finding.check.chars().count()).max().unwrap_or(0);
        for finding in &findings {
            show(finding, width, output)?;
            output.object(finding)?;
        }
        match findings.iter().filter(|finding| finding.state == State::Bad).count() {
            0 => Ok(()),
            1 => Err(Failure::No("one check failed: see the advice above".to_owned())),
            bad => Err(Failure::No(format!("{bad} checks failed: see the advice above"))),
        }
    }
}

fn show(
    Finding { check, state, found, advice }: &Finding,
    width: usize,
    output: &mut Output,
) -> Result<(), Failure> {
    output.say(format_args!("{:<4}  {check:<width$}  {found}", state.name()))?;
    if let Some(advice) = advice {
        output.say(format_args!("{:<4}  {:<width$}  → {advice}", "", ""))?;
    }
    Ok(())
}
