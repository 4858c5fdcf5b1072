//! The answer to `status`.

use std::path::PathBuf;

use xdp_prog::{
    abi::{MAX_KNOWN_FLOWS, MAX_PREFIXES, MAX_SOURCES, Policy, PortSet},
    reason::Action,
};

use super::seconds;
use crate::store::Counts;
use sipward_api::{
    name::{FilterMode, PacketVerdict},
    report::Totals,
    status::{
        Daemon, Edge, GuardCounts, Interface, ListCounts, Ports, ReasonRow, SignatureHits, Status, StoreState,
    },
};
use sipward_engine::guard::Counters;
use sipward_kernel::{Attachment, ReasonCount, TapLosses, XdpMode};
use sipward_types::time::KernelTime;

/// The controller's part of a status. Times are kernel time.
#[derive(Debug)]
pub struct StatusFacts {
    pub now: KernelTime,
    pub config: Option<PathBuf>,
    pub config_fault: Option<String>,
    pub interfaces: Vec<Attachment>,
    pub policy: Box<Policy>,
    pub reverts_at: Option<KernelTime>,
    pub lists: Counts,
    /// `None`: the kernel's part cannot be read.
    pub guard: Option<GuardFacts>,
    pub store: PathBuf,
    pub store_fault: Option<String>,
    /// With packets a second, where they are measured.
    pub reasons: Vec<(ReasonCount, Option<u64>)>,
    pub signatures: Vec<(String, u64)>,
    /// The last self-test that passed.
    pub proved_at: Option<KernelTime>,
    /// Why the last self-test failed.
    pub alarm: Option<String>,
    /// The configuration has an edge.
    pub has_edge: bool,
}

/// The guard's part of a status.
#[derive(Debug)]
pub struct GuardFacts {
    pub suspended: u64,
    pub locked: u64,
    pub banned_ports: u64,
    pub known: u64,
    pub phones: u64,
    pub known_flows: u64,
    pub losses: TapLosses,
    pub counters: Counters,
}

/// The part of a status that only a running daemon has.
#[derive(Debug)]
pub struct DaemonFacts {
    /// Kernel time.
    pub started_at: KernelTime,
    pub drops_reported: u64,
    pub drops_suppressed: u64,
    pub packets_observed: u64,
    pub unjudged: u64,
    pub flagged: Vec<String>,
    /// The last report of the edge, and when it came.
    pub edge: Option<(KernelTime, Totals)>,
}

/// `daemon`: `None` where a command has a controller of its own.
pub fn status(facts: StatusFacts, daemon: Option<DaemonFacts>) -> Status {
    let age = |at: KernelTime| facts.now.since(at).as_secs();
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        daemon: daemon.as_ref().map(|daemon| Daemon {
            pid: std::process::id(),
            uptime: age(daemon.started_at),
            drops_reported: daemon.drops_reported,
            drops_suppressed: daemon.drops_suppressed,
            proved: facts.proved_at.map(age),
            alarm: facts.alarm,
        }),
        config: facts.config.map(|path| path.display().to_string()),
        config_fault: facts.config_fault,
        interfaces: facts.interfaces.into_iter().map(interface).collect(),
        mode: FilterMode::of(facts.policy.enforce != 0),
        trusted_only: facts.policy.trusted_only != 0,
        reverts_in: facts.reverts_at.and_then(|at| seconds(facts.now.remaining(at))),
        ports: Ports {
            udp: ports(&facts.policy.udp),
            tcp: ports(&facts.policy.tcp),
            tls: ports(&facts.policy.tls),
        },
        lists: Some(ListCounts {
            trusted: facts.lists.trusted,
            banned: facts.lists.banned,
            room_for_addresses: MAX_SOURCES as u64,
            room_for_prefixes: MAX_PREFIXES as u64,
        }),
        guard: facts.guard.map(|guard| guard_counts(&guard, daemon.as_ref())),
        edge: edge(facts.has_edge, daemon.as_ref(), facts.now),
        flagged: daemon.map(|daemon| daemon.flagged).unwrap_or_default(),
        store: StoreState { path: facts.store.display().to_string(), fault: facts.store_fault },
        reasons: facts.reasons.iter().map(|(count, rate)| reason_row(count, *rate)).collect(),
        signatures: facts.signatures.into_iter().map(|(name, hits)| SignatureHits { name, hits }).collect(),
    }
}

/// One that the configuration does not have may run with another one.
fn edge(is_configured: bool, daemon: Option<&DaemonFacts>, now: KernelTime) -> Option<Edge> {
    match daemon?.edge.clone() {
        Some((at, totals)) => Some(Edge { reported: Some(now.since(at).as_secs()), totals }),
        None => is_configured.then_some(Edge { reported: None, totals: Totals::default() }),
    }
}

fn guard_counts(guard: &GuardFacts, daemon: Option<&DaemonFacts>) -> GuardCounts {
    let GuardFacts { losses, counters, .. } = guard;
    GuardCounts {
        suspended: guard.suspended,
        locked: guard.locked,
        banned: guard.banned_ports,
        known: guard.known,
        phones: guard.phones,
        known_flows: guard.known_flows,
        room_for_flows: MAX_KNOWN_FLOWS as u64,
        packets: daemon.map_or(0, |daemon| daemon.packets_observed),
        unseen_known: losses.known,
        unseen_strangers: losses.strangers,
        unseen_answers: losses.answers,
        unseen_foreign: losses.foreign,
        unseen_encrypted: losses.hidden,
        evidence: counters.evidence,
        unproven: counters.unproven_evidence,
        unjudged: daemon.map_or(0, |daemon| daemon.unjudged),
        alerts: counters.alerts,
        alerts_withheld: counters.alerts_withheld,
        no_room: counters.closed_refused + counters.known_refused + counters.flows_refused,
    }
}

pub fn interface(Attachment { interface, mode }: Attachment) -> Interface {
    Interface { interface, xdp: mode.map(|mode| XdpMode::name(mode).to_owned()) }
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

fn reason_row(count: &ReasonCount, rate: Option<u64>) -> ReasonRow {
    let ReasonCount { reason, enforced, monitored } = count;
    ReasonRow {
        reason: reason.name().to_owned(),
        action: match reason.action() {
            Action::Pass => PacketVerdict::Pass,
            Action::Drop => PacketVerdict::Drop,
        },
        packets: enforced.packets,
        bytes: enforced.bytes,
        would_drop_packets: monitored.packets,
        would_drop_bytes: monitored.bytes,
        rate,
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
