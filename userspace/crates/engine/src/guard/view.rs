//! Views of the guard's state for `account list`, `account show` and `explain`.

use std::{collections::BTreeSet, net::IpAddr};

use serde::{Deserialize, Serialize};

use super::{
    Guard, Trigger,
    source_net::{Same, SourceNet},
};
use sipward_types::account::Account;
use sipward_types::account::Status;
use sipward_types::time::KernelTime;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountView {
    pub account: Account,
    pub status: Status,
    pub lock: Option<ActiveSuspension>,
    /// Ordered by source.
    pub sources: Vec<AccountAt>,
}

/// A suspension or a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveSuspension {
    pub until: KernelTime,
    #[serde(rename = "because")]
    pub trigger: Trigger,
}

/// An account at one source: an IPv4 address, or an IPv6 address, or /64 where several of it tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountAt {
    pub source: IpAddr,
    pub suspension: Option<ActiveSuspension>,
    /// In a row, to register, and for other requests.
    pub failures: u32,
    pub calls: u32,
    /// It works from there, and is thought to until then.
    pub works_until: Option<KernelTime>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceView {
    /// As it was asked for.
    pub source: IpAddr,
    /// With a budget; none: a stranger.
    pub phones: u32,
    pub known_until: Option<KernelTime>,
    /// Of those phones: they have registered there, as far as was seen since the start.
    pub registered: u32,
    /// Ordered by account. Those that are suspended here, that fail, or that work.
    pub accounts: Vec<AccountHere>,
    /// Accounts that failed lately, as the rule of many accounts counts them.
    pub failing: u32,
    /// Accounts in a row that were asked for in vain.
    pub sequence: u32,
    /// Quick suspensions that are not forgotten yet, in thousandths.
    pub persistence: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountHere {
    pub account: Account,
    pub suspension: Option<ActiveSuspension>,
    pub failures: u32,
    pub calls: u32,
    pub works_until: Option<KernelTime>,
}

/// Counters of the guard since it began, with what it had to leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    pub evidence: u64,
    /// Of it: what anybody could have sent. It suspended, locked and banned nobody.
    #[serde(rename = "forgeable")]
    pub unproven_evidence: u64,
    /// Suspensions and locks that there was no room for.
    pub closed_refused: u64,
    /// Known sources and phones that there was no room for.
    pub known_refused: u64,
    /// Flows of known sources that there was no room for.
    pub flows_refused: u64,
    /// Sources and accounts whose failures were forgotten before their time, to make room.
    pub forgotten: u64,
    pub alerts: u64,
    /// Alerts that were not raised, because there were too many.
    pub alerts_withheld: u64,
}

impl Guard {
    /// `None`: nothing is known of it. Looks through all that is remembered: for a person who asks.
    pub fn account(&self, account: &Account, now: KernelTime) -> Option<AccountView> {
        let mut sources = self.suspended_at(account, now);
        let suspended: BTreeSet<SourceNet> = sources.iter().copied().map(SourceNet::of).collect();
        let failing = self
            .source_histories
            .iter()
            .filter(|(source_net, history)| !source_net.is_wide() && history.pairs.contains_key(account));
        let others = failing.map(|(source_net, _)| *source_net).chain(self.successes.nets_of(account, now));
        let others = others.filter(|source_net| !suspended.contains(source_net));
        sources.extend(others.map(|source_net| self.address(account, source_net)));
        let view = self.view(account, sources, now);
        (view.lock.is_some() || !view.sources.is_empty()).then_some(view)
    }

    /// Accounts that are suspended or locked, ordered, with the sources where they are suspended.
    pub fn accounts(&self, now: KernelTime) -> Vec<AccountView> {
        let suspension = self.suspensions.iter().filter(|(_, suspension)| suspension.until > now);
        let names: BTreeSet<&Account> = suspension.map(|(key, _)| &key.0).collect();
        names.into_iter().map(|account| self.view(account, self.suspended_at(account, now), now)).collect()
    }

    fn suspended_at(&self, account: &Account, now: KernelTime) -> BTreeSet<IpAddr> {
        let keys = self.suspensions.of_account(account).filter(|(_, suspension)| suspension.until > now);
        keys.filter_map(|(key, _)| key.1).collect()
    }

    fn view(&self, account: &Account, sources: BTreeSet<IpAddr>, now: KernelTime) -> AccountView {
        let sources = sources.into_iter().map(|source| {
            let AccountHere { suspension, failures, calls, works_until, .. } =
                self.here(account, source, now);
            AccountAt { source, suspension, failures, calls, works_until }
        });
        let says_something = |at: &AccountAt| {
            at.suspension.is_some() || at.failures + at.calls > 0 || at.works_until.is_some()
        };
        let sources: Vec<AccountAt> = sources.filter(says_something).collect();
        let lock = self.suspensions.get(account, None, now);
        let status = if lock.is_some() {
            Status::Locked
        } else if sources.iter().any(|at| at.suspension.is_some()) {
            Status::Suspended
        } else {
            Status::Normal
        };
        AccountView { account: account.clone(), status, lock, sources }
    }

    /// `None`: nothing is known of it.
    pub fn source(&self, source: IpAddr, now: KernelTime) -> Option<SourceView> {
        let (settings, source_net) = (&self.settings, SourceNet::of(source));
        let (phones, until) = self.known.of(source, now, &settings.known);
        let history = self.source_histories.get(&source_net);
        let failing = history.into_iter().flat_map(|history| history.pairs.keys());
        let suspended = self.suspensions.of_net(source.into()).map(|key| key.0);
        let works = self.successes.accounts_at(source_net, now);
        let names: BTreeSet<Account> = suspended.chain(failing.chain(works).cloned()).collect();
        let accounts: Vec<AccountHere> = names
            .iter()
            .map(|account| self.here(account, source, now))
            .filter(|here| {
                here.suspension.is_some() || here.failures + here.calls > 0 || here.works_until.is_some()
            })
            .collect();
        let is_guess = |account: &Account| !self.successes.has_worked(source_net, account, now);
        let view = SourceView {
            source,
            phones,
            known_until: (phones > 0).then_some(until),
            registered: self.known.registered(source, now, &settings.known),
            accounts,
            failing: history.map_or(0, |history| history.many_accounts(now, settings, is_guess).count),
            sequence: history.map_or(0, |history| history.sequence.longest(now, settings.sequential.within)),
            persistence: history
                .map_or(0, |history| history.persistent.score.thousandths(now, settings.persistent.within)),
        };
        let is_any = phones > 0 || !view.accounts.is_empty() || view.sequence > 0 || view.persistence > 0;
        is_any.then_some(view)
    }

    pub const fn counters(&self) -> Counters {
        Counters {
            evidence: self.evidence,
            unproven_evidence: self.unproven_evidence,
            closed_refused: self.suspensions.refused(),
            known_refused: self.known.refused(),
            flows_refused: self.flows.refused(),
            forgotten: self.source_histories.forgotten()
                + self.account_histories.forgotten()
                + self.unproven_failures.forgotten(),
            alerts: self.alerts.raised + self.unproven_failures.alerts.raised,
            alerts_withheld: self.alerts.withheld + self.unproven_failures.alerts.withheld,
        }
    }

    fn here(&self, account: &Account, source: IpAddr, now: KernelTime) -> AccountHere {
        let source_net = SourceNet::of(source);
        let at_source = self.source_histories.get(&source_net).and_then(|history| history.pairs.get(account));
        let (failures, calls) = at_source.map_or((0, 0), |at_source| at_source.failures(now));
        AccountHere {
            account: account.clone(),
            suspension: self.suspensions.get(account, Some(source), now),
            failures,
            calls,
            works_until: self.successes.works_until(source_net, account, now),
        }
    }

    /// The one that was seen, where it is only one.
    fn address(&self, account: &Account, source_net: SourceNet) -> IpAddr {
        let at_source = self.source_histories.get(&source_net).and_then(|history| history.pairs.get(account));
        match at_source.map(|at_source| at_source.addresses) {
            Some(Same::One(address)) => address,
            _ => source_net.net().addr(),
        }
    }
}
