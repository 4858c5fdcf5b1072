//! Suspensions and locks that are in force.
//!
//! They stay to their end. When there are too many there are no new ones, rather than old ones that end early: who is
//! refused is somebody who would have to fail a few times more, who is let go is an attacker.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;
use xdp_prog::abi::FOREVER;

use super::{Account, view::Closed};

/// Half of what the kernel has room for: there, each source takes one more.
pub(super) const CLOSED: usize = 32_768;

/// An account from one source, or from anywhere.
pub(super) type Door = (Account, Option<IpAddr>);

#[derive(Debug, Default)]
pub(super) struct ClosedDoors {
    doors: BTreeMap<Door, Closed>,
    by_source: BTreeMap<IpAddr, BTreeSet<Account>>,
    ends: BTreeSet<(u64, Door)>,
    /// Since when the filter drops what comes for it.
    dropping: BTreeMap<Door, u64>,
    refused: u64,
}

impl ClosedDoors {
    pub(super) fn get(&self, account: &Account, source: Option<IpAddr>, now: u64) -> Option<Closed> {
        self.doors.get(&(account.clone(), source)).copied().filter(|closed| closed.until > now)
    }

    /// Instead of what was there. `false`: there is no room.
    pub(super) fn close(&mut self, door: Door, closed: Closed) -> bool {
        if self.doors.len() >= CLOSED && !self.doors.contains_key(&door) {
            self.refused += 1;
            return false;
        }
        self.open(&door);
        if closed.until != FOREVER {
            self.ends.insert((closed.until, door.clone()));
        }
        if let Some(source) = door.1 {
            self.by_source.entry(source).or_default().insert(door.0.clone());
        }
        self.doors.insert(door, closed);
        true
    }

    /// Whether it was closed.
    pub(super) fn open(&mut self, door: &Door) -> bool {
        let Some(closed) = self.doors.remove(door) else { return false };
        self.dropping.remove(door);
        self.ends.remove(&(closed.until, door.clone()));
        if let Some(source) = door.1
            && let Some(accounts) = self.by_source.get_mut(&source)
        {
            accounts.remove(&door.0);
            if accounts.is_empty() {
                self.by_source.remove(&source);
            }
        }
        true
    }

    /// The filter has it, and drops what comes for it from now on.
    pub(super) fn is_dropping(&mut self, door: &Door, now: u64) {
        if self.doors.contains_key(door) {
            self.dropping.insert(door.clone(), now);
        }
    }

    /// The same of all there are.
    pub(super) fn all_are_dropping(&mut self, now: u64) {
        self.dropping = self.doors.keys().map(|door| (door.clone(), now)).collect();
    }

    pub(super) fn dropping_since(&self, door: &Door) -> Option<u64> {
        self.dropping.get(door).copied()
    }

    /// One whose time is over.
    pub(super) fn ended(&self, now: u64) -> Option<Door> {
        self.ends.first().filter(|(until, _)| *until <= now).map(|(_, door)| door.clone())
    }

    /// The lock first, then by source.
    pub(super) fn of_account(&self, account: &Account) -> impl Iterator<Item = (&Door, &Closed)> {
        self.doors.range((account.clone(), None)..).take_while(move |(door, _)| door.0 == *account)
    }

    pub(super) fn of_net(&self, net: IpNet) -> impl Iterator<Item = Door> {
        let sources = self.by_source.range(net.network()..=net.broadcast());
        sources.flat_map(|(source, accounts)| accounts.iter().map(|account| (account.clone(), Some(*source))))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Door, &Closed)> {
        self.doors.iter()
    }

    pub(super) const fn refused(&self) -> u64 {
        self.refused
    }
}
