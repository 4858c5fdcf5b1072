//! One account: the sources from which it fails.
//!
//! IPv6 counts by /48 here: the sixteen /64s of a home's line are no crowd, and must not lock an account.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    moment::{is_recent, seconds},
    place::Place,
    room::Keep,
    settings::COUNT,
};

/// What any rule can ask for.
const MOST: usize = *COUNT.end() as usize;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Crowd {
    latest: BTreeMap<Place, u64>,
    failures: VecDeque<(u64, Place)>,
    last: u64,
}

impl Crowd {
    /// As it was saved. Older versions counted each /64.
    pub(super) fn restored(self) -> Self {
        let mut latest = BTreeMap::new();
        for (place, at) in self.latest {
            let last: &mut u64 = latest.entry(place.widest()).or_default();
            *last = at.max(*last);
        }
        let failures = self.failures.into_iter().map(|(at, place)| (at, place.widest())).collect();
        Self { latest, failures, last: self.last }
    }

    pub(super) fn fail(&mut self, place: Place, at: u64) {
        let place = place.widest();
        self.last = self.last.max(at);
        self.latest.insert(place, at);
        if self.latest.len() > MOST {
            let oldest = self.latest.iter().min_by_key(|(_, at)| **at).map(|(place, _)| *place);
            oldest.map(|place| self.latest.remove(&place));
        }
        self.failures.push_back((at, place));
        if self.failures.len() > MOST {
            self.failures.pop_front();
        }
    }

    pub(super) fn knows(&self, place: Place) -> bool {
        let place = place.widest();
        self.latest.contains_key(&place) || self.failures.iter().any(|(_, from)| *from == place)
    }

    pub(super) fn forget(&mut self, place: Place) {
        let place = place.widest();
        self.latest.remove(&place);
        self.failures.retain(|(_, from)| *from != place);
    }

    /// How many, over how many seconds.
    pub(super) fn sources(&self, now: u64, within: Duration) -> (u32, u32) {
        tally(self.latest.values().copied(), now, within)
    }

    pub(super) fn failures(&self, now: u64, within: Duration) -> (u32, u32) {
        tally(self.failures.iter().map(|(at, _)| *at), now, within)
    }
}

pub(super) fn tally(times: impl Iterator<Item = u64>, now: u64, within: Duration) -> (u32, u32) {
    let recent = times.filter(|at| is_recent(*at, now, within));
    let (count, since) = recent.fold((0, now), |(count, since), at| (count + 1, since.min(at)));
    (count, seconds(since, now))
}

impl Keep for Crowd {
    fn weight(&self) -> usize {
        self.latest.len() + self.failures.len()
    }

    fn worth(&self) -> u32 {
        self.latest.len() as u32
    }

    fn last(&self) -> u64 {
        self.last
    }
}
