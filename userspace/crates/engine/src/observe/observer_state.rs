//! The state that all transactions share.

use std::time::Duration;

use super::{
    Counters, Settings,
    answer::Answer,
    challenge_tracking::ChallengeTracking,
    diagnosis::Cause,
    fingerprint::{Fingerprint, Fingerprinter},
    histories::{Histories, Incident},
    nonce_scope::{IssuedNonce, Maker},
    nonces::{Nonces, Receiver, Use},
    request::Request,
    stale_limit::StaleLimit,
    tags::Tags,
    two_tier_map::TwoTierMap,
    verdict::{Meaning, Shown, verdict},
    verified_sources::VerifiedSources,
};
use sipward_types::fifo_map::FifoMap;
use sipward_types::time::KernelTime;
use sipward_types::{
    evidence::{Evidence, Kind, Proof},
    flow::Transport,
};

/// Of one request; those for nonces of this PBX before others.
const CREDENTIALS_MAX: usize = 4;
/// Whose credentials were accepted lately is refused for another reason.
const WORKS_FOR: Duration = Duration::from_secs(86_400);
/// The most that one tick does.
const TICK_MAX: usize = 4_096;

#[derive(Debug)]
pub(super) struct ObserverState {
    pub(super) fingerprinter: Fingerprinter,
    pub(super) verified_sources: VerifiedSources,
    pub(super) nonces: Nonces,
    pub(super) tags: Tags,
    pub(super) histories: Histories,
    pub(super) challenge_tracking: ChallengeTracking,
    stale_limit: StaleLimit,
    /// By nonce and question: what is not accepted without credentials.
    challenged: TwoTierMap<Fingerprint, ()>,
    /// By account and source: when credentials were accepted.
    works: FifoMap<Fingerprint, KernelTime>,
    pub(super) counters: Counters,
}

impl ObserverState {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            fingerprinter: Fingerprinter::default(),
            verified_sources: VerifiedSources::new(settings.verified_sources),
            nonces: Nonces::new(settings.nonces),
            tags: Tags::default(),
            histories: Histories::new(settings.histories),
            challenge_tracking: ChallengeTracking::new(settings.histories),
            stale_limit: StaleLimit::new(settings.histories),
            challenged: TwoTierMap::new(settings.nonces),
            works: FifoMap::new(settings.verified_sources),
            counters: Counters::default(),
        }
    }

    /// A request came, for the first time.
    pub(super) fn asked(&mut self, request: &mut Request) {
        request.credentials.sort_by_key(|presented| !self.nonces.was_sent(presented.nonce));
        request.credentials.truncate(CREDENTIALS_MAX);
        request.proven = self.proves(request);
        if !request.has_credentials() {
            return;
        }
        for presented in &mut request.credentials {
            presented.earlier = self.nonces.use_it(presented, request.source, &self.verified_sources);
        }
        self.challenge_tracking.answered(request);
        if request.proven {
            self.stale_limit.asked(request.who);
        }
    }

    /// The evidence of the answer about the request, if any. Not yet emitted.
    pub(super) fn conclude(&mut self, request: &Request, answer: &Answer) -> Option<Evidence> {
        let shown = self.shown(request);
        let is_right = answer.accepted() && self.is_right(request);
        let proof = if request.proven { Proof::Proven } else { Proof::Unproven };
        if proof == Proof::Proven {
            self.verified_sources.met(request.source);
            self.stale_limit.ended(request.who);
        }
        let kind = match verdict(request, shown.as_ref(), answer, is_right) {
            // They may have been in what was not seen of it: a guess, and nobody's proof.
            Meaning::Is(Kind::Challenged) if request.is_cut => Some(Kind::Failed { attempt: request.number }),
            // Passwords do not go wrong for a while: it is the destination, or one phone too many.
            Meaning::Is(Kind::Failed { .. }) if answer.status == 403 && self.works(request) => {
                Some(Kind::Refused)
            }
            Meaning::Nothing => None,
            Meaning::Is(kind) => Some(kind),
            Meaning::Kept => Some(self.kept(request, shown.as_ref()?, proof)),
        };
        self.remember(request, answer, kind, proof);
        let made_after = self.made_after(request, shown.as_ref());
        Some(Evidence {
            at: answer.at,
            source: request.source,
            flow: request.flow,
            account: request.account.clone().filter(|_| request.is_of_one || !answer.accepted()),
            method: request.method,
            kind: kind?,
            proof,
            made_after,
        })
    }

    /// Nonces and tags of an answer that goes out to that address.
    pub(super) fn sent(&mut self, answer: &Answer, to: Receiver) {
        for echo in answer.challenges.iter().chain(&answer.next_nonce) {
            let shared = self.nonces.send(*echo, to, answer.at, &self.verified_sources);
            self.counters.shared_nonces += u64::from(shared);
        }
        if let (Some(question), true) = (to.question, answer.challenged()) {
            let whose = self.verified_sources.find(to.address);
            for echo in &answer.challenges {
                self.challenged.insert(self.fingerprinter.of((echo.fingerprint, question)), (), whose);
            }
        }
        if let Some(tag) = answer.tag {
            self.nonces.send(tag.half, to, answer.at, &self.verified_sources);
        }
    }

    /// The PBX's way of making nonces.
    pub(super) fn learn(&mut self, request: &Request, answer: &Answer) {
        // Of one answer one: what others there are may be made alike.
        let Some(echo) = answer.challenges.first().filter(|_| !request.in_dialog) else { return };
        let Maker::Issuer(issuer) = echo.maker else { return };
        let issued = IssuedNonce {
            at: answer.at,
            nonce: echo.fingerprint,
            sender: request.source,
            uri: self.fingerprinter.of((request.uri, echo.realm)),
            call_id: request.call_id,
            tag: request.tag,
        };
        self.nonces.note_issued(issuer, issued);
    }

    pub(super) fn tick(&mut self, now: KernelTime) {
        for _ in 0..TICK_MAX {
            match self.challenge_tracking.ignored(now) {
                Some(line) => self.note(&line),
                None => break,
            }
        }
    }

    pub(super) fn note(&mut self, line: &Incident) {
        self.histories.note(line, &self.fingerprinter, &self.verified_sources);
    }

    /// It is known now with which proof: the evidence counts for the diagnosis too.
    pub(super) fn emitted(&mut self, evidence: &Evidence, status: u16, wrong_realm: bool) {
        let cause = match evidence.kind {
            Kind::Failed { .. } if wrong_realm => Cause::WrongRealm,
            Kind::Failed { .. } => Cause::WrongPassword,
            Kind::Stale => Cause::StaleNonces,
            Kind::Refused => Cause::RefusedByPbx,
            Kind::UnknownAccount => Cause::UnknownAccount,
            Kind::Challenged
            | Kind::Succeeded
            | Kind::Registered { .. }
            | Kind::Unregistered { .. }
            | Kind::Named { .. }
            | Kind::Charged { .. }
            | Kind::Accepted
            | Kind::Qualified => return,
        };
        self.note(&Incident {
            at: evidence.at,
            cause,
            account: evidence.account.clone(),
            source: evidence.source,
            status: Some(status),
            proof: evidence.proof,
        });
    }

    /// The credentials have another realm than the challenge had.
    pub(super) fn has_wrong_realm(&self, request: &Request) -> bool {
        self.shown(request).is_some_and(|shown| {
            let sent = shown.nonce_status.and_then(|nonce_status| nonce_status.realm);
            sent.is_some_and(|realm| realm != shown.presented.realm)
        })
    }

    /// A TCP connection on which the request was answered is one; and a nonce that only that address can know.
    fn proves(&self, request: &Request) -> bool {
        request.flow.transport == Transport::Tcp
            || request.credentials.iter().any(|presented| self.nonces.proves(presented.nonce, request.source))
    }

    /// Of several credentials those that are most likely for this PBX.
    fn shown(&self, request: &Request) -> Option<Shown> {
        let shown = request.credentials.iter().map(|presented| Shown {
            presented: *presented,
            nonce_status: self.nonces.nonce_status(presented, request.source, request.at),
        });
        // The first of the best.
        shown.min_by_key(|shown| match shown.nonce_status.map(|nonce_status| nonce_status.use_of) {
            Some(Use::Current) => 0,
            Some(Use::Kept) => 1,
            None => 2,
        })
    }

    /// True if what accepted it has accepted its credentials: one of its nonces was sent with the refusal of such a
    /// request, or was right for that account before. Otherwise it may be something that anybody is allowed.
    fn is_right(&self, request: &Request) -> bool {
        let was_challenged = |nonce: Fingerprint| {
            [request.question, request.own_question]
                .iter()
                .any(|question| self.challenged.get(&self.fingerprinter.of((nonce, *question))).is_some())
        };
        request.credentials.iter().any(|presented| {
            was_challenged(presented.nonce) || request.is_of_one && self.nonces.was_right(presented)
        })
    }

    fn made_after(&self, request: &Request, shown: Option<&Shown>) -> KernelTime {
        match request.flow.transport {
            Transport::Tcp => request.at,
            Transport::Udp => shown
                .and_then(|shown| self.nonces.sent_at(shown.presented.nonce))
                .filter(|_| request.proven)
                .unwrap_or_default(),
        }
    }

    fn works(&self, request: &Request) -> bool {
        self.works.get(&request.who).is_some_and(|at| request.at < *at + WORKS_FOR)
    }

    fn kept(&mut self, request: &Request, shown: &Shown, proof: Proof) -> Kind {
        // Unproven requests do not use up the stale limit of the source that they name.
        if proof == Proof::Unproven || self.stale_limit.lasts(request.who, request.source) {
            Kind::Stale
        } else {
            Kind::Failed { attempt: shown.presented.attempt }
        }
    }

    fn remember(&mut self, request: &Request, answer: &Answer, kind: Option<Kind>, proof: Proof) {
        let line = |cause| Incident {
            at: answer.at,
            cause,
            account: request.account.clone(),
            source: request.source,
            status: Some(answer.status),
            proof,
        };
        if request.is_cut {
            // Nobody knows what of it was accepted or refused.
        } else if answer.accepted() {
            if kind == Some(Kind::Accepted) {
                // It says nothing of a nonce that was sent for something else, and makes it none that was good before.
                for presented in &request.credentials {
                    if self.nonces.was_asked_for(presented.nonce) {
                        self.nonces.refused(presented);
                    }
                }
            } else {
                self.worked(request, answer, proof);
            }
        } else if answer.challenged() && request.has_credentials() {
            for presented in &request.credentials {
                self.nonces.refused(presented);
            }
            if self.challenge_tracking.refused(request) {
                self.note(&line(Cause::AuthLoop));
            }
        } else if answer.status == 503 {
            self.note(&line(Cause::Rate));
        }
        if kind == Some(Kind::Challenged) {
            self.challenge_tracking.challenged(request, answer.at, answer.status, proof);
        }
        if request.rewritten {
            self.note(&line(Cause::SipAlg));
        }
    }

    fn worked(&mut self, request: &Request, answer: &Answer, proof: Proof) {
        for presented in &request.credentials {
            self.nonces.accepted(presented, request.is_of_one);
        }
        for next in answer.next_nonce.iter().filter(|_| request.is_of_one) {
            let used = self.fingerprinter.of((next.fingerprint, request.who));
            self.nonces.announced(used, request.source, &self.verified_sources);
        }
        if request.has_credentials() {
            self.challenge_tracking.worked(request);
            self.histories.worked(request.account.as_ref(), request.source, &self.fingerprinter);
            if proof == Proof::Proven && request.is_of_one {
                self.stale_limit.worked(request.who, request.source);
                self.works.insert(request.who, request.at);
            }
        }
    }
}
