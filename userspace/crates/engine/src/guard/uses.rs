//! Where an account has been used, the latest last: each has a few places, and gives up the one that it used longest ago
//! for one more. So one account that works fills no table.

use std::collections::{BTreeMap, BTreeSet};

use sipward_types::account::Account;

#[derive(Debug)]
pub(super) struct Uses<W> {
    of_account: BTreeMap<Account, Vec<W>>,
    /// The same, to be found by the place.
    users: BTreeMap<W, BTreeSet<Account>>,
    /// Of one account.
    most: usize,
}

/// The source or flow that an account gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GivenUp<W> {
    pub(super) source_net: W,
    /// Other accounts are used there.
    pub(super) has_others: bool,
}

impl<W: Copy + Ord> Uses<W> {
    pub(super) const fn new(most: usize) -> Self {
        Self { of_account: BTreeMap::new(), users: BTreeMap::new(), most }
    }

    /// Where `users_max` accounts are used, no further one is noted.
    pub(super) fn note(&mut self, source_net: W, account: &Account, users_max: usize) -> Option<GivenUp<W>> {
        let users = self.users.entry(source_net).or_default();
        if !users.contains(account) && users.len() >= users_max {
            return None;
        }
        users.insert(account.clone());
        let source_nets = self.of_account.entry(account.clone()).or_default();
        source_nets.retain(|other| *other != source_net);
        source_nets.push(source_net);
        if source_nets.len() <= self.most {
            return None;
        }
        let oldest = source_nets.remove(0);
        let users = self.users.get_mut(&oldest)?;
        users.remove(account);
        let has_others = !users.is_empty();
        if !has_others {
            self.users.remove(&oldest);
        }
        Some(GivenUp { source_net: oldest, has_others })
    }

    pub(super) fn of(&self, account: &Account) -> impl Iterator<Item = W> {
        self.of_account.get(account).into_iter().flatten().copied()
    }

    /// It is no more: who used it has one less.
    pub(super) fn forget(&mut self, source_net: W) {
        for account in self.users.remove(&source_net).into_iter().flatten() {
            if let Some(source_nets) = self.of_account.get_mut(&account) {
                source_nets.retain(|other| *other != source_net);
                if source_nets.is_empty() {
                    self.of_account.remove(&account);
                }
            }
        }
    }
}
