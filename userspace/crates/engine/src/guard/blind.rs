//! Times in which packets went by that nobody saw.
//!
//! A known source stays known meanwhile, as the packet that would have renewed it may have been among them. It has a
//! bound, or one who floods could keep himself known for ever.

use std::time::Duration;

use super::time::{is_recent, seconds};
use sipward_types::time::KernelTime;

/// Entries that run out so soon after packets were missed may have been renewed by one of them.
pub(super) const RENEWS: Duration = Duration::from_secs(1_800);
/// So long at most, without anything that was seen.
pub(super) const LONGEST: Duration = Duration::from_secs(86_400);
/// Packets that are missed with less than that between them are missed all the time.
const PAUSE: Duration = Duration::from_secs(10);
/// An alert is raised if packets are missed all the time for so long.
const TOLERATED: u32 = 60;

#[derive(Debug, Default)]
pub(super) struct Blind {
    since: KernelTime,
    last: Option<KernelTime>,
    missed: u64,
}

/// The number of missed packets, and the seconds that they span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missed {
    pub(super) count: u32,
    pub(super) seconds: u32,
}

impl Blind {
    /// The alert's numbers, if it goes on for too long.
    pub(super) fn miss(&mut self, at: KernelTime, count: u64) -> Option<Missed> {
        if self.last.is_none_or(|last| !is_recent(last, at, PAUSE)) {
            (self.since, self.missed) = (at, 0);
        }
        self.last = self.last.max(Some(at));
        self.missed = self.missed.saturating_add(count);
        let seconds = seconds(self.since, at);
        let count = u32::try_from(self.missed).unwrap_or(u32::MAX);
        (seconds >= TOLERATED).then_some(Missed { count, seconds })
    }

    /// True if what runs out now may only seem to.
    pub(super) fn may_have_missed(&self, now: KernelTime) -> bool {
        self.last.is_some_and(|last| is_recent(last, now, RENEWS))
    }
}
