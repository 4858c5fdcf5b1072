//! What the PBX has sent to whom: nonces of its challenges, and tags of its answers.
//!
//! What comes back proves the address that it was sent to, if it was sent to no other: some PBXs, Kamailio by default,
//! give everybody the same nonce within one second, and anybody could have fetched it for himself and use it in the name
//! of another. What somebody could guess by trying proves nothing either; nor does what was made while an answer left
//! that nobody saw, as that may have told somebody else.

use std::net::IpAddr;

use super::{acquaintances::Acquaintances, prints::Print, request::Presented, shelves::Shelves};

/// In nanoseconds: a challenge is answered within that time. A nonce that is used for the first time later than that
/// was kept for something else.
const FRESH: u64 = 60_000_000_000;
/// In nanoseconds: nonces that are made within that time of each other may be the same.
const ALIKE: u64 = 5_000_000_000;
/// In bytes: shorter ones can be guessed.
const UNGUESSABLE: usize = 8;

#[derive(Debug)]
pub(super) struct Nonces {
    sent: Shelves<Print, Sent>,
    /// By nonce, account and source: a nonce that phones behind one address share was used by each for itself.
    used: Shelves<Print, Used>,
    /// When the last answer may have left unseen.
    missed: Option<u64>,
    forgotten: u64,
}

#[derive(Debug)]
struct Sent {
    to: IpAddr,
    /// To another address too.
    shared: bool,
    guessable: bool,
    /// Only in answers to nothing that came from there: a proxy passes on whatever answers it gets, and who sends them
    /// chooses what is in them.
    unasked: bool,
    realm: Option<Print>,
    /// The first time, and the last.
    since: u64,
    at: u64,
}

#[derive(Debug, Default)]
struct Used {
    /// How often it came back, and which of these (up to 64) were refused.
    times: u32,
    refused: u64,
    accepted: bool,
}

/// A thing that goes out and may come back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Echo {
    pub(super) print: Print,
    pub(super) length: usize,
    pub(super) realm: Option<Print>,
}

/// Whom something is sent to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receiver {
    pub(super) address: IpAddr,
    /// It is in an answer to a request that came from there, or in a request of ours.
    pub(super) has_asked: bool,
}

/// What is known of a nonce that came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) use_of: Use,
    /// The realm that it was sent with.
    pub(super) realm: Option<Print>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// For the first time and soon, or again although it was refused every time: no phone keeps such a nonce.
    Current,
    /// It was good before, or may have been, or is old: a phone may well try it once more.
    Kept,
}

impl Nonces {
    pub(super) fn new(capacity: usize) -> Self {
        Self { sent: Shelves::new(capacity), used: Shelves::new(capacity), missed: None, forgotten: 0 }
    }

    pub(super) const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// True: another address has got the same.
    pub(super) fn send(&mut self, echo: Echo, to: Receiver, at: u64, acquaintances: &Acquaintances) -> bool {
        let Receiver { address: to, has_asked } = to;
        let mut whose = acquaintances.find(to);
        let sent = match self.sent.remove(&echo.print) {
            Some(before) => {
                // A stranger who gets an acquaintance's nonce does not take it along.
                whose = whose.or_else(|| acquaintances.find(before.to));
                Sent {
                    shared: before.shared || before.to != to,
                    unasked: before.unasked && !has_asked,
                    at: before.at.max(at),
                    ..before
                }
            }
            None => Sent {
                to,
                shared: false,
                guessable: echo.length < UNGUESSABLE,
                unasked: !has_asked,
                realm: echo.realm,
                since: at,
                at,
            },
        };
        let shared = sent.shared;
        self.forgotten += u64::from(self.sent.insert(echo.print, sent, whose));
        shared
    }

    /// It came back in a request. How often it had before.
    pub(super) fn use_it(&mut self, presented: &Presented, by: IpAddr, acquaintances: &Acquaintances) -> u32 {
        match self.used.get_mut(&presented.used) {
            Some(used) => {
                used.times = used.times.saturating_add(1);
                used.times - 1
            }
            None => {
                let used = Used { times: 1, ..Used::default() };
                let whose = acquaintances.find(by);
                self.forgotten += u64::from(self.used.insert(presented.used, used, whose));
                0
            }
        }
    }

    /// Of a nonce in a request that came `at` from `by`. `None`: never sent there, or forgotten.
    pub(super) fn standing(&self, presented: &Presented, by: IpAddr, at: u64) -> Option<Standing> {
        let sent = self.sent.get(&presented.nonce).filter(|sent| sent.shared || sent.to == by)?;
        let used = self.used.get(&presented.used);
        let current = match presented.earlier {
            0 => at < sent.at.saturating_add(FRESH),
            earlier => used.is_some_and(|used| used.was_always_refused(earlier)),
        };
        Some(Standing { use_of: if current { Use::Current } else { Use::Kept }, realm: sent.realm })
    }

    pub(super) fn accepted(&mut self, presented: &Presented) {
        if let Some(used) = self.used.get_mut(&presented.used) {
            used.accepted = true;
        }
    }

    pub(super) fn refused(&mut self, presented: &Presented) {
        if let Some(used) = self.used.get_mut(&presented.used) {
            used.refused |= 1_u64.checked_shl(presented.earlier).unwrap_or_default();
        }
    }

    /// Answers have left until now that nobody saw.
    pub(super) fn miss(&mut self, now: u64) {
        self.missed = Some(now);
    }

    pub(super) fn was_sent(&self, print: Print) -> bool {
        self.sent.get(&print).is_some()
    }

    /// Whether only this address can know it, by what has been sent so far.
    pub(super) fn proves(&self, print: Print, by: IpAddr) -> bool {
        let seen_all = |since: u64| self.missed.is_none_or(|missed| missed.saturating_add(ALIKE) < since);
        self.sent
            .get(&print)
            .filter(|sent| sent.to == by && !sent.shared && !sent.guessable && !sent.unasked)
            .is_some_and(|sent| seen_all(sent.since))
    }
}

impl Used {
    /// Each of the first `times`.
    fn was_always_refused(&self, times: u32) -> bool {
        let mask = 1_u64.checked_shl(times).map_or(u64::MAX, |bit| bit - 1);
        !self.accepted && self.refused & mask == mask
    }
}
