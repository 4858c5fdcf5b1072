//! One account: the sources from which it fails.
//!
//! IPv6 counts by /48 here: the sixteen /64s of a home's line are no crowd, and must not lock an account.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    bounded_map::Evictable,
    settings::COUNT,
    source_net::SourceNet,
    time::{is_recent, seconds},
};
use sipward_types::time::KernelTime;

/// The most that any rule can ask for.
const MOST: usize = *COUNT.end() as usize;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct AccountHistory {
    latest: BTreeMap<SourceNet, KernelTime>,
    failures: VecDeque<(KernelTime, SourceNet)>,
    last: KernelTime,
}

impl AccountHistory {
    /// As it was saved. Older versions counted each /64.
    pub(super) fn restored(self) -> Self {
        let mut latest = BTreeMap::new();
        for (source_net, at) in self.latest {
            let last: &mut KernelTime = latest.entry(source_net.widest()).or_default();
            *last = at.max(*last);
        }
        let failures = self.failures.into_iter().map(|(at, source_net)| (at, source_net.widest())).collect();
        Self { latest, failures, last: self.last }
    }

    pub(super) fn fail(&mut self, source_net: SourceNet, at: KernelTime) {
        let source_net = source_net.widest();
        self.last = self.last.max(at);
        self.latest.insert(source_net, at);
        if self.latest.len() > MOST {
            let oldest = self.latest.iter().min_by_key(|(_, at)| **at).map(|(source_net, _)| *source_net);
            oldest.map(|source_net| self.latest.remove(&source_net));
        }
        self.failures.push_back((at, source_net));
        if self.failures.len() > MOST {
            self.failures.pop_front();
        }
    }

    pub(super) fn knows(&self, source_net: SourceNet) -> bool {
        let source_net = source_net.widest();
        self.latest.contains_key(&source_net) || self.failures.iter().any(|(_, from)| *from == source_net)
    }

    pub(super) fn forget(&mut self, source_net: SourceNet) {
        let source_net = source_net.widest();
        self.latest.remove(&source_net);
        self.failures.retain(|(_, from)| *from != source_net);
    }

    /// The count, and the seconds that it spans.
    pub(super) fn sources(&self, now: KernelTime, within: Duration) -> (u32, u32) {
        tally(self.latest.values().copied(), now, within)
    }

    pub(super) fn failures(&self, now: KernelTime, within: Duration) -> (u32, u32) {
        tally(self.failures.iter().map(|(at, _)| *at), now, within)
    }
}

pub(super) fn tally(
    times: impl Iterator<Item = KernelTime>,
    now: KernelTime,
    within: Duration,
) -> (u32, u32) {
    let recent = times.filter(|at| is_recent(*at, now, within));
    let (count, since) = recent.fold((0, now), |(count, since), at| (count + 1, since.min(at)));
    (count, seconds(since, now))
}

impl Evictable for AccountHistory {
    fn weight(&self) -> usize {
        self.latest.len() + self.failures.len()
    }

    fn worth(&self) -> u32 {
        self.latest.len() as u32
    }

    fn last(&self) -> KernelTime {
        self.last
    }
}
