//! Whom the rules hit by mistake: of the sources that each rule dropped, or would have dropped, how many authenticated
//! within a day.
//!
//! Pure: drops as the kernel emits them, proven successes and times go in, and what to think of each rule comes out.
//! Times are those of the wall clock, in seconds, as the figures outlive a boot.
//!
//! A source that has failed as an attacker does is no such mistake, even if he finds the password in the end.
//!
//! A source is what it is for the limits, an IPv4 address or an IPv6 /64. Of each rule so many sources are remembered
//! and no more: when they are too many, a fair sample of them, each of which stands for several. Which ones is decided
//! by a key that nobody else knows, so that a flood of made-up senders makes the sample coarser, but cannot choose who
//! is in it. There are as many rules as reasons to drop and signatures: some sixty, a few hundred at most. One that is
//! full takes some 120 KiB, so that all of it is 7 MiB as shipped and 75 at the very worst.

mod rule;
mod saved;
mod settings;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    time::Duration,
};

use self::rule::Rule;
pub use self::{
    rule::Tally,
    saved::{Saved, SavedError},
    settings::{SHARE, SOURCES, Settings},
};
use sipward_types::{
    address::{from_key, to_key},
    time::WallSeconds,
};

/// An authentication speaks against the rule for that long after a drop.
pub const DAY: Duration = Duration::from_secs(86_400);
/// More than there can be reasons and signatures in force at once; names that signatures had before go first.
const RULES: usize = 640;

/// Attackers that are remembered. The one that attacked longest ago goes first.
const ATTACKERS: usize = 4_096;

#[derive(Debug)]
pub struct FalsePositives {
    settings: Settings,
    /// Sources that failed as an attacker does, and when they did last.
    attackers: HashMap<IpAddr, WallSeconds>,
    /// Decides which sources are in a sample.
    key: u64,
    rules: BTreeMap<String, Rule>,
}

impl FalsePositives {
    /// `key`: random, and the same for all that is restored.
    pub fn new(settings: Settings, key: u64) -> Self {
        Self { settings, attackers: HashMap::new(), key, rules: BTreeMap::new() }
    }

    pub fn set(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// A rule has dropped something from a source, or would have: `options-stranger`, `signature:friendly-scanner`.
    pub fn dropped(&mut self, rule: &str, source: IpAddr, at: WallSeconds) {
        let (source, rank) = self.place(source);
        if let Some(rule) = self.rules.get_mut(rule) {
            return rule.dropped(source, rank, at);
        }
        if self.rules.len() == RULES {
            self.forget_one();
        }
        self.rules.entry(rule.to_owned()).or_default().dropped(source, rank, at);
    }

    /// It was suspended or banned for what it did, and that was proven.
    pub fn attacked(&mut self, source: IpAddr, at: WallSeconds) {
        let (source, _) = self.place(source);
        if self.attackers.len() >= ATTACKERS && !self.attackers.contains_key(&source) {
            let oldest = self.attackers.iter().min_by_key(|(_, at)| **at).map(|(source, _)| *source);
            oldest.map(|source| self.attackers.remove(&source));
        }
        self.attackers.insert(source, at);
    }

    /// A source has authenticated, and it was proven that it is that source.
    pub fn authenticated(&mut self, source: IpAddr, at: WallSeconds) {
        let (source, _) = self.place(source);
        if self.attackers.get(&source).is_some_and(|attacked| at.since(*attacked) <= DAY) {
            return;
        }
        self.rules.values_mut().for_each(|rule| rule.authenticated(source, at));
    }

    /// Forgets what is over.
    pub fn tick(&mut self, now: WallSeconds) {
        self.rules.retain(|_, rule| rule.tick(now));
        self.attackers.retain(|_, at| now.abs_diff(*at) <= DAY);
    }

    /// The figures of the rules that dropped anything within a day.
    pub fn tallies(&self) -> BTreeMap<String, Tally> {
        self.rules.iter().map(|(name, rule)| (name.clone(), rule.tally(&self.settings))).collect()
    }

    /// Rules that are flagged and were not when this was asked last.
    pub fn newly_flagged(&mut self) -> Vec<(String, Tally)> {
        let settings = self.settings;
        let flagged = self
            .rules
            .iter_mut()
            .filter_map(|(name, rule)| Some((name.clone(), rule.newly_flagged(&settings)?)));
        flagged.collect()
    }

    /// For the next start. Of each rule that has changed since the last time.
    pub fn save(&mut self) -> Vec<Saved> {
        let key = self.key;
        let changed = self.rules.iter_mut().filter_map(|(name, rule)| rule.save(name, key));
        changed.collect()
    }

    /// Saving failed: all of it is saved the next time.
    pub fn not_saved(&mut self) {
        self.rules.values_mut().for_each(Rule::set_changed);
    }

    /// Takes over the saved state. A rule that cannot be read begins anew, and is named.
    pub fn restore(&mut self, saved: &[Saved], now: WallSeconds) -> Vec<SavedError> {
        let mut faults = Vec::new();
        for saved in saved {
            match saved.read() {
                Ok((key, rule)) => {
                    self.key = key;
                    self.rules.insert(saved.rule.clone(), rule);
                }
                Err(fault) => faults.push(fault),
            }
        }
        self.tick(now);
        faults
    }

    fn place(&self, source: IpAddr) -> (IpAddr, u32) {
        let key = to_key(source).source();
        let bits = match from_key(key) {
            IpAddr::V4(source) => u128::from(u32::from(source)),
            IpAddr::V6(source) => u128::from(source),
        };
        let hash = mix(mix(self.key ^ (bits >> 64) as u64) ^ bits as u64);
        (from_key(key), hash.leading_zeros())
    }

    /// The one that dropped nothing for longest.
    fn forget_one(&mut self) {
        let idle = self.rules.iter().min_by_key(|(_, rule)| rule.last()).map(|(name, _)| name.clone());
        if let Some(name) = idle {
            self.rules.remove(&name);
        }
    }
}

/// SplitMix64's: each bit of what goes in changes half of what comes out.
const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
