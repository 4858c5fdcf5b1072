//! `sipward audit`.

use std::time::Duration;

use clap::Args;

use super::{
    backend::{ask, connect},
    failure::Failure,
    output::Output,
    target::Target,
    time::local,
};
use crate::{
    controller::{self, audit_trail},
    paths,
    refusal::Refusal,
    store::Store,
};
use sipward_api::{self as protocol, Call, item};
use sipward_kernel::Pins;
use sipward_types::printable::printable;

/// Show the audit trail: changes, with users and times
#[derive(Debug, Args)]
#[command(
    name = "audit",
    after_help = "Examples: sipward audit\n          sipward audit --about 198.51.100.7 --limit \
                  10\n          sipward audit --account 201"
)]
pub(super) struct AuditCommand {
    /// Number of lines, the latest first
    #[arg(long, default_value_t = 50, value_name = "LINES")]
    limit: u32,
    /// Only changes about this address or prefix, or about entries inside or around it
    #[arg(long, value_name = "ADDRESS|PREFIX")]
    about: Option<Target>,
    /// Only changes about this account
    #[arg(long, value_name = "NAME", conflicts_with = "about")]
    account: Option<String>,
}

impl AuditCommand {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let source = self.about.map(|Target(net)| net);
        let account = self.account.clone();
        let audit = protocol::Audit { limit: self.limit, source, account };
        let mut is_empty = true;
        if connect()?.is_none() && !Pins::default().is_there()? {
            let controller::AuditTrail { lines, gone } = kept(&audit)?;
            is_empty = lines.is_empty();
            for line in &lines {
                output.object(line)?;
                show(line, output)?;
            }
            gone.iter().try_for_each(|gone| output.warn(gone))?;
        } else {
            ask(&Call::Audit(audit), output, |line: item::Audited, output| {
                is_empty = false;
                show(&line, output)
            })?;
        }
        if is_empty {
            output.say("No matching changes.")?;
        }
        Ok(())
    }
}

/// The trail must be readable while the filter is off: it says who removed it.
fn kept(audit: &protocol::Audit) -> Result<controller::AuditTrail, Failure> {
    let path = paths::store();
    if let Ok(false) = path.try_exists() {
        // Opening the store would create it.
        return Ok(controller::AuditTrail { lines: Vec::new(), gone: Vec::new() });
    }
    let store = Store::open(&path).map_err(|error| Refusal::failed(error.to_string()))?;
    Ok(audit_trail(&store, audit)?)
}

/// The history in explanations.
pub(super) fn say_history(lines: &[item::Audited], output: &mut Output) -> Result<(), Failure> {
    if !lines.is_empty() {
        output.say("\nHistory, the latest first:")?;
    }
    lines.iter().try_for_each(|line| show(line, output))
}

fn show(line: &item::Audited, output: &mut Output) -> Result<(), Failure> {
    let item::Audited { at, who, what, target, detail } = line;
    let words = [what, target, detail].into_iter().filter(|word| !word.is_empty());
    let text = words.map(|word| printable(word.as_bytes())).collect::<Vec<_>>().join("  ");
    Ok(output.say(format_args!(
        "  {}  {}  {text}",
        local(Duration::from_secs(*at)),
        printable(who.as_bytes())
    ))?)
}
