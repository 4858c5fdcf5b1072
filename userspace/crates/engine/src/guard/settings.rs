//! The settings of the rules.

use std::{ops::RangeInclusive, time::Duration};

use sipward_types::time::Lifetime;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Where each setting makes sense. The guard itself takes any value; who reads a configuration refuses others.
pub const RETRIES: RangeInclusive<u32> = 1..=100;
pub const SUSPENSION: RangeInclusive<Duration> = seconds(MINUTE, DAY);
pub const COUNT: RangeInclusive<u32> = 2..=100;
pub const WITHIN: RangeInclusive<Duration> = seconds(10, 7 * DAY);
/// Unless it is for ever.
pub const LASTS: RangeInclusive<Duration> = seconds(MINUTE, 365 * DAY);
pub const PHONES: RangeInclusive<u32> = 1..=200;
pub const GRACE: RangeInclusive<Duration> = seconds(0, DAY);
pub const WORKED: RangeInclusive<Duration> = seconds(MINUTE, 7 * DAY);

const fn seconds(least: u64, most: u64) -> RangeInclusive<Duration> {
    RangeInclusive::new(Duration::from_secs(least), Duration::from_secs(most))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// An account fails in a row from one source to register.
    pub suspend: Retries,
    /// The same for calls and whatever else asks for credentials.
    pub calls: Retries,
    /// An account fails, from wherever it does not work. Off: with it anybody who has one address of his own can lock
    /// out a user on the road.
    pub lock: Threshold,
    /// Accounts that fail from one source.
    pub many_accounts: Threshold,
    /// Accounts in a row (100, 101, 102) that one source asks for in vain.
    pub sequential: Threshold,
    /// Accounts that fail from one source, each no more than twice.
    pub spray: Threshold,
    /// Sources from which one account fails.
    pub distributed: Threshold,
    /// Quick suspensions of one source; one is forgotten each time `within` has passed.
    pub persistent: Threshold,
    /// Banned sources of one /24 or /64. Off: neighbours are seldom accomplices.
    pub neighbours: Threshold,
    pub known: KnownSettings,
}

/// So many failures in a row, and it is suspended for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    pub on: bool,
    pub retries: u32,
    pub time: Duration,
}

/// So many within a time, and what follows lasts so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    pub on: bool,
    pub count: u32,
    pub within: Duration,
    pub lasts: Lifetime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownSettings {
    /// Phones that one source is given a budget for, at most.
    pub phones: u32,
    /// The time that a source stays known after its registrations have ended: after an outage phones come back late.
    pub grace: Duration,
    /// The time that a source is known after credentials were accepted without a registration, or after a trunk answered.
    pub worked: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let retries = Retries { on: true, retries: 6, time: Duration::from_secs(180) };
        let threshold = |on, count, within, lasts| Threshold {
            on,
            count,
            within: Duration::from_secs(within),
            lasts: Lifetime::For(Duration::from_secs(lasts)),
        };
        Self {
            suspend: retries,
            calls: retries,
            lock: threshold(false, 5, 30 * MINUTE, 30 * MINUTE),
            many_accounts: threshold(true, 12, 10 * MINUTE, HOUR),
            sequential: threshold(true, 6, 10 * MINUTE, HOUR),
            spray: threshold(true, 8, HOUR, HOUR),
            distributed: threshold(true, 10, 30 * MINUTE, 30 * MINUTE),
            persistent: threshold(true, 3, HOUR, DAY),
            neighbours: threshold(false, 8, DAY, DAY),
            known: KnownSettings {
                phones: 100,
                grace: Duration::from_secs(30 * MINUTE),
                worked: Duration::from_secs(HOUR),
            },
        }
    }
}
