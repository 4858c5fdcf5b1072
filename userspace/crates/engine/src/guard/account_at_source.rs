//! One account at one source: what failed.

use std::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    score::WHOLE,
    settings::Retries,
    source_net::Same,
    time::{is_recent, seconds},
};
use sipward_types::time::KernelTime;
use sipward_types::{
    evidence::{Evidence, Kind, Method},
    flow::Flow,
};

/// A failure is forgotten when a day has passed without another.
pub(super) const STREAK_MEMORY: Duration = Duration::from_secs(86_400);
/// Between two guesses that are as quick as a machine's.
const QUICK: Duration = Duration::from_secs(2);
/// Attempts that are recognised when they come again.
const ATTEMPTS: usize = 4;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct AccountAtSource {
    register: Streak,
    calls: Streak,
    /// Failures since the account was last left alone.
    pub(super) guesses: u32,
    pub(super) last: KernelTime,
    pub(super) flows: Same<Flow>,
    pub(super) addresses: Same<IpAddr>,
    attempts: [Option<u64>; ATTEMPTS],
    next_attempt: usize,
    /// Of the suspension that it led to. In a /64 it is for all of its addresses, decided for each when it tries.
    pub(super) suspended_until: KernelTime,
}

/// Failures in a row.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Streak {
    pub(super) count: u32,
    first: KernelTime,
    last: KernelTime,
}

impl Streak {
    fn fail(&mut self, at: KernelTime) -> Self {
        if self.count == 0 || !is_recent(self.last, at, STREAK_MEMORY) {
            *self = Self { count: 0, first: at, last: at };
        }
        self.count = self.count.saturating_add(1);
        self.last = self.last.max(at);
        *self
    }

    fn now(&self, now: KernelTime) -> u32 {
        if is_recent(self.last, now, STREAK_MEMORY) { self.count } else { 0 }
    }

    pub(super) fn seconds(self) -> u32 {
        seconds(self.first, self.last)
    }

    /// The likeness to a machine, in thousandths: one guess in two seconds wholly, and then falling with the square, so
    /// that a phone with a wrong password, which tries each half minute for days, hardly counts. A single failure has no
    /// pace and counts wholly.
    pub(super) fn pace(self) -> u32 {
        let least = QUICK.as_nanos() * u128::from(self.count.saturating_sub(1));
        let took = self.last.since(self.first).as_nanos();
        if took <= least {
            return WHOLE;
        }
        u32::try_from(least * least * u128::from(WHOLE) / (took * took)).unwrap_or(WHOLE)
    }
}

impl AccountAtSource {
    /// The streak that it continues; `None`: it is the very attempt that came before.
    pub(super) fn fail(&mut self, evidence: &Evidence, quiet: Duration) -> Option<Streak> {
        let is_register = evidence.method == Method::Register;
        self.guess(evidence, quiet).then(|| {
            let streak = if is_register { &mut self.register } else { &mut self.calls };
            streak.fail(evidence.at)
        })
    }

    /// Counts against the source alone. False: it is the very attempt that came before.
    pub(super) fn guess(&mut self, evidence: &Evidence, quiet: Duration) -> bool {
        if let Kind::Failed { attempt } | Kind::Named { attempt } = evidence.kind {
            if self.attempts.contains(&Some(attempt)) {
                return false;
            }
            self.attempts[self.next_attempt] = Some(attempt);
            self.next_attempt = (self.next_attempt + 1) % ATTEMPTS;
        }
        if !is_recent(self.last, evidence.at, quiet) {
            (self.guesses, self.flows, self.addresses) = (0, Same::None, Same::None);
        }
        self.guesses = self.guesses.saturating_add(1);
        self.last = self.last.max(evidence.at);
        self.flows = self.flows.and(Same::One(evidence.flow));
        self.addresses = self.addresses.and(Same::One(evidence.source));
        true
    }

    pub(super) const fn suspend(&mut self, until: KernelTime) {
        self.suspended_until = until;
        self.register = Streak { count: 0, first: KernelTime::START, last: KernelTime::START };
        self.calls = Streak { count: 0, first: KernelTime::START, last: KernelTime::START };
    }

    /// To register, and otherwise.
    pub(super) fn failures(&self, now: KernelTime) -> (u32, u32) {
        (self.register.now(now), self.calls.now(now))
    }
}

impl Retries {
    pub(super) const fn are_spent(&self, streak: Streak) -> bool {
        self.on && streak.count >= self.retries
    }
}
