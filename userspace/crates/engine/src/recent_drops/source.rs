//! The record of one source.

use std::{collections::VecDeque, net::IpAddr, sync::Arc};

use ipnet::IpNet;
use xdp_prog::reason::Reason;

use super::{RECENT, score::FadingCount};
use sipward_types::time::KernelTime;

#[derive(Debug)]
pub(super) struct SeenSource {
    pub(super) score: FadingCount,
    pub(super) place: Tier,
    /// The last one of it.
    address: IpAddr,
    first: KernelTime,
    last: KernelTime,
    packets: u64,
    /// One for each reason that was met.
    tallies: Vec<SeenTally>,
    recent: VecDeque<RecentDrop>,
}

/// Where it stands among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tier {
    /// It was never dropped before.
    None,
    /// Its last drop was the so manieth of all.
    Newcomer(u64),
    Regular,
}

#[derive(Debug)]
struct SeenTally {
    reason: Reason,
    packets: u64,
    score: FadingCount,
}

/// One drop that the kernel emitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentDrop {
    /// Kernel monotonic nanoseconds.
    pub at: KernelTime,
    /// The drops that it stands for, itself included.
    pub packets: u64,
    pub reason: Reason,
    /// The name of the signature that matched, where that is the reason.
    pub signature: Option<Arc<str>>,
    /// False: monitor mode let it pass.
    pub enforced: bool,
    /// The first line of what it carried, as far as that was kept.
    pub first_line: Option<Box<[u8]>>,
}

/// The record of a source as it is shown. Times are kernel monotonic nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen<'a> {
    /// The address, or the /64.
    pub source: IpNet,
    /// The last address of it.
    pub address: IpAddr,
    pub first: KernelTime,
    pub last: KernelTime,
    /// In all, for as long as it was remembered.
    pub packets: u64,
    /// The same count, but what was dropped ten minutes ago counts half, and so on.
    pub lately: f64,
    /// The one with the most packets lately first.
    pub reasons: Vec<SeenReason>,
    /// One by one, the latest last.
    pub recent: &'a VecDeque<RecentDrop>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeenReason {
    pub reason: Reason,
    pub packets: u64,
    pub lately: f64,
}

impl SeenSource {
    pub(super) fn new(address: IpAddr, at: KernelTime) -> Self {
        Self {
            score: FadingCount::NONE,
            place: Tier::None,
            address,
            first: at,
            last: at,
            packets: 0,
            tallies: Vec::new(),
            recent: VecDeque::new(),
        }
    }

    pub(super) fn add(&mut self, address: IpAddr, drop_seen: RecentDrop) {
        let RecentDrop { at, packets, reason, .. } = drop_seen;
        let score = FadingCount::new(packets, at);
        self.score = self.score.plus(score);
        self.packets = self.packets.saturating_add(packets);
        self.address = address;
        // Several CPUs tell, and one may be a little behind.
        self.first = self.first.min(at);
        self.last = self.last.max(at);
        match self.tallies.iter_mut().find(|tally| tally.reason == reason) {
            Some(tally) => {
                tally.packets = tally.packets.saturating_add(packets);
                tally.score = tally.score.plus(score);
            }
            None => self.tallies.push(SeenTally { reason, packets, score }),
        }
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(drop_seen);
    }

    /// The record of the source `key` at `now`.
    pub(super) fn seen(&self, key: IpAddr, now: KernelTime) -> Seen<'_> {
        let length = if key.is_ipv4() { 32 } else { 64 };
        let mut tallies: Vec<_> = self.tallies.iter().collect();
        tallies.sort_by_key(|tally| std::cmp::Reverse(tally.score));
        let reason = |tally: &SeenTally| SeenReason {
            reason: tally.reason,
            packets: tally.packets,
            lately: tally.score.count(now),
        };
        Seen {
            source: IpNet::new_assert(key, length),
            address: self.address,
            first: self.first,
            last: self.last,
            packets: self.packets,
            lately: self.score.count(now),
            reasons: tallies.into_iter().map(reason).collect(),
            recent: &self.recent,
        }
    }
}
