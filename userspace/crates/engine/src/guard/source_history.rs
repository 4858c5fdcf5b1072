//! One source: what counts against it.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    Settings, account_at_source::AccountAtSource, bounded_map::Evictable, memory::failed_over, score::Score,
    sequence::Sequence, source_net::Same, time::is_recent,
};
use sipward_types::time::KernelTime;
use sipward_types::{account::Account, flow::Flow};

/// Accounts of one source that are remembered: more than any rule can ask for, with the phones of an office on top.
const ACCOUNTS: usize = 512;
/// Guesses at one account that still look like one password for all.
pub(super) const SPRAYED: u32 = 2;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct SourceHistory {
    pub(super) pairs: BTreeMap<Account, AccountAtSource>,
    pub(super) sequence: Sequence,
    pub(super) persistent: Persistent,
    /// All that was asked or failed.
    pub(super) flows: Same<Flow>,
    pub(super) addresses: Same<IpAddr>,
    pub(super) last: KernelTime,
}

/// Suspensions again and again.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Persistent {
    pub(super) score: Score,
    since: KernelTime,
    flows: Same<Flow>,
    addresses: Same<IpAddr>,
}

impl Persistent {
    pub(super) fn add(
        &mut self,
        pace: u32,
        at: KernelTime,
        within: Duration,
        flows: Same<Flow>,
        addresses: Same<IpAddr>,
    ) {
        if self.score.count(at, within) == 0 {
            *self = Self { since: at, ..Self::default() };
        }
        self.score.add(pace, at, within);
        self.flows = self.flows.and(flows);
        self.addresses = self.addresses.and(addresses);
    }

    pub(super) fn tally(&self, now: KernelTime, within: Duration) -> Tally {
        let count = self.score.count(now, within);
        Tally { count, since: self.since, flows: self.flows, addresses: self.addresses }
    }

    fn is_any(&self) -> bool {
        self.score != Score::default()
    }
}

/// Accounts that failed, from where, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) count: u32,
    pub(super) since: KernelTime,
    pub(super) flows: Same<Flow>,
    pub(super) addresses: Same<IpAddr>,
}

impl SourceHistory {
    pub(super) fn account(&mut self, account: &Account) -> &mut AccountAtSource {
        if self.pairs.len() >= ACCOUNTS && !self.pairs.contains_key(account) {
            let least =
                self.pairs.iter().min_by_key(|(_, at_source)| (at_source.guesses > SPRAYED, at_source.last));
            let least = least.map(|(account, _)| account.clone());
            least.map(|account| self.pairs.remove(&account));
        }
        self.pairs.entry(account.clone()).or_default()
    }

    pub(super) fn knows(&self, account: &Account) -> bool {
        self.pairs.contains_key(account) || self.sequence.knows(account)
    }

    pub(super) fn forget(&mut self, account: &Account) {
        self.pairs.remove(account);
        self.sequence.forget(account);
    }

    /// When nothing of it counts any more.
    pub(super) fn over(&self) -> KernelTime {
        failed_over(self.last).max(self.persistent.score.empty_at())
    }

    /// `is_guess` says whether an account is one that never worked here.
    pub(super) fn many_accounts(
        &self,
        now: KernelTime,
        settings: &Settings,
        is_guess: impl Fn(&Account) -> bool,
    ) -> Tally {
        self.tally(now, |account, at_source| {
            is_recent(at_source.last, now, settings.many_accounts.within) && is_guess(account)
        })
    }

    pub(super) fn spray(
        &self,
        now: KernelTime,
        settings: &Settings,
        is_guess: impl Fn(&Account) -> bool,
    ) -> Tally {
        self.tally(now, |account, at_source| {
            at_source.guesses <= SPRAYED
                && is_recent(at_source.last, now, settings.spray.within)
                && is_guess(account)
        })
    }

    fn tally(&self, now: KernelTime, counts: impl Fn(&Account, &AccountAtSource) -> bool) -> Tally {
        let none = Tally { count: 0, since: now, flows: Same::None, addresses: Same::None };
        self.pairs
            .iter()
            .filter(|(account, at_source)| at_source.guesses > 0 && counts(account, at_source))
            .fold(none, |tally, (_, at_source)| Tally {
                count: tally.count + 1,
                since: tally.since.min(at_source.last),
                flows: tally.flows.and(at_source.flows),
                addresses: tally.addresses.and(at_source.addresses),
            })
    }
}

impl Evictable for SourceHistory {
    fn weight(&self) -> usize {
        self.pairs.len() + self.sequence.len()
    }

    /// Somebody who only asked, somebody who failed, somebody who was suspended.
    fn worth(&self) -> u32 {
        u32::from(!self.pairs.is_empty()) + u32::from(self.persistent.is_any())
    }

    fn last(&self) -> KernelTime {
        self.last
    }
}
