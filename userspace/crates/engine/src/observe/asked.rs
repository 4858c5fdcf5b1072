//! Requests of ours to others, and their answers: whom we ask by OPTIONS or REGISTER, and who answers, is a trunk of ours.

use std::{net::SocketAddr, time::Duration};

use super::{
    fingerprint::{Fingerprint, Fingerprinter},
    nonce_scope::Maker,
    nonces::{Echo, Receiver},
    observer_state::ObserverState,
};
use sipward_sip::Message;
use sipward_types::fifo_map::FifoMap;
use sipward_types::time::KernelTime;
use sipward_types::{
    evidence::{Evidence, Kind, Method, Proof},
    flow::{Flow, Transport},
};

/// RFC 3261's timer F.
const ANSWERED_WITHIN: Duration = Duration::from_secs(32);
/// In bytes, of branch, Call-ID and tag together: what is shorter can be guessed.
const UNGUESSABLE: usize = 24;

#[derive(Debug)]
pub(super) struct OwnRequests(FifoMap<Fingerprint, Question>);

#[derive(Debug)]
struct Question {
    at: KernelTime,
    answered: bool,
    length: usize,
    /// Of Call-ID and tag: the same for two peers, and it proves nothing.
    names: Fingerprint,
}

impl OwnRequests {
    pub(super) fn new(capacity: usize) -> Self {
        Self(FifoMap::new(capacity))
    }

    pub(super) fn ask(
        &mut self,
        message: &Message<'_>,
        to: SocketAddr,
        transport: Transport,
        at: KernelTime,
        state: &mut ObserverState,
    ) {
        // A request that is only passed on is somebody else's question.
        if method(message).is_none() || message.is_passed_on {
            return;
        }
        let key = key(message, to, transport, &state.fingerprinter);
        if self.0.get(&key).is_some() {
            state.counters.again += 1;
            return;
        }
        let length =
            message.via.branch.len() + message.call_id.len() + message.from.tag.map_or(0, <[u8]>::len);
        let names = state.fingerprinter.of(("names", message.call_id, message.from.tag));
        let receiver = Receiver { has_asked: true, ..Receiver::unasked(to.ip()) };
        state.nonces.send(
            Echo { fingerprint: names, length, realm: None, maker: Maker::Question },
            receiver,
            at,
            &state.verified_sources,
        );
        self.0.insert(key, Question { at, answered: false, length, names });
    }

    /// A 2xx.
    pub(super) fn answer(
        &mut self,
        message: &Message<'_>,
        from: SocketAddr,
        transport: Transport,
        at: KernelTime,
        state: &mut ObserverState,
        emitted: &mut Vec<Evidence>,
    ) {
        let Some(method) = method(message) else { return };
        let key = key(message, from, transport, &state.fingerprinter);
        let Some(question) = self.0.get_mut(&key).filter(|question| question.at <= at) else {
            state.counters.unmatched += 1;
            return;
        };
        if question.answered {
            state.counters.again += 1;
            return;
        }
        question.answered = true;
        let unguessable = question.length >= UNGUESSABLE && state.nonces.proves(question.names, from.ip());
        let proof = if unguessable || transport == Transport::Tcp { Proof::Proven } else { Proof::Unproven };
        if proof == Proof::Proven {
            state.verified_sources.met(from.ip());
        }
        state.counters.joined += 1;
        emitted.push(Evidence {
            at,
            source: from.ip(),
            flow: Flow { port: from.port(), transport },
            account: None,
            method,
            kind: Kind::Qualified,
            proof,
            made_after: at,
        });
    }

    pub(super) fn tick(&mut self, now: KernelTime, state: &mut ObserverState) {
        while self.0.oldest().is_some_and(|(_, question)| now > question.at + ANSWERED_WITHIN) {
            let unanswered = self.0.pop().is_some_and(|(_, question)| !question.answered);
            state.counters.unanswered += u64::from(unanswered);
        }
    }
}

/// `None`: it says nothing about a trunk.
fn method(message: &Message<'_>) -> Option<Method> {
    match message.sequence.method {
        b"OPTIONS" => Some(Method::Other),
        b"REGISTER" => Some(Method::Register),
        _ => None,
    }
}

/// Trunks answer from where they were asked.
fn key(
    message: &Message<'_>,
    peer: SocketAddr,
    transport: Transport,
    fingerprinter: &Fingerprinter,
) -> Fingerprint {
    let names = (message.via.branch, message.call_id, message.from.tag, message.sequence.number);
    fingerprinter.of(("asked", peer, transport, names, message.sequence.method))
}
