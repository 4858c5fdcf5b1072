//! What the filter is doing.

use serde::{Deserialize, Serialize};
use xdp_prog::{
    abi::{MAX_KNOWN_FLOWS, MAX_PREFIXES, MAX_SOURCES, Policy, PortSet},
    reason::{Action, Reason},
};

use super::{Controller, accounts::closing, list_commands::seconds, switch_names::mode_name};
use crate::{clock::Clock, refusal::Refusal};
use sipward_api::Closing;
use sipward_kernel::{self as kernel, Attachment, Error, ReasonCount, XdpMode};
use sipward_types::{list_entry::ListKind, time::KernelTime};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    /// Null: there is no daemon, and what is in force stays in force.
    pub daemon: Option<Daemon>,
    pub config: Option<String>,
    /// Why it is not what the file says now; null: it is.
    pub config_fault: Option<String>,
    pub interfaces: Vec<Interface>,
    pub mode: String,
    pub trusted_only: bool,
    /// Seconds until the lock-down is taken back.
    pub reverts_in: Option<u64>,
    pub ports: Ports,
    pub lists: Option<ListCounts>,
    /// Null: it cannot be read.
    pub guard: Option<Guarded>,
    /// Rules that hit the wrong ones.
    pub flagged: Vec<String>,
    pub store: StoreState,
    pub reasons: Vec<Row>,
    pub signatures: Vec<Hits>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Daemon {
    pub pid: u32,
    /// Seconds.
    pub uptime: u64,
    /// Drops that the kernel emitted one by one since the daemon runs, and those that it suppressed: of each source it
    /// emits one a second.
    #[serde(rename = "drops_told")]
    pub drops_reported: u64,
    #[serde(rename = "drops_untold")]
    pub drops_suppressed: u64,
    /// Seconds since the last proof that the filter drops and passes as it should; null: none yet.
    pub proved: Option<u64>,
    /// Why it could not be proved.
    pub alarm: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Interface {
    pub interface: String,
    /// Null: not attached at the moment.
    pub xdp: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ports {
    pub udp: String,
    pub tcp: String,
    pub tls: String,
}

/// How full the lists are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListCounts {
    pub trusted: u64,
    pub banned: u64,
    pub room_for_addresses: u64,
    pub room_for_prefixes: u64,
}

/// Who may not authenticate and who is known; and what was seen, which begins anew with the daemon.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Guarded {
    /// Accounts at a source; accounts wherever they come from; ports of a source.
    pub suspended: u64,
    pub locked: u64,
    pub banned: u64,
    /// Sources, and the phones that they have budgets for.
    pub known: u64,
    pub phones: u64,
    /// Ports of them with budgets of their own, and how many there is room for.
    pub known_flows: u64,
    pub room_for_flows: u64,
    /// Packets that were looked at, of requests and answers.
    pub packets: u64,
    /// Packets that came too fast to be looked at, since the filter was loaded.
    pub unseen_known: u64,
    pub unseen_strangers: u64,
    /// Of these, what the PBX said, and what may have been answers of others to it; and what it said over TLS. As long as
    /// any of it goes unseen, no nonce proves an address over UDP.
    pub unseen_answers: u64,
    pub unseen_foreign: u64,
    pub unseen_encrypted: u64,
    /// What was made of them, and how much of it anybody could have sent in that name.
    pub evidence: u64,
    pub unproven: u64,
    /// What came too fast to be judged.
    pub unjudged: u64,
    /// Somebody should know; and the ones that were too many to be raised.
    pub alerts: u64,
    pub alerts_withheld: u64,
    /// Suspensions, and known sources, phones and flows, that there was no room for.
    pub no_room: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoreState {
    pub path: String,
    /// Null: all that is in force is saved.
    pub fault: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub reason: String,
    pub action: String,
    pub packets: u64,
    pub bytes: u64,
    /// In monitor mode, and therefore passed.
    pub would_drop_packets: u64,
    pub would_drop_bytes: u64,
    /// Packets a second lately, dropped or not; null where nobody measures.
    pub rate: Option<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hits {
    pub name: String,
    pub hits: u64,
}

impl Controller {
    pub fn status(&mut self) -> Result<Status, Refusal> {
        let clock = Clock::read();
        let policy = self.tables.policy()?.ok_or(Error::NothingAttached)?;
        let names = self.tables.signature_names()?;
        let hits = self.tables.signature_hits()?;
        let counts = self.tables.counters()?;
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            daemon: self.settings.as_ref().map(|_| self.proof.daemon(clock.kernel)),
            config: self
                .settings
                .as_ref()
                .and_then(|settings| Some(settings.file.as_ref()?.display().to_string())),
            config_fault: self.settings.as_ref().and_then(|settings| settings.fault.clone()),
            interfaces: self.interfaces()?,
            mode: mode_name(policy.enforce != 0).to_owned(),
            trusted_only: policy.trusted_only != 0,
            reverts_in: self.reverts_at.and_then(|at| seconds(clock.kernel.remaining(at))),
            ports: Ports::of(&policy),
            lists: Some(self.list_counts(&clock)?),
            guard: self.guarded(&clock).ok(),
            flagged: Vec::new(),
            store: StoreState { path: self.store.path().display().to_string(), fault: self.store.fault() },
            reasons: counts.iter().map(|count| Row::of(count, self.rates.of(count.reason))).collect(),
            signatures: names.into_iter().zip(hits).map(|(name, hits)| Hits { name, hits }).collect(),
        })
    }

    fn guarded(&self, clock: &Clock) -> Result<Guarded, Refusal> {
        let enforced = &self.guard_runtime.enforced;
        let closed = |wanted| {
            let all = enforced.suspensions(clock.kernel);
            all.filter(|suspension| closing(suspension) == wanted).count() as u64
        };
        let losses = self.tables.tap_losses()?;
        let counters = self.guard_runtime.guard.counters();
        Ok(Guarded {
            suspended: closed(Closing::Suspended),
            locked: closed(Closing::Locked),
            banned: closed(Closing::Banned),
            known: enforced.known(clock.kernel).count() as u64,
            phones: enforced.known(clock.kernel).map(|known| u64::from(known.phones)).sum(),
            known_flows: enforced.flows.all(clock.kernel).count() as u64,
            room_for_flows: MAX_KNOWN_FLOWS as u64,
            packets: 0,
            unseen_known: losses.known,
            unseen_strangers: losses.strangers,
            unseen_answers: losses.answers,
            unseen_foreign: losses.foreign,
            unseen_encrypted: losses.hidden,
            evidence: counters.evidence,
            unproven: counters.unproven_evidence,
            unjudged: 0,
            alerts: counters.alerts,
            alerts_withheld: counters.alerts_withheld,
            no_room: counters.closed_refused + counters.known_refused + counters.flows_refused,
        })
    }

    /// Those it is attached to, and those it should be attached to.
    pub fn interfaces(&self) -> Result<Vec<Interface>, Refusal> {
        let attached = kernel::attachments(&self.pins)?;
        let mut interfaces: Vec<_> = attached
            .into_iter()
            .map(|Attachment { interface, mode }| Interface {
                interface,
                xdp: mode.map(|mode| XdpMode::name(mode).to_owned()),
            })
            .collect();
        for wanted in self.wanted() {
            if !interfaces.iter().any(|there| there.interface == *wanted) {
                interfaces.push(Interface { interface: wanted.clone(), xdp: None });
            }
        }
        Ok(interfaces)
    }

    /// At once, unless the store cannot say.
    fn list_counts(&mut self, clock: &Clock) -> Result<ListCounts, Refusal> {
        let saved = !self.lists(clock)?.is_unsaved();
        let counts = if saved { self.store.read(|store| store.counts(clock)).ok() } else { None };
        let (trusted, banned) = match counts {
            Some(counts) => (counts.trusted, counts.banned),
            None => {
                (self.kernel_count(ListKind::Trusted, clock)?, self.kernel_count(ListKind::Banned, clock)?)
            }
        };
        let (room_for_addresses, room_for_prefixes) = (MAX_SOURCES as u64, MAX_PREFIXES as u64);
        Ok(ListCounts { trusted, banned, room_for_addresses, room_for_prefixes })
    }

    fn kernel_count(&mut self, kind: ListKind, clock: &Clock) -> Result<u64, Refusal> {
        let mut count = 0;
        self.lists(clock)?.list(kind, |_| {
            count += 1;
            Ok::<_, Refusal>(())
        })?;
        Ok(count)
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
    fn of(count: &ReasonCount, rate: Option<u64>) -> Self {
        let ReasonCount { reason, enforced, monitored } = count;
        Self {
            reason: reason.name().to_owned(),
            action: match reason.action() {
                Action::Pass => "pass".to_owned(),
                Action::Drop => "drop".to_owned(),
            },
            packets: enforced.packets,
            bytes: enforced.bytes,
            would_drop_packets: monitored.packets,
            would_drop_bytes: monitored.bytes,
            rate,
        }
    }
}

/// Packets a second by reason, between the last two looks at the counters.
#[derive(Debug, Default)]
pub(super) struct Rates {
    before: Option<(KernelTime, Vec<u64>)>,
    rates: Vec<u64>,
}

impl Rates {
    pub(super) fn look(&mut self, now: KernelTime, counts: &[ReasonCount]) {
        let totals: Vec<_> =
            counts.iter().map(|count| count.enforced.packets + count.monitored.packets).collect();
        if let Some((at, before)) = &self.before {
            let elapsed = now.since(*at).as_nanos().max(1);
            let rate = |(now, before): (&u64, &u64)| {
                let packets = u128::from(now.saturating_sub(*before));
                u64::try_from(packets * 1_000_000_000 / elapsed).unwrap_or(u64::MAX)
            };
            self.rates = totals.iter().zip(before).map(rate).collect();
        }
        self.before = Some((now, totals));
    }

    fn of(&self, reason: Reason) -> Option<u64> {
        self.rates.get(reason as usize).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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

    #[test]
    fn a_rate_is_what_came_between_two_looks() {
        let count = |packets| {
            let mut counts: Vec<_> = Reason::ALL
                .iter()
                .map(|&reason| ReasonCount {
                    reason,
                    enforced: Default::default(),
                    monitored: Default::default(),
                })
                .collect();
            counts[Reason::Ban as usize].enforced.packets = packets;
            counts
        };
        let at = |second| KernelTime::START + Duration::from_secs(second);
        let mut rates = Rates::default();
        rates.look(at(1), &count(7));
        assert_eq!(rates.of(Reason::Ban), None);
        rates.look(at(3), &count(107));
        assert_eq!((rates.of(Reason::Ban), rates.of(Reason::Request)), (Some(50), Some(0)));
        // The counters began anew.
        rates.look(at(4), &count(0));
        assert_eq!(rates.of(Reason::Ban), Some(0));
    }
}
