//! The controller's part of the answer to `status`.

use xdp_prog::reason::Reason;

use super::Controller;
use crate::{
    clock::Clock,
    refusal::Refusal,
    store::Counts,
    wire::{GuardFacts, StatusFacts, closing},
};
use sipward_api::Closing;
use sipward_kernel::{self as kernel, Attachment, Error, ReasonCount};
use sipward_types::{list_entry::ListKind, time::KernelTime};

impl Controller {
    pub fn status(&mut self) -> Result<StatusFacts, Refusal> {
        let clock = Clock::read();
        let policy = self.tables.policy()?.ok_or(Error::NothingAttached)?;
        let names = self.tables.signature_names()?;
        let hits = self.tables.signature_hits()?;
        let counts = self.tables.counters()?;
        let settings = self.settings.as_ref();
        let has_edge = settings.is_some_and(|settings| settings.resolved.edge.is_some());
        let (config, config_fault) =
            settings.map_or((None, None), |settings| (settings.file.clone(), settings.fault.clone()));
        let (proved_at, alarm) = self.proof.last();
        Ok(StatusFacts {
            now: clock.kernel,
            config,
            config_fault,
            interfaces: self.interfaces()?,
            policy,
            reverts_at: self.reverts_at,
            lists: self.list_counts(&clock)?,
            guard: self.guard_facts(&clock).ok(),
            store: self.store.path().to_owned(),
            store_fault: self.store.fault(),
            reasons: counts
                .into_iter()
                .map(|count| {
                    let rate = self.rates.of(count.reason);
                    (count, rate)
                })
                .collect(),
            signatures: names.into_iter().zip(hits).collect(),
            proved_at,
            alarm,
            has_edge,
        })
    }

    /// False: monitor mode.
    pub fn enforces(&self) -> Result<bool, Refusal> {
        Ok(self.tables.policy()?.ok_or(Error::NothingAttached)?.enforce != 0)
    }

    fn guard_facts(&self, clock: &Clock) -> Result<GuardFacts, Refusal> {
        let enforced = &self.guard_runtime.enforced;
        let count = |wanted| {
            let all = enforced.suspensions(clock.kernel);
            all.filter(|suspension| closing(suspension) == wanted).count() as u64
        };
        Ok(GuardFacts {
            suspended: count(Closing::Suspended),
            locked: count(Closing::Locked),
            banned_ports: count(Closing::Banned),
            known: enforced.known(clock.kernel).count() as u64,
            phones: enforced.known(clock.kernel).map(|known| u64::from(known.phones)).sum(),
            known_flows: enforced.flows.all(clock.kernel).count() as u64,
            losses: self.tables.tap_losses()?,
            counters: self.guard_runtime.guard.counters(),
        })
    }

    /// The interfaces that the filter is attached to, and those that it should be attached to.
    pub fn interfaces(&self) -> Result<Vec<Attachment>, Refusal> {
        let mut interfaces = kernel::attachments(&self.pins)?;
        for wanted in self.wanted() {
            if !interfaces.iter().any(|there| there.interface == *wanted) {
                interfaces.push(Attachment { interface: wanted.clone(), mode: None });
            }
        }
        Ok(interfaces)
    }

    /// To count in memory takes longer, so the store counts unless it cannot be read or lacks entries.
    fn list_counts(&mut self, clock: &Clock) -> Result<Counts, Refusal> {
        let saved = !self.lists.is_unsaved();
        let counts = if saved { self.store.read(|store| store.counts(clock)).ok() } else { None };
        match counts {
            Some(counts) => Ok(counts),
            None => Ok(Counts {
                trusted: self.list_count(ListKind::Trusted, clock)?,
                banned: self.list_count(ListKind::Banned, clock)?,
            }),
        }
    }

    fn list_count(&mut self, kind: ListKind, clock: &Clock) -> Result<u64, Refusal> {
        Ok(self.lists.list(&mut self.tables, kind, clock.kernel)?.count() as u64)
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
