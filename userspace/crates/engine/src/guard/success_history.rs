//! Where accounts work, and have worked.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{
    bounded_map::{BoundedMap, Evictable},
    sites::{AT_ONCE, Sites},
    source_net::SourceNet,
};
use sipward_types::time::KernelTime;
use sipward_types::{account::Account, flow::Flow};

/// Accounts at a source that are remembered. The one that worked longest ago goes first, and with it goes only that it
/// counts like any other when it fails.
const SUCCESSES: usize = 65_536;
/// An account that has worked at a source is nobody's guess there, even long after: a whole office may have wrong
/// passwords after somebody changed them all.
const MEMORY: Duration = Duration::from_secs(30 * 86_400);
/// The saved time is longer than needed, so that not each refresh has to be saved.
const SPARE: Duration = Duration::from_secs(3600);

/// Of one account, which must not fill the table. Again the one that worked longest ago goes.
const OF_ACCOUNT: usize = 64;

#[derive(Debug)]
pub(super) struct SuccessHistory {
    pub(super) pairs: BoundedMap<(SourceNet, Account), Worked>,
    /// The same, to be found by the account. There may be some that were forgotten since.
    by_account: BTreeSet<(Account, SourceNet)>,
    sites: Sites,
    /// Changes that the filter has not got yet; `None`: all that there is.
    fresh: Option<Vec<(IpAddr, Account, KernelTime)>>,
}

/// More changes than that are handed over as all at once.
const FRESH: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Worked {
    /// Until then it works.
    until: KernelTime,
    /// Until then it has worked.
    remembered: KernelTime,
    /// From which it worked last.
    flow: Option<Flow>,
    /// As they are saved: never before the two above.
    saved_until: KernelTime,
    saved_remembered: KernelTime,
    is_dirty: bool,
}

/// As it is saved, beside until when it is remembered.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    /// So long before it is forgotten it ceases to work, in nanoseconds: that is the same in another boot.
    before: u64,
    flow: Option<Flow>,
}

impl Worked {
    fn works(&mut self, flow: Flow, at: KernelTime, until: KernelTime) {
        self.until = self.until.max(until);
        self.remembered = self.remembered.max(at + MEMORY).max(self.until);
        let is_behind = self.saved_until < self.until || self.saved_remembered < self.remembered;
        if is_behind {
            self.saved_until = self.until + SPARE;
            self.saved_remembered = self.remembered + SPARE;
        }
        self.is_dirty |= is_behind || self.flow != Some(flow);
        self.flow = Some(flow);
    }

    /// Until when it is remembered, and the rest.
    pub(super) fn saved(&self) -> (KernelTime, Saved) {
        let before = self.saved_remembered.since(self.saved_until).as_nanos() as u64;
        (self.saved_remembered, Saved { before, flow: self.flow })
    }

    pub(super) fn restored(remembered: KernelTime, saved: Saved) -> Self {
        let until = remembered - Duration::from_nanos(saved.before);
        Self {
            until,
            remembered,
            flow: saved.flow,
            saved_until: until,
            saved_remembered: remembered,
            is_dirty: false,
        }
    }
}

impl Evictable for Worked {
    fn weight(&self) -> usize {
        1
    }

    fn worth(&self) -> u32 {
        0
    }

    fn last(&self) -> KernelTime {
        self.remembered
    }

    fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.is_dirty)
    }
}

impl Default for SuccessHistory {
    fn default() -> Self {
        Self {
            pairs: BoundedMap::saved(SUCCESSES),
            by_account: BTreeSet::new(),
            sites: Sites::default(),
            fresh: None,
        }
    }
}

impl SuccessHistory {
    pub(super) fn works(
        &mut self,
        source_net: SourceNet,
        account: &Account,
        flow: Flow,
        at: KernelTime,
        until: KernelTime,
    ) {
        let is_new = self.pairs.get(&(source_net, account.clone())).is_none();
        self.pairs.change(&(source_net, account.clone()), |worked| worked.works(flow, at, until));
        self.note_change(source_net, account);
        if is_new {
            self.note(source_net, account);
            self.forget_others_of(account);
            if let Some(site) = source_net.wider()
                && self.sites.add(site, || in_net(&self.pairs, site.net()).count())
            {
                self.forget_others_in(site);
            }
        }
    }

    /// Takes over a saved success. A surplus goes when the next account works.
    pub(super) fn restore(&mut self, source_net: SourceNet, account: &Account, worked: Worked) {
        self.pairs.restore(&(source_net, account.clone()), worked);
        self.note(source_net, account);
    }

    fn note(&mut self, source_net: SourceNet, account: &Account) {
        self.by_account.insert((account.clone(), source_net));
        if self.by_account.len() > 2 * SUCCESSES {
            let all = self.pairs.iter().map(|((source_net, account), _)| (account.clone(), *source_net));
            self.by_account = all.collect();
        }
    }

    fn forget_others_of(&mut self, account: &Account) {
        loop {
            let source_nets: Vec<_> = self
                .all_nets_of(account)
                .filter_map(|source_net| {
                    Some((self.pairs.get(&(source_net, account.clone()))?.remembered, source_net))
                })
                .collect();
            let oldest = source_nets.iter().min().filter(|_| source_nets.len() > OF_ACCOUNT);
            let Some((_, oldest)) = oldest.copied() else { return };
            self.pairs.remove(&(oldest, account.clone()));
            self.note_change(oldest, account);
            self.by_account.remove(&(account.clone(), oldest));
        }
    }

    fn forget_others_in(&mut self, site: SourceNet) {
        let ends = |((source_net, account), worked): (&(SourceNet, Account), &Worked)| {
            (worked.remembered, (*source_net, account.clone()))
        };
        let mut pairs: Vec<_> = in_net(&self.pairs, site.net()).map(ends).collect();
        pairs.sort_unstable();
        for (_, at_source) in pairs.iter().take(AT_ONCE) {
            self.pairs.remove(at_source);
            self.note_change(at_source.0, &at_source.1);
        }
        self.sites.recount(site);
    }

    fn all_nets_of(&self, account: &Account) -> impl Iterator<Item = SourceNet> {
        let all = self.by_account.range((account.clone(), SourceNet::first())..);
        let account = account.clone();
        all.take_while(move |(of, _)| *of == account).map(|(_, source_net)| *source_net)
    }

    pub(super) fn works_until(
        &self,
        source_net: SourceNet,
        account: &Account,
        now: KernelTime,
    ) -> Option<KernelTime> {
        self.pairs.get(&(source_net, account.clone())).map(|worked| worked.until).filter(|until| *until > now)
    }

    pub(super) fn remembered(&self, source_net: SourceNet, account: &Account) -> KernelTime {
        self.pairs.get(&(source_net, account.clone())).map_or(KernelTime::START, |worked| worked.remembered)
    }

    pub(super) fn has_worked(&self, source_net: SourceNet, account: &Account, now: KernelTime) -> bool {
        self.pairs.get(&(source_net, account.clone())).is_some_and(|worked| worked.remembered > now)
    }

    pub(super) fn accounts_at(
        &self,
        source_net: SourceNet,
        now: KernelTime,
    ) -> impl Iterator<Item = &Account> {
        self.at(source_net).filter(move |(_, worked)| worked.until > now).map(|(account, _)| account)
    }

    /// True if another account than this one has worked at the source, or on that flow of it.
    pub(super) fn others_have_worked(
        &self,
        source_net: SourceNet,
        flow: Option<Flow>,
        account: &Account,
        now: KernelTime,
    ) -> bool {
        self.at(source_net).any(|(other, worked)| {
            other != account && worked.remembered > now && (flow.is_none() || worked.flow == flow)
        })
    }

    /// True if any account has worked at a source in it.
    pub(super) fn any_within(&self, net: IpNet, now: KernelTime) -> bool {
        in_net(&self.pairs, net).any(|(_, worked)| worked.remembered > now)
    }

    pub(super) fn nets_of(&self, account: &Account, now: KernelTime) -> impl Iterator<Item = SourceNet> {
        let works = move |source_net: &SourceNet| self.works_until(*source_net, account, now).is_some();
        self.all_nets_of(account).filter(works)
    }

    /// Until when it is remembered now; zero: it is not.
    fn note_change(&mut self, source_net: SourceNet, account: &Account) {
        let remembered = self
            .pairs
            .get(&(source_net, account.clone()))
            .map_or(KernelTime::START, |worked| worked.remembered);
        if let Some(fresh) = &mut self.fresh {
            fresh.push((source_net.address(), account.clone(), remembered));
        }
        self.fresh.take_if(|fresh| fresh.len() > FRESH);
    }

    /// The changes since the last call, and until when it is remembered now, if it is; `None`: all of it is to be
    /// looked at.
    pub(super) fn take_fresh(&mut self) -> Option<Vec<(IpAddr, Account, KernelTime)>> {
        self.fresh.replace(Vec::new())
    }

    pub(super) fn all(&self, now: KernelTime) -> impl Iterator<Item = (IpAddr, &Account, KernelTime)> {
        let all = self.pairs.iter().filter(move |(_, worked)| worked.remembered > now);
        all.map(|((source_net, account), worked)| (source_net.address(), account, worked.remembered))
    }

    fn at(&self, source_net: SourceNet) -> impl Iterator<Item = (&Account, &Worked)> {
        let all = self.pairs.starting_at((source_net, Account::least()));
        all.take_while(move |((at, _), _)| *at == source_net).map(|((_, account), worked)| (account, worked))
    }
}

fn in_net(
    pairs: &BoundedMap<(SourceNet, Account), Worked>,
    net: IpNet,
) -> impl Iterator<Item = (&(SourceNet, Account), &Worked)> {
    let all = pairs.starting_at((SourceNet::of(net.network()), Account::least()));
    all.take_while(move |((source_net, _), _)| net.contains(&source_net.net()))
}
