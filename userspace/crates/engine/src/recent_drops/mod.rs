//! Recently dropped sources and the reasons, in memory, for `explain` and `top`. Fed with the drop events of the kernel.
//!
//! A source is what it is for the limits: an IPv4 address, or an IPv6 /64 with the last address of it that was seen.
//!
//! There is room for so many sources and no more. A source's first drop makes it a newcomer: when those are too many,
//! the one with the oldest last drop is forgotten. A second drop makes it a regular, if there is room or if one
//! of the regulars has a lower count, which fades with time: that one is forgotten. So a flood of forged sources, each
//! of them new, washes through the newcomers' quarter of the room and leaves those alone who keep coming.

mod score;
mod source;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
};

pub use self::source::{RecentDrop, Seen, SeenReason};
use self::{
    score::FadingCount,
    source::{SeenSource, Tier},
};
use crate::first_line::first_line;
use sipward_types::time::KernelTime;
use sipward_types::{
    address::{from_key, to_key},
    drop_event::DropEvent,
};

/// Sources that are remembered.
const SOURCES: usize = 16_384;
/// Drops of each that are remembered one by one.
const RECENT: usize = 16;
/// Bytes of a first line that are remembered: more than any ordinary one has.
const LINE_MAX: usize = 120;

/// The record.
#[derive(Debug)]
pub struct RecentDrops {
    sources: HashMap<IpAddr, SeenSource>,
    /// The lowest count first.
    regulars: BTreeSet<(FadingCount, IpAddr)>,
    regulars_max: usize,
    /// The one whose last drop is oldest first.
    newcomers: BTreeMap<u64, IpAddr>,
    newcomers_max: usize,
    /// Events so far.
    told: u64,
    /// Of the signatures in force, by id.
    names: Vec<Arc<str>>,
}

impl Default for RecentDrops {
    fn default() -> Self {
        Self::with_room(SOURCES)
    }
}

impl RecentDrops {
    /// For so many sources, a quarter of them newcomers.
    fn with_room(sources: usize) -> Self {
        let newcomers_max = sources / 4;
        Self {
            sources: HashMap::new(),
            regulars: BTreeSet::new(),
            regulars_max: sources - newcomers_max,
            newcomers: BTreeMap::new(),
            newcomers_max,
            told: 0,
            names: Vec::new(),
        }
    }

    /// Names the signatures that events speak of from now on, by id.
    pub fn name_signatures(&mut self, names: &[String]) {
        // Sightings share what stays.
        if self.names.iter().map(|name| &**name).eq(names) {
            return;
        }
        self.names = names.iter().map(|name| Arc::from(name.as_str())).collect();
    }

    /// Remembers a drop. Those of the filter's own probe are nobody's.
    pub fn see(&mut self, event: &DropEvent) {
        if sipward_types::probe_address::is_probe(event.source) {
            return;
        }
        self.told += 1;
        let drop_seen = self.drop_seen(event);
        let key = source_of(event.source);
        let source = self.sources.entry(key).or_insert_with(|| SeenSource::new(event.source, event.at));
        let before = source.place;
        match before {
            Tier::None => {}
            Tier::Newcomer(turn) => drop(self.newcomers.remove(&turn)),
            Tier::Regular => drop(self.regulars.remove(&(source.score, key))),
        }
        source.add(event.source, drop_seen);
        let has_room = self.regulars.len() < self.regulars_max;
        let beats_one = || self.regulars.first().is_some_and(|(lowest, _)| *lowest < source.score);
        if before != Tier::None && (has_room || beats_one()) {
            source.place = Tier::Regular;
            self.regulars.insert((source.score, key));
        } else {
            source.place = Tier::Newcomer(self.told);
            self.newcomers.insert(self.told, key);
        }
        self.make_room();
    }

    fn make_room(&mut self) {
        if self.regulars.len() > self.regulars_max
            && let Some((_, key)) = self.regulars.pop_first()
        {
            self.sources.remove(&key);
        }
        if self.newcomers.len() > self.newcomers_max
            && let Some((_, key)) = self.newcomers.pop_first()
        {
            self.sources.remove(&key);
        }
    }

    /// The `count` sources with the most packets lately, the first one first.
    pub fn top(&self, count: usize, now: KernelTime) -> Vec<Seen<'_>> {
        let newcomers = self.newcomers.values().map(|key| (self.sources[key].score, *key));
        let mut top: Vec<_> = self.regulars.iter().rev().take(count).copied().chain(newcomers).collect();
        top.sort_unstable_by(|a, b| b.cmp(a));
        top.into_iter().take(count).filter_map(|(_, key)| self.of(key, now)).collect()
    }

    /// The record of the source that the address belongs to.
    pub fn of(&self, address: IpAddr, now: KernelTime) -> Option<Seen<'_>> {
        let key = source_of(address);
        Some(self.sources.get(&key)?.seen(key, now))
    }

    fn drop_seen(&self, event: &DropEvent) -> RecentDrop {
        let line = first_line(&event.head, event.frame_length);
        RecentDrop {
            at: event.at,
            packets: packets(event),
            reason: event.reason,
            signature: event.signature.and_then(|id| self.names.get(usize::from(id)).cloned()),
            enforced: event.enforced,
            first_line: line.map(|line| line[..line.len().min(LINE_MAX)].into()),
        }
    }
}

/// The number of drops that an event stands for.
fn packets(event: &DropEvent) -> u64 {
    u64::from(event.unseen) + 1
}

/// The unit that the limits take for one sender.
fn source_of(address: IpAddr) -> IpAddr {
    from_key(to_key(address).source())
}
