//! `sipward check`.

mod edge;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{failure::Failure, output::Output};
use sipward_engine::policy::Config;

/// Check a configuration file, the signatures it names, and the accounts of its edge
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
    /// `None`: the file has no edge.
    #[serde(skip_serializing_if = "Option::is_none")]
    edge_accounts: Option<usize>,
}

impl Check {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let config = Config::load(&self.file)?;
        let resolved = config.resolve()?;
        let signatures = resolved.signatures.compile()?.names.len();
        let edge = config.edge.as_ref();
        let edge_accounts = edge.map(|edge| edge::check(edge, &config.ports, output)).transpose()?;
        let (trusted, banned) = (resolved.trusted.len(), resolved.banned.len());
        let of_edge = edge_accounts.map(|count| format!(", an edge with {count} accounts")).unwrap_or_default();
        output.say(format_args!(
            "{}: OK. {trusted} trusted, {banned} banned, {signatures} signatures{of_edge}.",
            self.file.display()
        ))?;
        let interfaces = &resolved.interfaces;
        output.object(&Line { ok: true, interfaces, trusted, banned, signatures, edge_accounts })?;
        Ok(())
    }
}
