//! `sipward status`.

use clap::Args;

use super::{
    backend::ask,
    failure::Failure,
    lists::time_left,
    output::{Align, Output, Table, grouped},
};
use sipward_api::{
    Call,
    report::Totals,
    status::{self, SignatureHits},
};

/// Show the state of the filter and its counters
#[derive(Debug, Args)]
#[command(after_help = "Examples: sipward status\n          sipward status --json | jq .reasons")]
pub(super) struct Status {}

impl Status {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        ask(&Call::Status, output, |status: status::Status, output| {
            head(&status, output)?;
            reasons(&status, output)?;
            signatures(&status, output)
        })
    }
}

fn head(status: &status::Status, output: &mut Output) -> Result<(), Failure> {
    if status.interfaces.is_empty() {
        output.say("no interface is protected: `sipward attach` puts the filter back")?;
    }
    for interface in &status.interfaces {
        let how = interface.xdp.as_deref().unwrap_or("not attached: `sipward doctor` says why");
        output.say(format_args!("{}: {how}", interface.interface))?;
    }
    let only = match (status.trusted_only, status.reverts_in) {
        (false, _) => String::new(),
        (true, None) => ", only trusted sources".to_owned(),
        (true, Some(_)) if status.daemon.is_none() => ", only trusted sources; it does not revert while no \
                                                       daemon runs: `systemctl start sipward`, or `sipward \
                                                       trust only off`"
            .to_owned(),
        (true, Some(_)) => {
            format!(", only trusted sources for {} unless confirmed", time_left(status.reverts_in))
        }
    };
    output.say(format_args!("mode: {}{only}", status.mode))?;
    for (transport, ports) in
        [("udp", &status.ports.udp), ("tcp", &status.ports.tcp), ("tls", &status.ports.tls)]
    {
        if !ports.is_empty() {
            output.say(format_args!("{transport} ports: {ports}"))?;
        }
    }
    if let Some(lists) = &status.lists {
        output.say(format_args!("trusted: {}", grouped(lists.trusted)))?;
        output.say(format_args!(
            "banned: {} (room for {} addresses and {} prefixes)",
            grouped(lists.banned),
            grouped(lists.room_for_addresses),
            grouped(lists.room_for_prefixes)
        ))?;
    }
    output.say(format_args!("signatures: {}", status.signatures.len()))?;
    guard(status, output)?;
    if let Some(edge) = &status.edge {
        say_edge(edge, output)?;
    }
    match &status.daemon {
        None => output.say("daemon: not running; the filter stays in force: `systemctl start sipward`")?,
        Some(daemon) => {
            output.say(format_args!("daemon: pid {}, for {}", daemon.pid, time_left(Some(daemon.uptime))))?;
            output.say(format_args!(
                "drop events: {} reported, {} suppressed by sampling",
                grouped(daemon.drops_reported),
                grouped(daemon.drops_suppressed)
            ))?;
            match (&daemon.alarm, daemon.proved) {
                (Some(alarm), _) => output.say(format_args!("ALARM: {alarm}"))?,
                (None, Some(ago)) if !status.interfaces.is_empty() => {
                    output.say(format_args!("last self-test: passed {} ago", time_left(Some(ago))))?;
                }
                (None, _) => {}
            }
        }
    }
    if let Some(fault) = &status.config_fault {
        output.say(format_args!("configuration: the last good one is in force, because {fault}"))?;
    }
    if let Some(fault) = &status.store.fault {
        output.say(format_args!("store: {fault}"))?;
    }
    Ok(())
}

fn say_edge(edge: &status::Edge, output: &mut Output) -> Result<(), Failure> {
    const REMEDY: &str = "`systemctl status sipward-edge` says whether it runs, and its log why";
    let Some(ago) = edge.reported else {
        return Ok(output.say(format_args!("edge: no report since the daemon started: {REMEDY}"))?);
    };
    let Totals { uptime, served, digest_runs, evidence_waiting, evidence_dropped, ref causes } = edge.totals;
    output.say(format_args!(
        "edge: last report {} ago, up {}; {} served, {} refused, {} digests; evidence: {} waiting, {} dropped",
        time_left(Some(ago)),
        time_left(Some(uptime)),
        grouped(served),
        grouped(edge.totals.refused()),
        grouped(digest_runs),
        grouped(evidence_waiting),
        grouped(evidence_dropped)
    ))?;
    if !causes.is_empty() {
        let causes: Vec<_> =
            causes.iter().map(|(cause, count)| format!("{cause} {}", grouped(*count))).collect();
        output.say(format_args!("edge, by cause: {}", causes.join(", ")))?;
    }
    if edge.is_silent() {
        output.say(format_args!("the edge is silent: {REMEDY}"))?;
    }
    Ok(())
}

fn guard(status: &status::Status, output: &mut Output) -> Result<(), Failure> {
    let Some(guard) = &status.guard else { return Ok(()) };
    let flows =
        if guard.banned > 0 { format!(", {} ports banned", grouped(guard.banned)) } else { String::new() };
    output.say(format_args!(
        "accounts: {} suspended, {} locked{flows}",
        grouped(guard.suspended),
        grouped(guard.locked)
    ))?;
    output.say(format_args!(
        "known sources: {}, with limits for {} phones; known flows: {} (room for {})",
        grouped(guard.known),
        grouped(guard.phones),
        grouped(guard.known_flows),
        grouped(guard.room_for_flows)
    ))?;
    if status.daemon.is_some() {
        output.say(format_args!(
            "observed: {} packets, {} auth results ({} unproven), {} alerts",
            grouped(guard.packets),
            grouped(guard.evidence),
            grouped(guard.unproven),
            grouped(guard.alerts)
        ))?;
    }
    if guard.unseen_known + guard.unseen_strangers + guard.unjudged > 0 {
        output.say(format_args!(
            "missed by the observer: {} packets of known sources, {} of strangers, {} auth results",
            grouped(guard.unseen_known),
            grouped(guard.unseen_strangers),
            grouped(guard.unjudged)
        ))?;
    }
    if guard.unseen_answers + guard.unseen_foreign > 0 {
        output.say(format_args!(
            "of these, {} were answers of the PBX and {} may have been answers to it: for some seconds \
             after each, nothing over UDP counts as proven",
            grouped(guard.unseen_answers),
            grouped(guard.unseen_foreign)
        ))?;
    }
    if guard.no_room > 0 {
        output.say(format_args!(
            "table full: {} suspensions, known phones or flows were not added",
            grouped(guard.no_room)
        ))?;
    }
    for rule in &status.flagged {
        output
            .say(format_args!("flagged: {rule} hits sources that authenticate later: see `sipward rules`"))?;
    }
    Ok(())
}

fn reasons(status: &status::Status, output: &mut Output) -> Result<(), Failure> {
    let mut table = Table::new([
        ("reason", Align::Left),
        ("action", Align::Left),
        ("packets", Align::Right),
        ("a second", Align::Right),
        ("bytes", Align::Right),
        ("would drop", Align::Right),
    ]);
    for row in status.reasons.iter().filter(|row| row.packets + row.would_drop_packets > 0) {
        let would = if row.would_drop_packets > 0 { grouped(row.would_drop_packets) } else { String::new() };
        table.row([
            row.reason.clone(),
            row.action.to_string(),
            grouped(row.packets),
            row.rate.map_or_else(String::new, grouped),
            grouped(row.bytes),
            would,
        ]);
    }
    output.say("")?;
    if table.is_empty() {
        output.say("No packets so far.")?;
    } else {
        output.table(&table)?;
    }
    Ok(())
}

fn signatures(status: &status::Status, output: &mut Output) -> Result<(), Failure> {
    let mut hits: Vec<_> = status.signatures.iter().filter(|signature| signature.hits > 0).collect();
    if hits.is_empty() {
        return Ok(());
    }
    hits.sort_by_key(|signature| std::cmp::Reverse(signature.hits));
    let mut table = Table::new([("signature", Align::Left), ("packets", Align::Right)]);
    for SignatureHits { name, hits } in hits {
        table.row([name.clone(), grouped(*hits)]);
    }
    output.say("")?;
    output.table(&table)?;
    Ok(())
}
