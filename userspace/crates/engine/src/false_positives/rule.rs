//! The sources that one rule hit.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use sipward_types::time::WallSeconds;

use super::{DAY, Settings};

/// Several CPUs write events, and an answer may be read that long before an earlier drop.
const EARLY: Duration = Duration::from_secs(1);
/// Sources that are remembered of a rule.
pub(super) const ROOM: usize = 1_024;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rule {
    /// Of the sources, one in so many powers of two is in the sample.
    pub(super) level: u32,
    pub(super) sources: HashMap<IpAddr, Hit>,
    flagged: bool,
    changed: bool,
}

/// One source in the sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// The rarity of the source: the highest level at which it is still in the sample.
    pub(super) rank: u32,
    /// For how many powers of two of sources it stands.
    pub(super) level: u32,
    /// When it was dropped last, and when it authenticated after a drop.
    pub(super) dropped: WallSeconds,
    pub(super) authenticated: Option<WallSeconds>,
}

/// The figures of a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Sources that it hit within a day, and those of them that authenticated within a day after.
    pub sources: u64,
    pub authenticated: u64,
    /// These are not counts but the best guess from a sample.
    pub estimated: bool,
    pub flagged: bool,
}

impl Rule {
    pub(super) fn dropped(&mut self, source: IpAddr, rank: u32, at: WallSeconds) {
        if rank < self.level {
            return;
        }
        let level = self.level;
        let new = Hit { rank, level, dropped: at, authenticated: None };
        let hit = self.sources.entry(source).or_insert(new);
        hit.dropped = hit.dropped.max(at);
        self.changed = true;
        while self.sources.len() > ROOM {
            self.thin_out();
        }
    }

    pub(super) fn authenticated(&mut self, source: IpAddr, at: WallSeconds) {
        let Some(hit) = self.sources.get_mut(&source) else { return };
        if hit.dropped.since(at) <= EARLY && at.since(hit.dropped) <= DAY {
            hit.authenticated = hit.authenticated.max(Some(at));
            self.changed = true;
        }
    }

    /// True if anything is left.
    pub(super) fn tick(&mut self, now: WallSeconds) -> bool {
        let before = self.sources.len();
        // A clock that was set back leaves times to come.
        self.sources.retain(|_, hit| now.abs_diff(hit.last()) <= DAY);
        self.changed |= self.sources.len() != before;
        // Whoever comes from now on stands for fewer; those that are there go on standing for as many as they did.
        if self.sources.len() < ROOM / 4 {
            self.level = self.level.saturating_sub(1);
        }
        !self.sources.is_empty()
    }

    /// Half of the sources go, and each that stays stands for twice as many.
    fn thin_out(&mut self) {
        self.level += 1;
        let level = self.level;
        self.sources.retain(|_, hit| {
            hit.level = hit.level.max(level);
            hit.rank >= level
        });
    }

    pub(super) fn tally(&self, settings: &Settings) -> Tally {
        let hits = || self.sources.values();
        let authenticated = || hits().filter(|hit| hit.authenticated.is_some());
        let sources = hits().map(|hit| hit.stands_for()).sum();
        let later = authenticated().map(|hit| hit.stands_for()).sum();
        Tally {
            sources,
            authenticated: later,
            estimated: hits().any(|hit| hit.level > 0),
            // The number is one of sources that were seen: a single one that stands for many is no proof.
            flagged: authenticated().count() >= settings.sources as usize
                && self.is_above(later, sources, settings),
        }
    }

    /// A flagged rule stays flagged down to half the share, or it would be flagged again and again.
    fn is_above(&self, later: u64, sources: u64, settings: &Settings) -> bool {
        let hundred = if self.flagged { 200 } else { 100 };
        u128::from(later) * hundred >= u128::from(sources) * u128::from(settings.share)
    }

    pub(super) fn newly_flagged(&mut self, settings: &Settings) -> Option<Tally> {
        let tally = self.tally(settings);
        let before = std::mem::replace(&mut self.flagged, tally.flagged);
        (tally.flagged && !before).then_some(tally)
    }

    pub(super) fn last(&self) -> WallSeconds {
        self.sources.values().map(Hit::last).max().unwrap_or_default()
    }

    /// True if it has since this was asked last.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    pub(super) const fn set_changed(&mut self) {
        self.changed = true;
    }

    pub(super) const fn is_flagged(&self) -> bool {
        self.flagged
    }

    pub(super) fn restored(level: u32, sources: HashMap<IpAddr, Hit>, flagged: bool) -> Self {
        Self { level, sources, flagged, changed: false }
    }
}

impl Hit {
    fn last(&self) -> WallSeconds {
        self.dropped.max(self.authenticated.unwrap_or_default())
    }

    fn stands_for(&self) -> u64 {
        1 << self.level.min(63)
    }
}
