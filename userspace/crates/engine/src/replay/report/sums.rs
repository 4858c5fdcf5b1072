//! The sums of a replay.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    time::Duration,
};

use xdp_prog::reason::Action;

use super::{JudgedPacket, Why};

#[derive(Debug, Default)]
pub(super) struct Sums {
    start: Option<Duration>,
    pub(super) all: ReasonTally,
    pub(super) truncated: u64,
    sources: HashMap<IpAddr, ReasonTally>,
}

#[derive(Debug, Default)]
pub(super) struct ReasonTally {
    pub(super) packets: u64,
    pub(super) dropped: u64,
    by_reason: BTreeMap<Why, u64>,
}

impl Sums {
    pub(super) fn add(&mut self, judged: &JudgedPacket) {
        self.start.get_or_insert(judged.at);
        self.truncated += u64::from(judged.truncated);
        self.all.add(judged.why);
        if let Some(source) = judged.source() {
            self.sources.entry(source).or_default().add(judged.why);
        }
    }

    /// When the first packet was.
    pub(super) fn start(&self) -> Duration {
        self.start.unwrap_or_default()
    }

    /// Those that lose most first.
    pub(super) fn sources(&self) -> Vec<(IpAddr, &ReasonTally)> {
        let mut sources: Vec<_> = self.sources.iter().map(|(source, tally)| (*source, tally)).collect();
        sources.sort_by_key(|(source, tally)| (Reverse(tally.dropped), Reverse(tally.packets), *source));
        sources
    }
}

impl ReasonTally {
    fn add(&mut self, why: Why) {
        self.packets += 1;
        self.dropped += u64::from(why.action() == Action::Drop);
        *self.by_reason.entry(why).or_default() += 1;
    }

    pub(super) const fn passed(&self) -> u64 {
        self.packets - self.dropped
    }

    /// Drops first, then the most frequent.
    pub(super) fn by_reason(&self) -> Vec<(Why, u64)> {
        let mut reasons: Vec<_> = self.by_reason.iter().map(|(why, count)| (*why, *count)).collect();
        reasons.sort_by_key(|(why, count)| (why.action() == Action::Pass, Reverse(*count)));
        reasons
    }
}
