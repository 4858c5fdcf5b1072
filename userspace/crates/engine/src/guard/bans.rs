//! Bans that were decided: what still comes from there was under way and counts nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use ipnet::IpNet;

use super::{
    Scope,
    account_history::tally,
    bounded_map::{BoundedMap, Evictable},
    source_net::{SourceNet, neighbours_net},
    time::is_recent,
};
use sipward_types::flow::Flow;
use sipward_types::time::KernelTime;

/// The one that ends first goes first; the ban itself stays where it is, in the kernel and the store.
const BANS: usize = 8_192;
const NEIGHBOURS: usize = 65_536;

#[derive(Debug)]
pub(super) struct Bans {
    until: BTreeMap<Scope, KernelTime>,
    ends: BTreeSet<(KernelTime, Scope)>,
    neighbours: BoundedMap<IpNet, BannedNeighbours>,
}

#[derive(Debug, Default)]
struct BannedNeighbours {
    banned: BTreeMap<IpAddr, KernelTime>,
    last: KernelTime,
}

impl Evictable for BannedNeighbours {
    fn weight(&self) -> usize {
        self.banned.len()
    }

    fn worth(&self) -> u32 {
        0
    }

    fn last(&self) -> KernelTime {
        self.last
    }
}

impl Default for Bans {
    fn default() -> Self {
        Self { until: BTreeMap::new(), ends: BTreeSet::new(), neighbours: BoundedMap::new(NEIGHBOURS) }
    }
}

impl Bans {
    pub(super) fn add(&mut self, scope: Scope, until: KernelTime) {
        if let Some(before) = self.until.insert(scope, until) {
            self.ends.remove(&(before, scope));
        }
        self.ends.insert((until, scope));
        if self.until.len() > BANS
            && let Some((_, first)) = self.ends.pop_first()
        {
            self.until.remove(&first);
        }
    }

    /// The number of its neighbours that are banned with it, and the seconds that these bans span.
    pub(super) fn add_neighbour(&mut self, source: IpAddr, at: KernelTime, within: Duration) -> (u32, u32) {
        self.neighbours.change(&neighbours_net(source), |neighbours| {
            neighbours.last = neighbours.last.max(at);
            neighbours.banned.insert(source, at);
            neighbours.banned.retain(|_, then| is_recent(*then, at, within));
            tally(neighbours.banned.values().copied(), at, within)
        })
    }

    pub(super) fn covers(&self, source: IpAddr, flow: Flow, now: KernelTime) -> bool {
        let scopes = [
            Scope::Flow { source, flow },
            Scope::Source { source },
            Scope::Prefix { net: neighbours_net(source) },
        ];
        let wider = SourceNet::of(source).wider().map(|wider| Scope::Prefix { net: wider.net() });
        scopes.iter().chain(&wider).any(|scope| self.until.get(scope).is_some_and(|until| *until > now))
    }

    /// It is not in force after all.
    pub(super) fn remove(&mut self, scope: Scope) {
        if let Some(until) = self.until.remove(&scope) {
            self.ends.remove(&(until, scope));
        }
    }

    pub(super) fn clear_net(&mut self, net: IpNet) {
        let touched = |scope: &Scope| match *scope {
            Scope::Flow { source, .. } | Scope::Source { source } => net.contains(&source),
            Scope::Prefix { net: banned } => banned.contains(&net) || net.contains(&banned),
        };
        self.ends.retain(|(_, scope)| !touched(scope));
        self.until.retain(|scope, _| !touched(scope));
        let near: Vec<_> = self.neighbours.iter().map(|(near, _)| *near).collect();
        for near in near.into_iter().filter(|near| near.contains(&net) || net.contains(near)) {
            self.neighbours
                .change(&near, |neighbours| neighbours.banned.retain(|source, _| !net.contains(source)));
        }
    }

    /// Those whose time is over need no room.
    pub(super) fn expire(&mut self, now: KernelTime, most: usize) {
        for _ in 0..most {
            let Some((_, scope)) = self.ends.first().copied().filter(|(until, _)| *until <= now) else {
                return;
            };
            self.ends.pop_first();
            self.until.remove(&scope);
        }
    }
}
