//! `sipward check`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{failure::Failure, output::Output};
use sipward_engine::policy::Config;

/// Check a configuration file and the signatures it names
#[derive(Debug, Args)]
#[command(after_help = "Example: sipward check /etc/sipward/sipward.toml")]
pub(super) struct Check {
    /// Configuration file
    file: PathBuf,
}

#[derive(Serialize)]
struct Line<'a> {
    ok: bool,
    interfaces: &'a [String],
    trusted: usize,
    banned: usize,
    signatures: usize,
}

impl Check {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let resolved = Config::load(&self.file)?.resolve()?;
        let signatures = resolved.signatures.compile()?.names.len();
        let (trusted, banned) = (resolved.trusted.len(), resolved.banned.len());
        output.say(format_args!(
            "{}: OK. {trusted} trusted, {banned} banned, {signatures} signatures.",
            self.file.display()
        ))?;
        output.object(&Line { ok: true, interfaces: &resolved.interfaces, trusted, banned, signatures })?;
        Ok(())
    }
}
