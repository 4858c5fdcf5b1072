//! `sipward status`.

use clap::Args;
use serde::Serialize;
use xdp_prog::{
    abi::{Policy, PortSet},
    reason::Action,
};

use super::{
    failure::Failure,
    mode,
    output::{Align, Output, Table, grouped},
};
use crate::kernel::{self, Attachment, Error, Pins, ReasonCount, Tables, XdpMode};

/// Show where the filter is, what it does and what it has seen
#[derive(Debug, Args)]
#[command(after_help = "Examples: sipward status\n          sipward status --json | jq .reasons")]
pub(super) struct Status {}

#[derive(Serialize)]
struct Report<'a> {
    interfaces: Vec<Interface<'a>>,
    mode: &'static str,
    trusted_only: bool,
    ports: Ports,
    reasons: Vec<Row>,
    signatures: Vec<Hits<'a>>,
}

#[derive(Serialize)]
struct Interface<'a> {
    interface: &'a str,
    /// Null: not attached any more.
    xdp: Option<&'static str>,
}

#[derive(Serialize)]
struct Ports {
    udp: String,
    tcp: String,
    tls: String,
}

#[derive(Serialize)]
struct Row {
    reason: &'static str,
    action: &'static str,
    packets: u64,
    bytes: u64,
    /// In monitor mode, and therefore passed.
    would_drop_packets: u64,
    would_drop_bytes: u64,
}

#[derive(Serialize)]
struct Hits<'a> {
    name: &'a str,
    hits: u64,
}

impl Status {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let pins = Pins::default();
        let tables = Tables::open(&pins)?;
        let attachments = kernel::attachments(&pins)?;
        let policy = tables.policy()?.ok_or(Error::NothingAttached)?;
        let names = tables.signature_names()?;
        let hits = tables.signature_hits()?;
        let report = Report {
            interfaces: attachments
                .iter()
                .map(|Attachment { interface, mode }| Interface { interface, xdp: mode.map(XdpMode::name) })
                .collect(),
            mode: mode::name(policy.enforce != 0),
            trusted_only: policy.trusted_only != 0,
            ports: Ports::of(&policy),
            reasons: tables.counters()?.iter().map(Row::of).collect(),
            signatures: names.iter().zip(hits).map(|(name, hits)| Hits { name, hits }).collect(),
        };
        output.object(&report)?;
        report.show(output)
    }
}

impl Ports {
    fn of(policy: &Policy) -> Self {
        Self { udp: ports(&policy.udp), tcp: ports(&policy.tcp), tls: ports(&policy.tls) }
    }
}

/// `5060, 5062-5064`.
fn ports(set: &PortSet) -> String {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for port in (0..=u16::MAX).filter(|&port| set.has(port)) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == port => *last = port,
            _ => ranges.push((port, port)),
        }
    }
    let range = |(first, last)| if first == last { format!("{first}") } else { format!("{first}-{last}") };
    ranges.into_iter().map(range).collect::<Vec<_>>().join(", ")
}

impl Row {
    fn of(count: &ReasonCount) -> Self {
        let ReasonCount { reason, enforced, monitored } = count;
        Self {
            reason: reason.name(),
            action: match reason.action() {
                Action::Pass => "pass",
                Action::Drop => "drop",
            },
            packets: enforced.packets,
            bytes: enforced.bytes,
            would_drop_packets: monitored.packets,
            would_drop_bytes: monitored.bytes,
        }
    }
}

impl Report<'_> {
    fn show(&self, output: &mut Output) -> Result<(), Failure> {
        for Interface { interface, xdp } in &self.interfaces {
            let how = xdp.unwrap_or("not attached any more: `sipward attach` again, or `sipward detach`");
            output.say(format_args!("{interface}: {how}"))?;
        }
        let only = if self.trusted_only { ", only trusted sources" } else { "" };
        output.say(format_args!("mode: {}{only}", self.mode))?;
        for (transport, ports) in
            [("udp", &self.ports.udp), ("tcp", &self.ports.tcp), ("tls", &self.ports.tls)]
        {
            if !ports.is_empty() {
                output.say(format_args!("{transport} ports: {ports}"))?;
            }
        }
        output.say(format_args!("signatures: {}", self.signatures.len()))?;
        self.show_reasons(output)?;
        self.show_signatures(output)
    }

    fn show_reasons(&self, output: &mut Output) -> Result<(), Failure> {
        let mut table = Table::new([
            ("reason", Align::Left),
            ("action", Align::Left),
            ("packets", Align::Right),
            ("bytes", Align::Right),
            ("would drop", Align::Right),
        ]);
        for row in self.reasons.iter().filter(|row| row.packets + row.would_drop_packets > 0) {
            let would =
                if row.would_drop_packets > 0 { grouped(row.would_drop_packets) } else { String::new() };
            table.row([
                row.reason.to_owned(),
                row.action.to_owned(),
                grouped(row.packets),
                grouped(row.bytes),
                would,
            ]);
        }
        output.say("")?;
        if table.is_empty() {
            output.say("No packet has arrived yet.")?;
        } else {
            output.table(&table)?;
        }
        Ok(())
    }

    fn show_signatures(&self, output: &mut Output) -> Result<(), Failure> {
        let mut hits: Vec<_> = self.signatures.iter().filter(|signature| signature.hits > 0).collect();
        if hits.is_empty() {
            return Ok(());
        }
        hits.sort_by_key(|signature| std::cmp::Reverse(signature.hits));
        let mut table = Table::new([("signature", Align::Left), ("packets", Align::Right)]);
        for Hits { name, hits } in hits {
            table.row([(*name).to_owned(), grouped(*hits)]);
        }
        output.say("")?;
        output.table(&table)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_shown_as_ranges() {
        let mut set = PortSet::EMPTY;
        assert_eq!(ports(&set), "");
        for port in [5060, 5062, 5063, 5064, 0, 65535] {
            set.add(port);
        }
        assert_eq!(ports(&set), "0, 5060, 5062-5064, 65535");
    }
}
