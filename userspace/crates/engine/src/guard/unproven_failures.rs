//! Unproven evidence: anybody could have sent it.
//!
//! The counts of it stay in this file, so they cannot suspend, lock, ban or clear anything, however many there are. They raise
//! alerts. When there is too much of it, what carries the least is
//! forgotten: sources and accounts with few others, the oldest first.

use std::collections::BTreeMap;

use super::{
    Decision, Rule, Settings, Trigger,
    account_history::{AccountHistory, tally},
    alerts::Alerts,
    bounded_map::{BoundedMap, Evictable},
    sequence::Sequence,
    settings::COUNT,
    source_net::SourceNet,
    time::seconds,
};
use sipward_types::time::KernelTime;
use sipward_types::{
    account::Account,
    evidence::{Evidence, Kind},
};

/// Names and sources, all together.
pub(super) const ROOM: usize = 65_536;
const NAMES: usize = *COUNT.end() as usize;

#[derive(Debug)]
pub(super) struct UnprovenFailures {
    sources: BoundedMap<SourceNet, UnprovenAtSource>,
    accounts: BoundedMap<Account, AccountHistory>,
    pub(super) alerts: Alerts,
}

#[derive(Debug, Default)]
struct UnprovenAtSource {
    failing: BTreeMap<Account, KernelTime>,
    sequence: Sequence,
    last: KernelTime,
}

impl Evictable for UnprovenAtSource {
    fn weight(&self) -> usize {
        self.failing.len() + self.sequence.len()
    }

    fn worth(&self) -> u32 {
        self.failing.len() as u32
    }

    fn last(&self) -> KernelTime {
        self.last
    }
}

impl Default for UnprovenFailures {
    fn default() -> Self {
        Self { sources: BoundedMap::new(ROOM), accounts: BoundedMap::new(ROOM), alerts: Alerts::default() }
    }
}

impl UnprovenFailures {
    pub(super) fn witness(&mut self, evidence: &Evidence, settings: &Settings) -> Vec<Decision> {
        let Some(account) = &evidence.account else { return Vec::new() };
        let failed = match evidence.kind {
            Kind::Failed { .. } | Kind::UnknownAccount => true,
            Kind::Challenged | Kind::Refused => false,
            Kind::Named { .. }
            | Kind::Charged { .. }
            | Kind::Stale
            | Kind::Accepted
            | Kind::Succeeded
            | Kind::Registered { .. }
            | Kind::Unregistered { .. }
            | Kind::Qualified => return Vec::new(),
        };
        let source_net = SourceNet::of(evidence.source);
        let at_source = |at_source: &mut UnprovenAtSource| at_source.see(account, evidence, settings, failed);
        let mut found = self.sources.change(&source_net, at_source);
        if failed {
            found.extend(self.accounts.change(account, |account_history| {
                account_history.fail(source_net, evidence.at);
                let (count, seconds) = account_history.sources(evidence.at, settings.distributed.within);
                let rule = settings.distributed;
                (rule.on && count >= rule.count).then_some(Trigger {
                    rule: Rule::Distributed,
                    count,
                    seconds,
                })
            }));
        }
        let raise = |trigger: Trigger| {
            let of_account = trigger.rule == Rule::Distributed;
            let (source, account) =
                if of_account { (None, Some(account.clone())) } else { (Some(evidence.source.into()), None) };
            self.alerts.raise(evidence.at, source, account, trigger)
        };
        found.into_iter().filter_map(raise).collect()
    }

    pub(super) const fn forgotten(&self) -> u64 {
        self.sources.forgotten() + self.accounts.forgotten()
    }

    #[cfg(test)]
    pub(super) const fn weight(&self) -> usize {
        self.sources.weight() + self.accounts.weight()
    }
}

impl UnprovenAtSource {
    fn see(
        &mut self,
        account: &Account,
        evidence: &Evidence,
        settings: &Settings,
        failed: bool,
    ) -> Vec<Trigger> {
        let at = evidence.at;
        self.last = self.last.max(at);
        self.sequence.ask(account, at, failed || evidence.kind == Kind::Refused);
        let mut found = Vec::new();
        if failed {
            self.failing.insert(account.clone(), at);
            if self.failing.len() > NAMES {
                let oldest =
                    self.failing.iter().min_by_key(|(_, at)| **at).map(|(account, _)| account.clone());
                oldest.map(|account| self.failing.remove(&account));
            }
            let rule = settings.many_accounts;
            let (count, seconds) = tally(self.failing.values().copied(), at, rule.within);
            if rule.on && count >= rule.count {
                found.push(Trigger { rule: Rule::ManyAccounts, count, seconds });
            }
        }
        let run = self.sequence.run(account, at, settings.sequential.within);
        if settings.sequential.on && run.count >= settings.sequential.count {
            found.push(Trigger { rule: Rule::Sequential, count: run.count, seconds: seconds(run.since, at) });
        }
        found
    }
}
