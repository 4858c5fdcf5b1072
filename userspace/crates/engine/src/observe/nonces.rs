//! The secrets that the PBX has sent, and to whom: nonces of its challenges, and tags of its answers.
//!
//! A nonce that comes back proves the address that it was sent to, if it was sent to no other: some PBXs, Kamailio by
//! default, give everybody the same nonce within one second, and anybody could have fetched it for himself and use it
//! in the name of another. What somebody could guess by trying proves nothing either.
//!
//! Nor does what was made while something left that nobody saw, as that may have told it somebody else: an answer that
//! was lost on its way here or of which only the beginning was seen, and anything over TLS. Who wants a nonce that is not
//! seen with him gets it that way. What the PBX makes for each request alone he cannot get so. What it makes for each
//! address alone he cannot get over TLS; but a Via may send the answer elsewhere (`maddr`), so an answer that was not seen
//! may have told it to him. See [`nonce_scope`](super::nonce_scope).
//!
//! An answer is looked at whoever it goes to, also to whom is banned or trusted: what it tells was sent there.

use std::{net::IpAddr, time::Duration};

use super::{
    fingerprint::Fingerprint,
    nonce_scope::{IssuedNonce, IssuerProfiles, NonceIssuer},
    request::{Presented, Request},
    two_tier_map::TwoTierMap,
    verified_sources::VerifiedSources,
};
use crate::observe::nonce_scope::Maker;
use sipward_types::fifo_map::FifoMap;
use sipward_types::time::KernelTime;

/// A challenge is answered within that time. A nonce that is used for the first time later than that
/// was kept for something else.
const FRESH: Duration = Duration::from_secs(60);
/// Nonces that are made within that time of each other may be the same.
const ALIKE: Duration = Duration::from_secs(5);
/// In bytes: shorter ones can be guessed.
const UNGUESSABLE: usize = 8;
/// A PBX has few, unless it takes what the request says for one.
const REALMS_MAX: usize = 4_096;

#[derive(Debug)]
pub(super) struct Nonces {
    sent: TwoTierMap<Fingerprint, SentSecret>,
    /// By nonce, account and source: a nonce that phones behind one address share was used by each for itself.
    used: TwoTierMap<Fingerprint, Used>,
    issuers: IssuerProfiles,
    /// In which the PBX asks for credentials.
    realms: FifoMap<Fingerprint, ()>,
    /// When the last of each may have gone unseen.
    unseen: [Option<KernelTime>; 3],
    forgotten: u64,
}

/// A gap in what the observer sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// An answer or a question of the PBX, or a part of it.
    Answer,
    /// Something that it said over TLS, or on a connection that it had opened.
    Hidden,
    /// An answer that came from elsewhere. If it was passed on, it looks like one of the PBX's own.
    Foreign,
}

#[derive(Debug)]
struct SentSecret {
    to: IpAddr,
    /// To another address too.
    shared: bool,
    guessable: bool,
    maker: Maker,
    /// Only in answers to nothing that came from there: a proxy passes on whatever answers it gets, and who sends them
    /// chooses what is in them.
    unasked: bool,
    realm: Option<Fingerprint>,
    /// The first time, and the last.
    since: KernelTime,
    at: KernelTime,
}

#[derive(Debug, Default)]
struct Used {
    /// The number of times that it came back, and which of these (up to 64) were refused.
    times: u32,
    refused: u64,
    accepted: bool,
    /// With it the password was right, and nobody else's was beside it.
    is_right: bool,
}

/// A thing that goes out and may come back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Echo {
    pub(super) fingerprint: Fingerprint,
    pub(super) length: usize,
    pub(super) realm: Option<Fingerprint>,
    pub(super) maker: Maker,
}

/// Whom something is sent to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receiver {
    pub(super) address: IpAddr,
    /// The method of the answered request; of one with credentials, with their account. `None`: nobody knows.
    pub(super) question: Option<Fingerprint>,
    /// It is in an answer to a request that came from there, or in a request of ours.
    pub(super) has_asked: bool,
    /// That request was part of a call.
    pub(super) in_dialog: bool,
}

impl Receiver {
    /// Something that answers nothing that was seen to come from there.
    pub(super) const fn unasked(address: IpAddr) -> Self {
        Self { address, question: None, has_asked: false, in_dialog: false }
    }

    pub(super) fn of(request: &Request) -> Self {
        let question = if request.has_credentials() { request.own_question } else { request.question };
        Self {
            address: request.source,
            question: (!request.is_cut).then_some(question),
            has_asked: true,
            in_dialog: request.in_dialog,
        }
    }
}

/// The knowledge about a nonce that came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NonceStatus {
    pub(super) use_of: Use,
    /// The realm that it was sent with.
    pub(super) realm: Option<Fingerprint>,
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
        Self {
            sent: TwoTierMap::new(capacity),
            used: TwoTierMap::new(capacity),
            issuers: IssuerProfiles::default(),
            realms: FifoMap::new(REALMS_MAX),
            unseen: [None; 3],
            forgotten: 0,
        }
    }

    pub(super) const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// True: another address has got the same.
    pub(super) fn send(
        &mut self,
        echo: Echo,
        to: Receiver,
        at: KernelTime,
        verified_sources: &VerifiedSources,
    ) -> bool {
        let Receiver { address: to, has_asked, in_dialog, .. } = to;
        let maker = if in_dialog { Maker::Pbx } else { echo.maker };
        if let (true, Some(realm)) = (has_asked, echo.realm)
            && self.realms.renew(&realm).is_none()
        {
            self.realms.insert(realm, ());
        }
        let mut whose = verified_sources.find(to);
        let sent = match self.sent.remove(&echo.fingerprint) {
            Some(before) => {
                // A stranger who gets a verified source's nonce does not take it along.
                whose = whose.or_else(|| verified_sources.find(before.to));
                if before.to != to {
                    [before.maker, maker].into_iter().for_each(|maker| self.issuers.shares(maker));
                }
                SentSecret {
                    shared: before.shared || before.to != to,
                    unasked: before.unasked && !has_asked,
                    at: before.at.max(at),
                    ..before
                }
            }
            None => SentSecret {
                to,
                shared: false,
                guessable: echo.length < UNGUESSABLE,
                maker,
                unasked: !has_asked,
                realm: echo.realm,
                since: at,
                at,
            },
        };
        let shared = sent.shared;
        self.forgotten += u64::from(self.sent.insert(echo.fingerprint, sent, whose));
        shared
    }

    /// It came back in a request. How often it had before.
    pub(super) fn use_it(
        &mut self,
        presented: &Presented,
        by: IpAddr,
        verified_sources: &VerifiedSources,
    ) -> u32 {
        match self.used.get_mut(&presented.used) {
            Some(used) => {
                used.times = used.times.saturating_add(1);
                used.times - 1
            }
            None => {
                let used = Used { times: 1, ..Used::default() };
                let whose = verified_sources.find(by);
                self.forgotten += u64::from(self.used.insert(presented.used, used, whose));
                0
            }
        }
    }

    /// Of a nonce in a request that came `at` from `by`. `None`: never sent there, or forgotten.
    pub(super) fn nonce_status(
        &self,
        presented: &Presented,
        by: IpAddr,
        at: KernelTime,
    ) -> Option<NonceStatus> {
        let sent = self.sent.get(&presented.nonce).filter(|sent| sent.shared || sent.to == by)?;
        let used = self.used.get(&presented.used);
        let current = match presented.earlier {
            0 => at < sent.at + FRESH,
            earlier => used.is_some_and(|used| used.was_always_refused(earlier)),
        };
        Some(NonceStatus { use_of: if current { Use::Current } else { Use::Kept }, realm: sent.realm })
    }

    /// `alone`: nobody else's credentials were beside it.
    pub(super) fn accepted(&mut self, presented: &Presented, alone: bool) {
        if let Some(used) = self.used.get_mut(&presented.used) {
            used.accepted = true;
            used.is_right |= alone;
        }
    }

    /// With a success the PBX announces a nonce for the next request of the same account and source: as good as this one.
    pub(super) fn announced(&mut self, used: Fingerprint, by: IpAddr, verified_sources: &VerifiedSources) {
        if self.used.get(&used).is_none() {
            let next = Used { accepted: true, is_right: true, ..Used::default() };
            self.forgotten += u64::from(self.used.insert(used, next, verified_sources.find(by)));
        }
    }

    /// True if the account's password was right there with that nonce.
    pub(super) fn was_right(&self, presented: &Presented) -> bool {
        self.used.get(&presented.used).is_some_and(|used| used.is_right)
    }

    pub(super) fn is_own_realm(&self, realm: Fingerprint) -> bool {
        self.realms.get(&realm).is_some()
    }

    /// When it was sent for the first time.
    pub(super) fn sent_at(&self, fingerprint: Fingerprint) -> Option<KernelTime> {
        self.sent.get(&fingerprint).map(|sent| sent.since)
    }

    pub(super) fn refused(&mut self, presented: &Presented) {
        if let Some(used) = self.used.get_mut(&presented.used) {
            used.refused |= 1_u64.checked_shl(presented.earlier).unwrap_or_default();
        }
    }

    /// Until now.
    pub(super) fn miss(&mut self, what: Unseen, now: KernelTime) {
        let last = &mut self.unseen[what as usize];
        *last = Some(last.map_or(now, |last| last.max(now)));
    }

    /// The nonce that the PBX gave to a request. One that it only passed on says nothing of how it makes them.
    pub(super) fn note_issued(&mut self, issuer: NonceIssuer, issued: IssuedNonce) {
        let is_foreign = self.sent.get(&issued.nonce).is_some_and(|sent| sent.maker == Maker::Elsewhere);
        if !is_foreign && self.has_seen_all(Unseen::Foreign, issued.at) {
            self.issuers.see(issuer, issued);
        }
    }

    /// Of what went out at that time, or at about that time to somebody else.
    fn has_seen_all(&self, what: Unseen, since: KernelTime) -> bool {
        self.unseen[what as usize].is_none_or(|last| last + ALIKE < since)
    }

    pub(super) fn was_sent(&self, fingerprint: Fingerprint) -> bool {
        self.sent.get(&fingerprint).is_some()
    }

    /// True if it was seen for which request it was sent.
    pub(super) fn was_asked_for(&self, fingerprint: Fingerprint) -> bool {
        self.sent.get(&fingerprint).is_some_and(|sent| !sent.unasked)
    }

    /// True if only this address can know it, by what has been sent so far.
    pub(super) fn proves(&self, fingerprint: Fingerprint, by: IpAddr) -> bool {
        let seen_all = |what, sent: &SentSecret| self.has_seen_all(what, sent.since);
        let reached_nobody_else =
            |sent: &SentSecret| seen_all(Unseen::Answer, sent) && seen_all(Unseen::Hidden, sent);
        self.sent
            .get(&fingerprint)
            .filter(|sent| sent.to == by && !sent.shared && !sent.guessable && !sent.unasked)
            .is_some_and(|sent| match sent.maker {
                Maker::Question => seen_all(Unseen::Answer, sent),
                // An answer goes to whom the request names: only one that nobody saw can have told it somebody else.
                Maker::Issuer(issuer) => {
                    seen_all(Unseen::Foreign, sent)
                        && (self.issuers.is_by_chance(issuer)
                            || seen_all(Unseen::Answer, sent)
                                && (self.issuers.is_for_one(issuer) || seen_all(Unseen::Hidden, sent)))
                }
                Maker::Pbx => seen_all(Unseen::Foreign, sent) && reached_nobody_else(sent),
                Maker::Elsewhere => false,
            })
    }
}

impl Used {
    /// Each of the first `times`.
    fn was_always_refused(&self, times: u32) -> bool {
        let mask = 1_u64.checked_shl(times).map_or(u64::MAX, |bit| bit - 1);
        !self.accepted && self.refused & mask == mask
    }
}
