//! One source: what counts against it.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    Account, Flow, Settings, memory::failed_over, moment::is_recent, pair::Pair, place::Same, room::Keep,
    score::Score, sequence::Sequence,
};

/// Accounts of one source that are remembered: more than any rule can ask for, with the phones of an office on top.
const ACCOUNTS: usize = 512;
/// Guesses at one account that still look like one password for all.
pub(super) const SPRAYED: u32 = 2;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Trail {
    pub(super) pairs: BTreeMap<Account, Pair>,
    pub(super) sequence: Sequence,
    pub(super) persistent: Persistent,
    /// All that was asked or failed.
    pub(super) flows: Same<Flow>,
    pub(super) addresses: Same<IpAddr>,
    pub(super) last: u64,
}

/// Suspensions again and again.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Persistent {
    pub(super) score: Score,
    since: u64,
    flows: Same<Flow>,
    addresses: Same<IpAddr>,
}

impl Persistent {
    pub(super) fn add(
        &mut self,
        pace: u32,
        at: u64,
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

    pub(super) fn tally(&self, now: u64, within: Duration) -> Tally {
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
    pub(super) since: u64,
    pub(super) flows: Same<Flow>,
    pub(super) addresses: Same<IpAddr>,
}

impl Trail {
    pub(super) fn pair(&mut self, account: &Account) -> &mut Pair {
        if self.pairs.len() >= ACCOUNTS && !self.pairs.contains_key(account) {
            let least = self.pairs.iter().min_by_key(|(_, pair)| (pair.guesses > SPRAYED, pair.last));
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
    pub(super) fn over(&self) -> u64 {
        failed_over(self.last).max(self.persistent.score.empty_at())
    }

    /// `is_guess` says whether an account is one that never worked here.
    pub(super) fn many_accounts(
        &self,
        now: u64,
        settings: &Settings,
        is_guess: impl Fn(&Account) -> bool,
    ) -> Tally {
        self.tally(now, |account, pair| {
            is_recent(pair.last, now, settings.many_accounts.within) && is_guess(account)
        })
    }

    pub(super) fn spray(&self, now: u64, settings: &Settings, is_guess: impl Fn(&Account) -> bool) -> Tally {
        self.tally(now, |account, pair| {
            pair.guesses <= SPRAYED && is_recent(pair.last, now, settings.spray.within) && is_guess(account)
        })
    }

    fn tally(&self, now: u64, counts: impl Fn(&Account, &Pair) -> bool) -> Tally {
        let none = Tally { count: 0, since: now, flows: Same::None, addresses: Same::None };
        self.pairs.iter().filter(|(account, pair)| pair.guesses > 0 && counts(account, pair)).fold(
            none,
            |tally, (_, pair)| Tally {
                count: tally.count + 1,
                since: tally.since.min(pair.last),
                flows: tally.flows.and(pair.flows),
                addresses: tally.addresses.and(pair.addresses),
            },
        )
    }
}

impl Keep for Trail {
    fn weight(&self) -> usize {
        self.pairs.len() + self.sequence.len()
    }

    /// Somebody who only asked, somebody who failed, somebody who was suspended.
    fn worth(&self) -> u32 {
        u32::from(!self.pairs.is_empty()) + u32::from(self.persistent.is_any())
    }

    fn last(&self) -> u64 {
        self.last
    }
}
