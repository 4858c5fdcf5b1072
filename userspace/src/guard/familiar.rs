//! Where accounts work, and have worked.

use std::time::Duration;

use super::{
    Account,
    moment::is_recent,
    place::Place,
    room::{Keep, Room},
};

/// Accounts at a source that are remembered. The one that worked longest ago goes first, and with it goes only that it
/// counts like any other when it fails.
const FAMILIAR: usize = 65_536;
/// An account that has worked at a source is nobody's guess there, even long after: a whole office may have wrong
/// passwords after somebody changed them all.
const MEMORY: Duration = Duration::from_secs(30 * 86_400);

#[derive(Debug)]
pub(super) struct Familiar(Room<(Place, Account), Worked>);

#[derive(Debug, Default)]
struct Worked {
    at: u64,
    until: u64,
}

impl Keep for Worked {
    fn weight(&self) -> usize {
        1
    }

    fn worth(&self) -> u32 {
        0
    }

    fn last(&self) -> u64 {
        self.at
    }
}

impl Default for Familiar {
    fn default() -> Self {
        Self(Room::new(FAMILIAR))
    }
}

impl Familiar {
    pub(super) fn works(&mut self, place: Place, account: &Account, at: u64, until: u64) {
        self.0.change(&(place, account.clone()), |worked| {
            *worked = Worked { at: worked.at.max(at), until: worked.until.max(until) };
        });
    }

    pub(super) fn works_until(&self, place: Place, account: &Account, now: u64) -> Option<u64> {
        self.0.get(&(place, account.clone())).map(|worked| worked.until).filter(|until| *until > now)
    }

    pub(super) fn has_worked(&self, place: Place, account: &Account, now: u64) -> bool {
        self.0.get(&(place, account.clone())).is_some_and(|worked| is_recent(worked.at, now, MEMORY))
    }

    pub(super) fn accounts_at(&self, place: Place, now: u64) -> impl Iterator<Item = &Account> {
        self.0
            .iter()
            .filter(move |((at, _), worked)| *at == place && worked.until > now)
            .map(|((_, account), _)| account)
    }

    pub(super) fn places_of(&self, account: &Account, now: u64) -> impl Iterator<Item = Place> {
        self.0
            .iter()
            .filter(move |((_, name), worked)| name == account && worked.until > now)
            .map(|((place, _), _)| *place)
    }
}
