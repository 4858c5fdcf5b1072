//! `sipward check`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{
    edge_account::{self, CheckedAccounts},
    failure::Failure,
    output::Output,
};
use sipward_engine::policy::Config;

/// Check a configuration file, the signatures it names, and the accounts of its edge
#[derive(Debug, Args)]
#[command(
    after_help = "Example: sipward check /etc/sipward/sipward.toml\n\nWeak passwords, and accounts that cannot answer \
                  the challenges of the edge, are warnings."
)]
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
    /// Of the edge, if the file has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    accounts: Option<CheckedAccounts>,
}

impl Check {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let resolved = Config::load(&self.file)?.resolve()?;
        let signatures = resolved.signatures.compile()?.names.len();
        let accounts = resolved.edge.as_ref().map(|edge| edge_account::check(edge, output)).transpose()?;
        let (trusted, banned) = (resolved.trusted.len(), resolved.banned.len());
        output.say(format_args!(
            "{}: OK. {trusted} trusted, {banned} banned, {signatures} signatures.",
            self.file.display()
        ))?;
        if let Some(accounts) = &accounts {
            accounts.say(output)?;
        }
        let interfaces = &resolved.interfaces;
        output.object(&Line { ok: true, interfaces, trusted, banned, signatures, accounts })?;
        Ok(())
    }
}
