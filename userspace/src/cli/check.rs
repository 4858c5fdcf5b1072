//! `sipward check`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{
    edge_account::{self, CheckedAccounts},
    failure::Failure,
    output::Output,
};
use sipward_edge::settings::Listen;
use sipward_engine::policy::{Config, Ports};
use sipward_types::flow::Transport;

/// Check a configuration file, the signatures it names, and the accounts of its edge
#[derive(Debug, Args)]
#[command(
    after_help = "Example: sipward check /etc/sipward/sipward.toml\n\nWeak passwords, accounts that cannot answer the \
                  challenges of the edge, and ports of the edge that the filter does not look at are warnings."
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
        let config = Config::load(&self.file)?;
        let resolved = config.resolve()?;
        let signatures = resolved.signatures.compile()?.names.len();
        for own in config.edge.iter().flat_map(|edge| &edge.listen) {
            if let Some(unfiltered) = unfiltered(own, &config.ports) {
                output.warn(&unfiltered)?;
            }
        }
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

/// That the filter does not look at a port of the edge, and the remedy. `None`: it does.
fn unfiltered(own: &Listen, ports: &Ports) -> Option<String> {
    let (ranges, list) = match own.transport {
        Transport::Udp => (&ports.udp, "udp"),
        Transport::Tcp => (&ports.tcp, "tcp"),
    };
    let port = own.address.port();
    let is_filtered = ranges.iter().any(|range| range.contains(&port));
    (!is_filtered).then(|| {
        format!(
            "edge.listen: the filter does not look at {list}:{}, so that bans have no effect there: add {port} to \
             ports.{list}",
            own.address
        )
    })
}
