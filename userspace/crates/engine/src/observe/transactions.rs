//! Requests to the PBX and its final answers.
//!
//! They belong together where address, branch, Call-ID, From tag, CSeq and, on TCP, the connection are the same; the
//! answer has copies of the request's. The port does not count on UDP, where the answer may go to another one than the
//! request came from. An answer that is older than a request is not its answer.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use super::{
    answer::{Answer, tag_fingerprint},
    diagnosis::Cause,
    fingerprint::{Fingerprint, Fingerprinter},
    histories::Incident,
    nonces::{Echo, Receiver},
    observer_state::ObserverState,
    request::{Origin, Request},
    two_tier_map::TwoTierMap,
};
use sipward_sip::{Message, echoed};
use sipward_types::fifo_map::FifoMap;
use sipward_types::tapped::Charges;
use sipward_types::time::KernelTime;
use sipward_types::{
    account::Account,
    evidence::{Evidence, Kind, Method, Proof},
    flow::{Flow, Transport},
};

/// As long as a call may ring (RFC 3261's timer C).
const UNANSWERED_AFTER: Duration = Duration::from_millis(180_000);
/// As long as retransmissions come (RFC 3261's timer B).
const OVER_AFTER: Duration = Duration::from_millis(32_000);
/// The two rings are read one after the other: an answer may be read that long before its request.
const EARLY: Duration = Duration::from_millis(500);
/// An ACK that does not come by then may have been lost.
const ACK_WITHIN: Duration = Duration::from_millis(2_000);
/// Of the same request or answer, over more than that time: the other side does not hear us.
const LOST: u32 = 3;
const LOST_AFTER: Duration = Duration::from_millis(400);
/// Requests of the same names that wait for their answers. Nobody sends two but to hide one behind the other.
const NAMESAKES_MAX: usize = 16;
/// The most that one tick does of each kind.
const TICK_MAX: usize = 4_096;

#[derive(Debug)]
pub(super) struct Transactions {
    open: TwoTierMap<Fingerprint, Open>,
    done: TwoTierMap<Fingerprint, AnsweredRequests>,
    early: FifoMap<Fingerprint, Answer>,
    /// Evidence about INVITEs that becomes proven if an ACK comes.
    held: FifoMap<Fingerprint, HeldEvidence>,
}

#[derive(Debug)]
struct Open {
    /// Of the first request.
    at: KernelTime,
    requests: Vec<Request>,
    /// The To tag of an ACK that was read before the answer.
    acknowledged: Option<Fingerprint>,
}

#[derive(Debug)]
struct AnsweredRequests {
    /// When the answer came.
    at: KernelTime,
    /// Of its credentials.
    attempts: Fingerprint,
    answer: Fingerprint,
    status: u16,
    source: IpAddr,
    account: Option<Account>,
    proof: Proof,
    repetitions: u32,
}

#[derive(Debug)]
struct HeldEvidence {
    until: KernelTime,
    evidence: Evidence,
    others: Vec<Account>,
    status: u16,
    wrong_realm: bool,
    tag: Fingerprint,
    half: Echo,
}

impl Transactions {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            open: TwoTierMap::new(capacity),
            done: TwoTierMap::new(4 * capacity),
            early: FifoMap::new(capacity / 8),
            held: FifoMap::new(capacity),
        }
    }

    /// `whole`: the datagram, where all of it is there.
    pub(super) fn request(
        &mut self,
        message: &Message<'_>,
        whole: Option<&[u8]>,
        origin: Origin,
        state: &mut ObserverState,
        emitted: &mut Vec<Evidence>,
    ) {
        let method = message.method();
        let Some(key) = key(message, origin.source, origin.flow, &state.fingerprinter) else { return };
        match method {
            b"ACK" => return self.acknowledge(key, message, origin.source, state, emitted),
            b"CANCEL" => return,
            _ => {}
        }
        let rewritten = super::rewriting::looks_rewritten(message, origin.source, whole);
        let mut request = Request::of(message, method, origin, rewritten, &state.fingerprinter, &|realm| {
            state.nonces.is_own_realm(realm)
        });
        if self.is_repeated(key, &request, state) {
            state.counters.again += 1;
            return;
        }
        state.asked(&mut request);
        self.wait(key, request, state, emitted);
    }

    fn wait(
        &mut self,
        key: Fingerprint,
        request: Request,
        state: &mut ObserverState,
        emitted: &mut Vec<Evidence>,
    ) {
        if let Some(answer) = self.early.remove(&key) {
            if answer.at >= request.at && request.is_within(answer.acknowledged) {
                state.sent(&answer, Receiver::of(&request));
                self.join(key, &request, None, &answer, state, emitted);
                return;
            }
            state.counters.unmatched += 1;
        }
        if let Some(open) = self.open.get_mut(&key) {
            state.counters.unanswered += u64::from(open.add(request));
            return;
        }
        let whose = state.verified_sources.find(request.source);
        let open = Open { at: request.at, requests: vec![request], acknowledged: None };
        if self.open.insert(key, open, whose) {
            state.counters.forgotten.transactions += 1;
        }
    }

    /// A final answer of the PBX.
    pub(super) fn answer(
        &mut self,
        message: &Message<'_>,
        answer: &Answer,
        to: SocketAddr,
        transport: Transport,
        state: &mut ObserverState,
        emitted: &mut Vec<Evidence>,
    ) {
        let flow = Flow { port: to.port(), transport };
        let Some(key) = key(message, to.ip(), flow, &state.fingerprinter) else { return };
        let mut latest = answer.at;
        if let Some(done) = self.done.get_mut(&key).filter(|done| done.answer == answer.fingerprint) {
            // The same again, unless more had been asked by then than was answered.
            if self.open.get(&key).is_none_or(|open| !open.asked_by(done.at)) {
                state.counters.again += 1;
                done.repeated(answer.at, state);
                return;
            }
            latest = done.at;
        }
        match self.asked(key, latest, answer) {
            Some((request, acknowledged)) => {
                self.join(key, &request, acknowledged, answer, state, emitted);
                state.sent(answer, Receiver::of(&request));
            }
            None => {
                self.unmatched(key, answer, state);
                state.sent(answer, Receiver::unasked(to.ip()));
            }
        }
    }

    /// The request that is answered, and the To tag of its ACK.
    fn asked(
        &mut self,
        key: Fingerprint,
        latest: KernelTime,
        answer: &Answer,
    ) -> Option<(Request, Option<Fingerprint>)> {
        let open = self.open.get_mut(&key)?;
        let (request, acknowledged) = (open.take(latest, answer)?, open.acknowledged);
        if open.requests.is_empty() {
            self.open.remove(&key);
        }
        Some((request, acknowledged))
    }

    pub(super) fn tick(&mut self, now: KernelTime, state: &mut ObserverState, emitted: &mut Vec<Evidence>) {
        for _ in 0..TICK_MAX {
            if self.held.oldest().is_none_or(|(_, held)| now < held.until) {
                break;
            }
            self.held.pop().into_iter().for_each(|(_, held)| held.emit(Proof::Unproven, state, emitted));
        }
        let over = |at: KernelTime, after: Duration| now > at + after;
        for _ in 0..TICK_MAX {
            if self.early.oldest().is_none_or(|(_, answer)| !over(answer.at, EARLY)) {
                break;
            }
            self.early.pop();
            state.counters.unmatched += 1;
        }
        for _ in 0..TICK_MAX {
            if self.open.pop_if(|open| over(open.at, UNANSWERED_AFTER)).is_none() {
                break;
            }
            state.counters.unanswered += 1;
        }
        for _ in 0..TICK_MAX {
            if self.done.pop_if(|done| over(done.at, OVER_AFTER)).is_none() {
                break;
            }
        }
    }

    /// An open or answered request once more. One with other credentials is another request, whatever its names are.
    fn is_repeated(&mut self, key: Fingerprint, request: &Request, state: &mut ObserverState) -> bool {
        if self.open.get(&key).is_some_and(|open| open.requests.iter().any(|open| open.repeats(request))) {
            return true;
        }
        match self.done.get_mut(&key).filter(|done| done.attempts == request.attempts) {
            Some(done) => {
                done.repeated(request.at, state);
                true
            }
            None => false,
        }
    }

    fn unmatched(&mut self, key: Fingerprint, answer: &Answer, state: &mut ObserverState) {
        if self.done.get(&key).is_some() {
            // Another answer to the same request: of a forked call, or of a PBX that changed its mind.
            state.counters.again += 1;
        } else if self.early.get(&key).is_none() && self.early.insert(key, answer.clone()).is_some() {
            state.counters.forgotten.transactions += 1;
        }
    }

    fn join(
        &mut self,
        key: Fingerprint,
        request: &Request,
        acknowledged: Option<Fingerprint>,
        answer: &Answer,
        state: &mut ObserverState,
        emitted: &mut Vec<Evidence>,
    ) {
        state.counters.joined += 1;
        state.learn(request, answer);
        if let Some(tag) = &answer.tag {
            state.tags.see(tag);
        }
        let wrong_realm = state.has_wrong_realm(request);
        let evidence = state.conclude(request, answer);
        emitted.extend(charged(request, answer));
        let whose = state.verified_sources.find(request.source);
        let done = AnsweredRequests {
            at: answer.at,
            attempts: request.attempts,
            answer: answer.fingerprint,
            status: answer.status,
            source: request.source,
            account: request.account.clone(),
            proof: evidence.as_ref().map_or(Proof::Unproven, |evidence| evidence.proof),
            repetitions: 0,
        };
        self.done.insert(key, done, whose);
        let Some(evidence) = evidence else { return };
        let status = answer.status;
        if request.is_of_edge {
            // The edge's refusals are its own: the PBX has seen nothing of them.
            if !matches!(evidence.kind, Kind::Refused) {
                state.emitted(&evidence, status, wrong_realm);
            }
            return;
        }
        let may_be_proven =
            request.method == Method::Invite && evidence.proof == Proof::Unproven && !answer.accepted();
        match answer.tag.filter(|_| may_be_proven) {
            Some(tag) => {
                let until = answer.at + ACK_WITHIN;
                let (tag, half, others) = (tag.fingerprint, tag.half, request.others.clone());
                let held = HeldEvidence { until, evidence, others, status, wrong_realm, tag, half };
                if acknowledged == Some(tag) {
                    state.sent(answer, Receiver::of(request));
                    held.acknowledged(state, emitted);
                } else if let Some((_, forgotten)) = self.held.insert(key, held) {
                    forgotten.emit(Proof::Unproven, state, emitted);
                }
            }
            None => {
                state.emitted(&evidence, status, wrong_realm);
                emit(evidence, &request.others, emitted);
            }
        }
    }

    /// The key is the INVITE's.
    fn acknowledge(
        &mut self,
        key: Fingerprint,
        message: &Message<'_>,
        source: IpAddr,
        state: &mut ObserverState,
        emitted: &mut Vec<Evidence>,
    ) {
        let Some(tag) = message.to.tag.map(|tag| tag_fingerprint(tag, &state.fingerprinter)) else { return };
        if let Some(open) = self.open.get_mut(&key) {
            open.acknowledged = Some(tag);
        }
        let is_held = |held: &&HeldEvidence| held.tag == tag && held.evidence.source == source;
        if self.held.get(&key).filter(is_held).is_some()
            && let Some(held) = self.held.remove(&key)
        {
            held.acknowledged(state, emitted);
        }
    }
}

impl Open {
    /// True: there were too many.
    fn add(&mut self, request: Request) -> bool {
        let is_full = self.requests.len() >= NAMESAKES_MAX;
        if is_full {
            self.requests.remove(0);
        }
        self.requests.push(request);
        is_full
    }

    fn asked_by(&self, latest: KernelTime) -> bool {
        self.requests.iter().any(|request| request.at <= latest)
    }

    /// The one that an answer is about: of several those with its From, of these the first with credentials, and rather one that proves its address.
    /// The PBX may never have got the others (a wrong checksum is not seen here); on TCP it has not if it did not
    /// acknowledge them.
    fn take(&mut self, latest: KernelTime, answer: &Answer) -> Option<Request> {
        let weight =
            |request: &Request| (request.from == answer.from, request.has_credentials(), request.proven);
        let is_asked = |request: &Request| request.at <= latest && request.is_within(answer.acknowledged);
        let asked = self.requests.iter().enumerate().filter(|(_, request)| is_asked(request));
        // Backwards: of the greatest the last one is taken, and that is to be the first.
        let (place, _) = asked.rev().max_by_key(|(_, request)| weight(request))?;
        Some(self.requests.remove(place))
    }
}

impl HeldEvidence {
    fn acknowledged(self, state: &mut ObserverState, emitted: &mut Vec<Evidence>) {
        let source = self.evidence.source;
        if state.tags.are_secret() && state.nonces.proves(self.half.fingerprint, source) {
            state.verified_sources.met(source);
            self.emit(Proof::Proven, state, emitted);
        } else {
            self.emit(Proof::Unproven, state, emitted);
        }
    }

    fn emit(self, proof: Proof, state: &mut ObserverState, emitted: &mut Vec<Evidence>) {
        let evidence = Evidence { proof, ..self.evidence };
        state.emitted(&evidence, self.status, self.wrong_realm);
        emit(evidence, &self.others, emitted);
    }
}

impl AnsweredRequests {
    /// The request or the answer came again.
    fn repeated(&mut self, at: KernelTime, state: &mut ObserverState) {
        self.repetitions = self.repetitions.saturating_add(1);
        if self.repetitions == LOST && at > self.at + LOST_AFTER {
            state.note(&Incident {
                at,
                cause: Cause::AnswerLost,
                account: self.account.clone(),
                source: self.source,
                status: Some(self.status),
                proof: self.proof,
            });
        }
    }
}

/// The outcome of credentials that the filter has charged.
fn charged(request: &Request, answer: &Answer) -> impl Iterator<Item = Evidence> {
    let refused = matches!(answer.status, 401 | 403 | 407);
    let charged = if request.has_credentials() { request.charged } else { Charges::default() };
    charged.each().map(move |issued| Evidence {
        at: answer.at,
        source: request.source,
        flow: request.flow,
        account: request.account.clone(),
        method: request.method,
        kind: Kind::Charged { issued, refused },
        proof: Proof::Unproven,
        made_after: KernelTime::START,
    })
}

/// The account that the PBX looked at has failed. The names beside it are emitted too.
fn emit(evidence: Evidence, others: &[Account], emitted: &mut Vec<Evidence>) {
    let kind = match evidence.kind {
        Kind::Failed { attempt } => Some(Kind::Named { attempt }),
        Kind::Stale => Some(Kind::Stale),
        _ => None,
    };
    if let Some(kind) = kind {
        let of = |account: &Account| Evidence { account: Some(account.clone()), kind, ..evidence.clone() };
        emitted.extend(others.iter().map(of));
    }
    emitted.push(evidence);
}

/// Of the transaction, in the request and in the answer; an ACK has that of its INVITE. `None`: the message does not say
/// enough.
fn key(
    message: &Message<'_>,
    address: IpAddr,
    flow: Flow,
    fingerprinter: &Fingerprinter,
) -> Option<Fingerprint> {
    // PJSIP answers with capitals whatever it was asked with.
    let method = match message.sequence.method.to_ascii_uppercase() {
        ack if ack == b"ACK" => b"INVITE".to_vec(),
        method => method,
    };
    if method.is_empty() || message.call_id.is_empty() {
        return None;
    }
    let port = match flow.transport {
        Transport::Udp => 0,
        Transport::Tcp => flow.port,
    };
    let (branch, tag) = (echoed(message.via.branch), echoed(message.from.tag.unwrap_or_default()));
    let names = (branch, message.call_id, tag, message.sequence.number, method);
    Some(fingerprinter.of((address, flow.transport, port, names)))
}
