//! From packets to evidence.

use super::{
    Counters, Forgotten, Settings,
    answer::{Answer, Sighting},
    asked::Asked,
    diagnosis::{Diagnosis, Subject},
    knowledge::Knowledge,
    message::{Message, Start, find_start},
    mints::Mint,
    nonces::{Receiver, Unseen},
    request::Origin,
    streams::{Place, Streams},
    tapped::{Charges, Direction, Tapped},
    transactions::Transactions,
};
use crate::guard::{Evidence, Flow};

#[derive(Debug)]
pub struct Observer {
    streams: Streams,
    joiner: Joiner,
}

/// What becomes of messages, whichever way they came.
#[derive(Debug)]
struct Joiner {
    transactions: Transactions,
    asked: Asked,
    know: Knowledge,
}

/// How a message came.
#[derive(Clone, Copy, Debug)]
enum Way<'a> {
    /// Its bytes, where they are all there.
    Datagram(Option<&'a [u8]>),
    Stream(Place),
}

impl Observer {
    pub fn new(settings: Settings) -> Self {
        Self {
            streams: Streams::new(settings.connections),
            joiner: Joiner {
                transactions: Transactions::new(settings.transactions),
                asked: Asked::new(settings.transactions),
                know: Knowledge::new(&settings),
            },
        }
    }

    /// There was something until now that will not be [seen](Self::see).
    pub fn miss(&mut self, what: Unseen, now: u64) {
        self.joiner.know.nonces.miss(what, now);
    }

    /// Packets of both directions, in the order of their times.
    pub fn see(&mut self, packet: &Tapped<'_>, told: &mut Vec<Evidence>) {
        self.joiner.know.counters.packets += 1;
        if packet.listed {
            return self.joiner.listed(packet);
        }
        match packet.tcp {
            None => {
                self.joiner.datagram(packet, told);
            }
            Some(segment) => {
                let joiner = &mut self.joiner;
                let all = self.streams.see(packet, segment, |message, place| {
                    joiner.message(packet, message, Way::Stream(place), told);
                });
                if !all {
                    self.joiner.know.nonces.miss(Unseen::Answer, packet.at);
                }
            }
        }
    }

    /// Tells what waited long enough, and forgets what is over. A few times a second; cheap where there is nothing to
    /// do, and never long.
    pub fn tick(&mut self, now: u64, told: &mut Vec<Evidence>) {
        let Joiner { transactions, asked, know } = &mut self.joiner;
        transactions.tick(now, know, told);
        asked.tick(now, know);
        know.tick(now);
    }

    /// Why requests of an account or a source are refused. Empty: they are not, or not as far as was seen lately.
    pub fn diagnose(&self, subject: Subject<'_>, now: u64) -> Vec<Diagnosis> {
        let know = &self.joiner.know;
        know.histories.diagnose(subject, now, &know.prints)
    }

    pub fn counters(&self) -> Counters {
        let counters = self.joiner.know.counters;
        let forgotten = Forgotten {
            nonces: self.joiner.know.nonces.forgotten(),
            streams: self.streams.forgotten(),
            histories: self.joiner.know.histories.forgotten(),
            ..counters.forgotten
        };
        Counters { forgotten, out_of_step: self.streams.out_of_step(), ..counters }
    }
}

impl Joiner {
    /// Remembers what somebody was told of whom nothing is judged: it is no secret that proves another's address. Of a TCP
    /// stream each packet is read by itself, as the PBX sends a message in one piece.
    fn listed(&mut self, packet: &Tapped<'_>) {
        let mut bytes = packet.payload;
        if packet.part || bytes.len() < packet.length as usize {
            self.know.nonces.miss(Unseen::Answer, packet.at);
        }
        while let Ok(start) = find_start(bytes) {
            bytes = &bytes[start..];
            if let Some(message) = Message::parse(bytes, true)
                && let Start::Answer { status: status @ 200.. } = message.start
            {
                let of_register = message.sequence.method == b"REGISTER";
                let mint = Mint { local: packet.local, transport: packet.transport(), of_register };
                let sighting = Sighting { at: packet.at, mint: Some(mint), acknowledged: None };
                let answer = Answer::of(&message, status, sighting, &self.know.prints);
                let to = Receiver { has_asked: true, ..Receiver::unasked(packet.remote.ip()) };
                self.know.sent(&answer, to);
            }
            bytes = bytes.iter().position(|byte| *byte == b'\n').map_or(&[], |end| &bytes[end + 1..]);
        }
    }

    fn datagram(&mut self, packet: &Tapped<'_>, told: &mut Vec<Evidence>) {
        let bytes = packet.payload;
        let cut = packet.part || bytes.len() < packet.length as usize;
        let mut readings = Message::readings(bytes, cut);
        let Some(first) = readings.next() else {
            let is_keepalive = bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | b' ' | b'\t' | 0));
            self.know.counters.garbage += u64::from(!is_keepalive);
            if packet.direction == Direction::Out && !is_keepalive {
                self.know.nonces.miss(Unseen::Answer, packet.at);
            }
            return;
        };
        if first.body.is_none() {
            self.know.counters.cut += 1;
            self.cut_short(packet, &first);
        }
        for message in std::iter::once(first).chain(readings) {
            self.message(packet, &message, Way::Datagram((!cut).then_some(bytes)), told);
        }
    }

    /// What an answer says behind where it ends here, nobody knows.
    fn cut_short(&mut self, packet: &Tapped<'_>, message: &Message<'_>) {
        match (packet.direction, message.start) {
            (Direction::In, Start::Answer { .. }) => self.know.nonces.miss(Unseen::Foreign, packet.at),
            (Direction::Out, _) => self.know.nonces.miss(Unseen::Answer, packet.at),
            (Direction::In, Start::Request { .. }) => {}
        }
    }

    fn message(
        &mut self,
        packet: &Tapped<'_>,
        message: &Message<'_>,
        way: Way<'_>,
        told: &mut Vec<Evidence>,
    ) {
        let Self { transactions, asked, know } = self;
        know.counters.messages += 1;
        let (at, remote, transport) = (packet.at, packet.remote, packet.transport());
        let (direction, whole, ends, acknowledged) = match way {
            Way::Datagram(whole) => (packet.direction, whole, None, None),
            Way::Stream(Place::Theirs(ends)) => (Direction::In, None, Some(ends), None),
            Way::Stream(Place::Ours { acknowledged }) => (Direction::Out, None, None, acknowledged),
        };
        let of_register = message.sequence.method == b"REGISTER";
        let mint = Mint { local: packet.local, transport, of_register };
        match (direction, message.start) {
            (Direction::In, Start::Request { .. }) => {
                let flow = Flow { port: remote.port(), transport };
                let charged = ends.map_or_else(|| Charges::of(packet.charged), |ends| ends.charged);
                let origin = Origin { at, source: remote.ip(), flow, ends, charged };
                transactions.request(message, whole, origin, know, told);
            }
            (Direction::Out, Start::Answer { status }) if status >= 200 => {
                let sighting = Sighting { at, mint: Some(mint), acknowledged };
                let answer = Answer::of(message, status, sighting, &know.prints);
                if answer.challenged() && answer.challenges.is_empty() {
                    // It challenges with something that is not understood here.
                    know.nonces.miss(Unseen::Answer, at);
                }
                transactions.answer(message, &answer, remote, transport, know, told);
            }
            (Direction::Out, Start::Request { .. }) => asked.ask(message, remote, transport, at, know),
            (Direction::In, Start::Answer { status: 200..300 }) => {
                asked.answer(message, remote, transport, at, know, told);
            }
            // If the PBX passes it on, its nonces and its tag are not the PBX's own, and somebody else knows them.
            (Direction::In, Start::Answer { status: status @ 400.. }) => {
                let sighting = Sighting { at, mint: None, acknowledged: None };
                let answer = Answer::of(message, status, sighting, &know.prints);
                know.sent(&answer, Receiver::unasked(remote.ip()));
            }
            (Direction::In | Direction::Out, Start::Answer { .. }) => {}
        }
    }
}
