//! `sipward explain`.

use std::{net::IpAddr, time::Duration};

use clap::Args;

use super::{
    desk::ask,
    failure::Failure,
    lists::time_left,
    moment::local,
    output::{Align, Output, Table, grouped},
};
use crate::{
    control::protocol::{self, Call, Origin},
    office::{Explained, Rule, Seen},
    printable::printable,
};

/// Say how an address is treated and why, and what its next packets would get
#[derive(Debug, Args)]
#[command(
    name = "explain",
    after_help = "Example: sipward explain 198.51.100.7\n\nThe verdicts are those of the filter's own code, over what it \
                  has counted of the address so far. Asking costs the address nothing."
)]
pub(super) struct ExplainAddress {
    address: IpAddr,
}

impl ExplainAddress {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let call = Call::Explain(protocol::Explain { address: self.address });
        ask(&call, output, |explained: Explained, output| {
            output.say(format_args!("{}: {}", explained.address, standing(&explained.standing)))?;
            explained.rules.iter().try_for_each(|rule| say_rule(rule, output))?;
            output.say("\nIts next packet of each kind:")?;
            let mut table =
                Table::new([("packet", Align::Left), ("verdict", Align::Left), ("why", Align::Left)]);
            for next in &explained.next {
                table.row([next.packet.clone(), next.verdict.clone(), next.sentence.clone()]);
            }
            output.table(&table)?;
            match &explained.seen {
                Some(seen) => say_seen(seen, output)?,
                None => output.say("\nNo drop of it is remembered.")?,
            }
            if !explained.history.is_empty() {
                output.say("\nWhat was done, the latest first:")?;
            }
            for line in &explained.history {
                super::audit::show(line, output)?;
            }
            Ok(())
        })
    }
}

fn standing(standing: &str) -> &str {
    match standing {
        "trusted" => "trusted, so everything from it passes",
        "banned" => "banned, so everything from it to a SIP port drops",
        "stranger" => "a stranger, so the rules decide about each packet",
        other => other,
    }
}

fn say_rule(rule: &Rule, output: &mut Output) -> Result<(), Failure> {
    let entry = &rule.entry;
    let decides = if rule.decides { "decides" } else { "without effect" };
    let origin = match entry.origin {
        Origin::Config => "by the configuration",
        Origin::Hand => "by hand",
        Origin::Import => "by an import",
        Origin::Kernel => "while it could not be saved",
    };
    output.say(format_args!(
        "  {} {}, {} ({decides}): since {} {origin}",
        entry.source,
        rule.list.name(),
        time_left(entry.expires_in),
        local(Duration::from_secs(entry.since)),
    ))?;
    for (name, text) in [("note", &entry.note), ("evidence", &entry.evidence)] {
        if let Some(text) = text {
            output.say(format_args!("    {name}: {}", printable(text.as_bytes())))?;
        }
    }
    Ok(output.say(format_args!("    lifted by {}", rule.lifted_by))?)
}

fn say_seen(seen: &Seen, output: &mut Output) -> Result<(), Failure> {
    let packets = if seen.packets == 1 { "packet" } else { "packets" };
    output.say(format_args!("\nDropped of late: {} {packets} of {}", grouped(seen.packets), seen.source))?;
    for sighted in &seen.recent {
        let line = sighted.first_line.as_ref().map(|line| printable(line.as_bytes()));
        output.say(format_args!(
            "  {}  {:>6}  {}  {}",
            local(Duration::from_secs(sighted.ts)),
            grouped(sighted.packets),
            sighted.reason,
            line.as_deref().unwrap_or("-"),
        ))?;
    }
    Ok(())
}
