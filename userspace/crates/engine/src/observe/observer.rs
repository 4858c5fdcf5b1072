//! From packets to evidence.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use super::{
    Counters, Forgotten, Settings,
    answer::{Answer, SeenAnswer},
    asked::OwnRequests,
    diagnosis::{Diagnosis, Subject},
    nonce_scope::NonceIssuer,
    nonces::{Receiver, Unseen},
    observer_state::ObserverState,
    request::Origin,
    streams::{Place, Streams},
    transactions::Transactions,
};
use sipward_sip::{Message, Start, find_start};
use sipward_types::tapped::{Charges, Direction, Tapped};
use sipward_types::time::KernelTime;
use sipward_types::{
    account::Account,
    evidence::Evidence,
    flow::{Flow, Transport},
};

#[derive(Debug)]
pub struct Observer {
    streams: Streams,
    matcher: TransactionMatcher,
}

/// Matches messages, from datagrams and streams alike.
#[derive(Debug)]
struct TransactionMatcher {
    transactions: Transactions,
    asked: OwnRequests,
    state: ObserverState,
    edge: Arc<[EdgeSocket]>,
}

/// A socket of this host where sipward's own SIP front answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgeSocket {
    pub transport: Transport,
    pub address: SocketAddr,
}

impl EdgeSocket {
    /// True if it gets packets to that address of this host. A socket for all addresses of IPv6 gets those of IPv4, too.
    pub fn receives(&self, transport: Transport, local: SocketAddr) -> bool {
        let own = self.address.ip().to_canonical();
        let is_for = match own {
            IpAddr::V4(own) if own.is_unspecified() => local.ip().to_canonical().is_ipv4(),
            own if own.is_unspecified() => true,
            own => own == local.ip().to_canonical(),
        };
        is_for && self.transport == transport && self.address.port() == local.port()
    }
}

/// The transport of a message, with what that says about it.
#[derive(Clone, Copy, Debug)]
enum Framed<'a> {
    /// Its bytes, where they are all there.
    Datagram(Option<&'a [u8]>),
    Stream(Place),
}

impl Observer {
    pub fn new(settings: Settings) -> Self {
        Self {
            streams: Streams::new(settings.connections),
            matcher: TransactionMatcher {
                transactions: Transactions::new(settings.transactions),
                asked: OwnRequests::new(settings.transactions),
                state: ObserverState::new(&settings),
                edge: Arc::default(),
            },
        }
    }

    /// There was something until now that will not be [seen](Self::see).
    pub fn miss(&mut self, what: Unseen, now: KernelTime) {
        self.matcher.state.nonces.miss(what, now);
    }

    /// Traffic to these sockets is watched for what the filter has charged, and for what the edge does not know, such as
    /// that nobody goes on after a challenge. It is no evidence: the edge hands that in itself.
    pub fn set_edge(&mut self, edge: Arc<[EdgeSocket]>) {
        self.matcher.edge = edge;
    }

    /// Packets of both directions, in the order of their times.
    pub fn see(&mut self, packet: &Tapped<'_>, emitted: &mut Vec<Evidence>) {
        self.matcher.state.counters.packets += 1;
        if packet.listed {
            return self.matcher.listed(packet);
        }
        match packet.tcp {
            None => {
                self.matcher.datagram(packet, emitted);
            }
            Some(segment) => {
                let matcher = &mut self.matcher;
                let all = self.streams.see(packet, segment, |message, place| {
                    matcher.message(packet, message, Framed::Stream(place), emitted);
                });
                if !all {
                    self.matcher.state.nonces.miss(Unseen::Answer, packet.at);
                }
            }
        }
    }

    /// Tells what waited long enough, and forgets what is over. A few times a second; cheap where there is nothing to
    /// do, and never long.
    pub fn tick(&mut self, now: KernelTime, emitted: &mut Vec<Evidence>) {
        let TransactionMatcher { transactions, asked, state, .. } = &mut self.matcher;
        transactions.tick(now, state, emitted);
        asked.tick(now, state);
        state.tick(now);
    }

    /// Why requests of an account or a source are refused. Empty: they are not, or not as far as was seen lately.
    pub fn diagnose(&self, subject: Subject<'_>, now: KernelTime) -> Vec<Diagnosis> {
        let state = &self.matcher.state;
        state.histories.diagnose(subject, now, &state.fingerprinter)
    }

    /// Refusals that the edge hands in, counted together.
    pub fn add_refusals<'a>(&mut self, refusals: impl IntoIterator<Item = &'a Diagnosis>) {
        refusals.into_iter().for_each(|refusals| self.matcher.state.add_up(refusals));
    }

    /// The account was let in at the source, as the edge hands in: what it was refused for before is over.
    pub fn worked(&mut self, account: &Account, source: IpAddr, at: KernelTime) {
        let state = &mut self.matcher.state;
        state.histories.worked(Some(account), source, at, &state.fingerprinter);
    }

    pub fn counters(&self) -> Counters {
        let counters = self.matcher.state.counters;
        let forgotten = Forgotten {
            nonces: self.matcher.state.nonces.forgotten(),
            streams: self.streams.forgotten(),
            histories: self.matcher.state.histories.forgotten(),
            ..counters.forgotten
        };
        Counters { forgotten, out_of_step: self.streams.out_of_step(), ..counters }
    }
}

impl TransactionMatcher {
    /// Remembers what somebody was told of whom nothing is judged: it is no secret that proves another's address. Of a TCP
    /// stream each packet is read by itself, as the PBX sends a message in one piece.
    fn listed(&mut self, packet: &Tapped<'_>) {
        let mut bytes = packet.payload;
        if packet.part || bytes.len() < packet.length as usize {
            self.state.nonces.miss(Unseen::Answer, packet.at);
        }
        while let Ok(start) = find_start(bytes) {
            bytes = &bytes[start..];
            if let Some(message) = Message::parse(bytes, true)
                && let Start::Answer { status: status @ 200.. } = message.start
            {
                let of_register = message.sequence.method == b"REGISTER";
                let issuer = NonceIssuer { local: packet.local, transport: packet.transport(), of_register };
                let seen_answer = SeenAnswer { at: packet.at, issuer: Some(issuer), acknowledged: None };
                let answer = Answer::of(&message, status, seen_answer, &self.state.fingerprinter);
                let to = Receiver { has_asked: true, ..Receiver::unasked(packet.remote.ip()) };
                self.state.sent(&answer, to);
            }
            bytes = bytes.iter().position(|byte| *byte == b'\n').map_or(&[], |end| &bytes[end + 1..]);
        }
    }

    fn datagram(&mut self, packet: &Tapped<'_>, emitted: &mut Vec<Evidence>) {
        let bytes = packet.payload;
        let cut = packet.part || bytes.len() < packet.length as usize;
        let mut readings = Message::readings(bytes, cut);
        let Some(first) = readings.next() else {
            let is_keepalive = bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | b' ' | b'\t' | 0));
            self.state.counters.garbage += u64::from(!is_keepalive);
            if packet.direction == Direction::Out && !is_keepalive {
                self.state.nonces.miss(Unseen::Answer, packet.at);
            }
            return;
        };
        if first.body.is_none() {
            self.state.counters.cut += 1;
            self.cut_short(packet, &first);
        }
        for message in std::iter::once(first).chain(readings) {
            self.message(packet, &message, Framed::Datagram((!cut).then_some(bytes)), emitted);
        }
    }

    /// The rest of an answer that is cut here is unknown.
    fn cut_short(&mut self, packet: &Tapped<'_>, message: &Message<'_>) {
        match (packet.direction, message.start) {
            (Direction::In, Start::Answer { .. }) => self.state.nonces.miss(Unseen::Foreign, packet.at),
            (Direction::Out, _) => self.state.nonces.miss(Unseen::Answer, packet.at),
            (Direction::In, Start::Request { .. }) => {}
        }
    }

    fn message(
        &mut self,
        packet: &Tapped<'_>,
        message: &Message<'_>,
        way: Framed<'_>,
        emitted: &mut Vec<Evidence>,
    ) {
        let Self { transactions, asked, state, edge } = self;
        state.counters.messages += 1;
        let (at, remote, transport) = (packet.at, packet.remote, packet.transport());
        let (direction, whole, ends, acknowledged) = match way {
            Framed::Datagram(whole) => (packet.direction, whole, None, None),
            Framed::Stream(Place::Theirs(ends)) => (Direction::In, None, Some(ends), None),
            Framed::Stream(Place::Ours { acknowledged }) => (Direction::Out, None, None, acknowledged),
        };
        let of_register = message.sequence.method == b"REGISTER";
        let issuer = NonceIssuer { local: packet.local, transport, of_register };
        match (direction, message.start) {
            (Direction::In, Start::Request { .. }) => {
                let flow = Flow { port: remote.port(), transport };
                let charged = ends.map_or_else(|| Charges::of(packet.charged), |ends| ends.charged);
                let is_of_edge = edge.iter().any(|socket| socket.receives(transport, packet.local));
                let origin = Origin { at, source: remote.ip(), flow, ends, charged, is_of_edge };
                transactions.request(message, whole, origin, state, emitted);
            }
            (Direction::Out, Start::Answer { status }) if status >= 200 => {
                let seen_answer = SeenAnswer { at, issuer: Some(issuer), acknowledged };
                let answer = Answer::of(message, status, seen_answer, &state.fingerprinter);
                if answer.challenged() && answer.challenges.is_empty() {
                    // It challenges with something that is not understood here.
                    state.nonces.miss(Unseen::Answer, at);
                }
                transactions.answer(message, &answer, remote, transport, state, emitted);
            }
            (Direction::Out, Start::Request { .. }) => asked.ask(message, remote, transport, at, state),
            (Direction::In, Start::Answer { status: 200..300 }) => {
                asked.answer(message, remote, transport, at, state, emitted);
            }
            // If the PBX passes it on, its nonces and its tag are not the PBX's own, and somebody else knows them.
            (Direction::In, Start::Answer { status: status @ 400.. }) => {
                let seen_answer = SeenAnswer { at, issuer: None, acknowledged: None };
                let answer = Answer::of(message, status, seen_answer, &state.fingerprinter);
                state.sent(&answer, Receiver::unasked(remote.ip()));
            }
            (Direction::In | Direction::Out, Start::Answer { .. }) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_the_edge_is_one_address_or_all_of_them() {
        let receives = |own: &str, local: &str| {
            let socket = EdgeSocket { transport: Transport::Udp, address: own.parse().unwrap() };
            socket.receives(Transport::Udp, local.parse().unwrap())
        };
        for (own, local, expected) in [
            ("192.0.2.1:5060", "192.0.2.1:5060", true),
            ("192.0.2.1:5060", "[::ffff:192.0.2.1]:5060", true),
            ("192.0.2.1:5060", "192.0.2.2:5060", false),
            ("192.0.2.1:5060", "192.0.2.1:5062", false),
            ("0.0.0.0:5060", "192.0.2.2:5060", true),
            ("0.0.0.0:5060", "[2001:db8::1]:5060", false),
            ("[2001:db8::1]:5060", "[2001:db8::1]:5060", true),
            ("[2001:db8::1]:5060", "[2001:db8::2]:5060", false),
            ("[::]:5060", "[2001:db8::1]:5060", true),
            ("[::]:5060", "192.0.2.1:5060", true),
            ("[::]:5060", "192.0.2.1:5062", false),
        ] {
            assert_eq!(receives(own, local), expected, "{own} {local}");
        }
        let tcp = EdgeSocket { transport: Transport::Tcp, address: "0.0.0.0:5060".parse().unwrap() };
        assert!(!tcp.receives(Transport::Udp, "192.0.2.1:5060".parse().unwrap()));
    }
}
