//! Suspensions and locks that are in force.
//!
//! They stay to their end. When there are too many there are no new ones, rather than old ones that end early: who is
//! refused is somebody who would have to fail a few times more, who is let go is an attacker.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;

use super::view::ActiveSuspension;
use sipward_types::account::Account;
use sipward_types::time::KernelTime;

/// Half of what the kernel has room for: there, each source takes one more.
pub(super) const CLOSED: usize = 32_768;

/// An account from one source, or from anywhere.
pub(super) type SuspendedScope = (Account, Option<IpAddr>);

#[derive(Debug, Default)]
pub(super) struct ActiveSuspensions {
    by_key: BTreeMap<SuspendedScope, ActiveSuspension>,
    by_source: BTreeMap<IpAddr, BTreeSet<Account>>,
    ends: BTreeSet<(KernelTime, SuspendedScope)>,
    /// Since when the filter drops what comes for it.
    dropping: BTreeMap<SuspendedScope, KernelTime>,
    refused: u64,
}

impl ActiveSuspensions {
    pub(super) fn get(
        &self,
        account: &Account,
        source: Option<IpAddr>,
        now: KernelTime,
    ) -> Option<ActiveSuspension> {
        self.by_key.get(&(account.clone(), source)).copied().filter(|suspension| suspension.until > now)
    }

    /// Instead of what was there. `false`: there is no room.
    pub(super) fn insert(&mut self, key: SuspendedScope, suspension: ActiveSuspension) -> bool {
        if self.by_key.len() >= CLOSED && !self.by_key.contains_key(&key) {
            self.refused += 1;
            return false;
        }
        self.remove(&key);
        if !suspension.until.is_forever() {
            self.ends.insert((suspension.until, key.clone()));
        }
        if let Some(source) = key.1 {
            self.by_source.entry(source).or_default().insert(key.0.clone());
        }
        self.by_key.insert(key, suspension);
        true
    }

    /// True if it was suspended or locked.
    pub(super) fn remove(&mut self, key: &SuspendedScope) -> bool {
        let Some(suspension) = self.by_key.remove(key) else { return false };
        self.dropping.remove(key);
        self.ends.remove(&(suspension.until, key.clone()));
        if let Some(source) = key.1
            && let Some(accounts) = self.by_source.get_mut(&source)
        {
            accounts.remove(&key.0);
            if accounts.is_empty() {
                self.by_source.remove(&source);
            }
        }
        true
    }

    /// The filter has it, and drops what comes for it from now on.
    pub(super) fn is_dropping(&mut self, key: &SuspendedScope, now: KernelTime) {
        if self.by_key.contains_key(key) {
            self.dropping.insert(key.clone(), now);
        }
    }

    /// The same of all there are.
    pub(super) fn all_are_dropping(&mut self, now: KernelTime) {
        self.dropping = self.by_key.keys().map(|key| (key.clone(), now)).collect();
    }

    pub(super) fn dropping_since(&self, key: &SuspendedScope) -> Option<KernelTime> {
        self.dropping.get(key).copied()
    }

    /// One whose time is over.
    pub(super) fn ended(&self, now: KernelTime) -> Option<SuspendedScope> {
        self.ends.first().filter(|(until, _)| *until <= now).map(|(_, key)| key.clone())
    }

    /// The lock first, then by source.
    pub(super) fn of_account(
        &self,
        account: &Account,
    ) -> impl Iterator<Item = (&SuspendedScope, &ActiveSuspension)> {
        self.by_key.range((account.clone(), None)..).take_while(move |(key, _)| key.0 == *account)
    }

    pub(super) fn of_net(&self, net: IpNet) -> impl Iterator<Item = SuspendedScope> {
        let sources = self.by_source.range(net.network()..=net.broadcast());
        sources.flat_map(|(source, accounts)| accounts.iter().map(|account| (account.clone(), Some(*source))))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&SuspendedScope, &ActiveSuspension)> {
        self.by_key.iter()
    }

    pub(super) const fn refused(&self) -> u64 {
        self.refused
    }
}
