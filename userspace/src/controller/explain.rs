//! The controller's part of the answer to `explain`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Controller;
use crate::{
    clock::Clock,
    filter_forecast::forecast,
    refusal::Refusal,
    store::{AuditEntry, Entry},
    wire::{BudgetedFlow, FilterFacts, ListedFact, SourceFacts},
};
use sipward_api::name::FilterMode;
use sipward_kernel as kernel;
use sipward_types::list_entry::{ListEntry, ListKind};

/// Lines of the audit trail in an explanation.
const HISTORY: usize = 5;

impl Controller {
    pub fn explain(&mut self, address: IpAddr) -> Result<SourceFacts, Refusal> {
        let address = address.to_canonical();
        let clock = Clock::read();
        let enforced = &self.guard_runtime.enforced;
        let known = enforced.known(clock.kernel).find(|known| known.source == address).cloned();
        let flows = known.as_ref().map(|_| self.budgeted_flows(address, &clock)).unwrap_or_default();
        let policy = self.tables.policy()?;
        let attachments = kernel::attachments(&self.pins)?;
        Ok(SourceFacts {
            clock,
            address,
            in_force: FilterFacts {
                attached: attachments.iter().any(|attachment| attachment.mode.is_some()),
                mode: FilterMode::of(policy.as_ref().is_some_and(|policy| policy.enforce != 0)),
                trusted_only: policy.as_ref().is_some_and(|policy| policy.trusted_only != 0),
            },
            entries: self.entries_around(address, &clock)?,
            known,
            flows,
            suspensions: self.suspensions_at(address, &clock),
            view: self.guard_runtime.guard.source(address, clock.kernel),
            guard_settings: self.settings.as_ref().map(|settings| settings.resolved.guard.settings),
            drops_options: policy.is_some_and(|policy| policy.drop_options != 0),
            forecasts: forecast(&mut self.tables, address, clock.kernel)?,
            history: self.history(Some(address.into()), None),
        })
    }

    /// The latest lines of the audit trail; none if the store cannot be read, which is no reason to refuse the rest.
    pub(super) fn history(&self, source: Option<IpNet>, account: Option<&str>) -> Vec<AuditEntry> {
        let store = self.store.get().ok();
        store.and_then(|store| store.audit(HISTORY, source, account).ok()).unwrap_or_default()
    }

    fn budgeted_flows(&self, address: IpAddr, clock: &Clock) -> Vec<BudgetedFlow> {
        let flows = self.guard_runtime.enforced.flows.all(clock.kernel);
        flows
            .filter(|(source, ..)| *source == address)
            .map(|(_, flow, known)| BudgetedFlow { flow, phones: known.phones, until: known.until })
            .collect()
    }

    fn entries_around(&mut self, address: IpAddr, clock: &Clock) -> Result<Vec<ListedFact>, Refusal> {
        let (net, now) = (IpNet::from(address), clock.kernel);
        let own = self.lists.get(&mut self.tables, net, now)?.map(|list_entry| (net, list_entry));
        let around = own.into_iter().chain(self.lists.around(net, now));
        let fact = |(net, list_entry): (IpNet, ListEntry)| {
            let is_ban = list_entry.kind == ListKind::Banned;
            let shadow = is_ban.then(|| self.lists.shadow(net, now)).flatten();
            ListedFact {
                entry: self.entry(net, list_entry, clock),
                shadowed_until: shadow.map(|(_, until)| until),
            }
        };
        Ok(around.map(fact).collect())
    }

    /// The list entry, with the note and the origin that the store has.
    pub(super) fn entry(&self, net: IpNet, list_entry: ListEntry, clock: &Clock) -> Entry {
        let known = self.store.get().ok().and_then(|store| store.get(net, clock).ok()?);
        let known = known.filter(|entry| entry.kind == list_entry.kind);
        let unknown = || Entry {
            net,
            kind: list_entry.kind,
            until: list_entry.until,
            since: clock.wall,
            origin: list_entry.origin,
            note: None,
            evidence: None,
        };
        known.map_or_else(unknown, |entry| Entry { until: list_entry.until, ..entry })
    }
}
