//! The loop: filter, PBX, observer and guard, and those who send.

use sipward_types::time::KernelTime;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
    net::{IpAddr, SocketAddr},
};

use sipward_testkit::message;
use xdp_prog::{
    abi::{AddressHash, KnownFlow, Refunds, SourceEntry, Suspension, SuspensionKey, kind},
    account,
    guess::Budget,
    reason::{Action, Reason},
};

use super::{START, chance::Chance, phone::Phone};
use crate::{
    guard::{Decision, GivenBack, Guard, GuardAction, Scope},
    observe::{Observer, Settings},
    replay::{
        Memory,
        tests::{filter, frames::*},
    },
};
use sipward_types::{
    address::to_key,
    evidence::Evidence,
    map_key::{flow_key, worked_key},
    tapped::{Charged, Direction, Tapped},
};

const MILLISECOND: u64 = 1_000_000;
pub(super) const SECOND: u64 = 1_000 * MILLISECOND;
/// To the PBX and back.
const ROUND_TRIP: u64 = 40 * MILLISECOND;
/// From an answer of the PBX to what the guard has done about it.
const GUARD: u64 = 50 * MILLISECOND;
const TICK: u64 = 100 * MILLISECOND;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A phone begins.
    Start(usize),
    /// It looks whether its transaction was answered.
    Look(usize, u64),
    /// The answer to its transaction: a nonce, or it is in.
    Answer(usize, u64, Option<String>),
    /// One of those who flood sends.
    Flood(usize),
    /// The guard is handed evidence, by its number.
    Judge(usize),
    Tick,
}

/// Somebody who sends REGISTERs for as long as it lasts, whatever is answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flooder {
    pub(super) address: SocketAddr,
    /// Between two packets.
    pub(super) gap: u64,
}

#[derive(Debug)]
pub(super) struct Site {
    memory: Memory,
    observer: Observer,
    guard: Guard,
    chance: Chance,
    phones: Vec<Phone>,
    flooders: Vec<Flooder>,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    /// Events so far, for those of one time to stay in order.
    count: u64,
    /// Which nonce was sent to whom.
    nonces: HashMap<String, IpAddr>,
    evidence: Vec<Vec<Evidence>>,
    pub(super) tally: Tally,
}

/// The fate of packets.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) phones: (u64, u64),
    pub(super) floods: (u64, u64),
    pub(super) dropped: BTreeMap<Reason, u64>,
    /// Decisions against somebody.
    pub(super) against: Vec<GuardAction>,
}

impl Site {
    pub(super) fn new() -> Self {
        Self {
            memory: guarded(),
            observer: Observer::new(Settings::default()),
            guard: Guard::default(),
            chance: Chance::new(7),
            phones: Vec::new(),
            flooders: Vec::new(),
            events: BinaryHeap::new(),
            count: 0,
            nonces: HashMap::new(),
            evidence: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// Phones that all start within so many seconds, each from its address.
    pub(super) fn phones(
        &mut self,
        spread: u64,
        phones: impl IntoIterator<Item = (SocketAddr, &'static str)>,
    ) {
        for (address, password) in phones {
            let index = self.phones.len();
            self.phones.push(Phone::new(address, 1_000 + index as u64, password));
            let start = START + self.chance.below(spread * SECOND);
            self.at(start, Event::Start(index));
        }
    }

    pub(super) fn flood(&mut self, flooders: impl IntoIterator<Item = Flooder>) {
        for flooder in flooders {
            let index = self.flooders.len();
            self.flooders.push(flooder);
            let start = START + self.chance.below(flooder.gap.max(SECOND));
            self.at(start, Event::Flood(index));
        }
    }

    /// Until `enough` phones are in, but for no more than so many seconds.
    pub(super) fn run(&mut self, enough: usize, seconds: u64) {
        self.at(START, Event::Tick);
        let mut left = enough;
        while let Some(Reverse((now, _, event))) = self.events.pop() {
            if left == 0 || now > START + seconds * SECOND {
                return;
            }
            self.memory.set_now(KernelTime::from_nanos(now));
            left -= usize::from(self.handle(now, event));
        }
    }

    /// When each of the phones was in that are, in seconds since the first start, the earliest first.
    pub(super) fn registered(&self) -> Vec<f64> {
        let mut times: Vec<u64> = self.phones.iter().filter_map(|phone| phone.registered).collect();
        times.sort_unstable();
        times.iter().map(|at| (at - START) as f64 / SECOND as f64).collect()
    }

    fn at(&mut self, time: u64, event: Event) {
        self.count += 1;
        self.events.push(Reverse((time, self.count, event)));
    }

    /// True if a phone is in by it.
    fn handle(&mut self, now: u64, event: Event) -> bool {
        match event {
            Event::Start(phone) => self.begin(phone, now, None),
            Event::Look(phone, transaction) if self.phones[phone].transaction == transaction => {
                if self.phones[phone].has_given_up(now) {
                    let later = Phone::later(now, &mut self.chance);
                    self.at(later, Event::Start(phone));
                } else {
                    self.send(phone, now);
                }
            }
            Event::Answer(phone, transaction, nonce) if self.phones[phone].transaction == transaction => {
                return self.answered(phone, now, nonce);
            }
            Event::Look(..) | Event::Answer(..) => {}
            Event::Flood(flooder) => self.flood_once(flooder, now),
            Event::Judge(evidence) => self.judge(evidence),
            Event::Tick => {
                let mut told = Vec::new();
                self.observer.tick(KernelTime::from_nanos(now), &mut told);
                self.hand_in(told, now);
                self.guard
                    .tick(KernelTime::from_nanos(now))
                    .iter()
                    .for_each(|decision| enforce(&mut self.memory, decision));
                self.at(now + TICK, Event::Tick);
            }
        }
        false
    }

    fn begin(&mut self, phone: usize, now: u64, nonce: Option<String>) {
        self.phones[phone].begin(now, nonce);
        self.send(phone, now);
    }

    fn send(&mut self, index: usize, now: u64) {
        let phone = &mut self.phones[index];
        let (address, transaction, message) = (phone.address, phone.transaction, phone.message());
        let look = phone.next(now);
        self.at(look, Event::Look(index, transaction));
        self.tally.phones.0 += 1;
        if let Some(nonce) = self.reach(address, &message, now) {
            self.tally.phones.1 += 1;
            self.at(now + ROUND_TRIP, Event::Answer(index, transaction, nonce));
        }
    }

    /// True if it is in. A wrong password is asked for again, and the user tries again later.
    fn answered(&mut self, index: usize, now: u64, nonce: Option<String>) -> bool {
        let phone = &mut self.phones[index];
        match nonce {
            None => {
                phone.transaction += 1;
                phone.registered = Some(now);
                return true;
            }
            Some(nonce) if !phone.has_tried() => self.begin(index, now, Some(nonce)),
            Some(_) => {
                phone.transaction += 1;
                let later = Phone::later(now, &mut self.chance);
                self.at(later, Event::Start(index));
            }
        }
        false
    }

    fn flood_once(&mut self, index: usize, now: u64) {
        let Flooder { address, gap } = self.flooders[index];
        let message = super::register(&address.to_string(), 100_000 + self.count, "Phone 2.0");
        self.tally.floods.0 += 1;
        self.tally.floods.1 += u64::from(self.reach(address, &message, now).is_some());
        self.at(now + gap, Event::Flood(index));
    }

    /// The PBX's answer, if the message reaches it: a nonce, or that all is well.
    fn reach(&mut self, from: SocketAddr, message: &[u8], now: u64) -> Option<Option<String>> {
        let to: SocketAddr = if from.is_ipv6() { PBX6 } else { PBX }.parse().unwrap();
        let frame = ethernet(&datagram(&from.to_string(), &to.to_string(), message));
        let verdict = self.memory.judge(&frame).0;
        if verdict.action() == Action::Drop {
            *self.tally.dropped.entry(verdict.reason).or_default() += 1;
            return None;
        }
        let text = std::str::from_utf8(message).unwrap();
        let nonce = self.challenge(text, from.ip(), now);
        let answer = answer(text, nonce.as_deref());
        let charged = verdict.charged.map(|budget| match budget {
            Budget::Issued => Charged::Issued,
            Budget::Other => Charged::Other,
        });
        let mut told = Vec::new();
        for (direction, payload, charged) in
            [(Direction::In, message, charged), (Direction::Out, answer.as_bytes(), None)]
        {
            let length = payload.len() as u32;
            let packet = Tapped {
                at: KernelTime::from_nanos(now),
                direction,
                remote: from,
                local: to,
                tcp: None,
                length,
                part: false,
                charged,
                listed: false,
                payload,
            };
            self.observer.see(&packet, &mut told);
        }
        self.hand_in(told, now);
        Some(nonce)
    }

    /// A new nonce, unless the credentials are right.
    fn challenge(&mut self, message: &str, from: IpAddr, now: u64) -> Option<String> {
        let value = |name: &str| Some(message.split_once(&format!(" {name}=\""))?.1.split_once('"')?.0);
        let is_own = value("nonce").is_some_and(|nonce| self.nonces.get(nonce) == Some(&from));
        if is_own && value("response") == Some("right") {
            return None;
        }
        let nonce = format!("{:016x}", self.chance.below(u64::MAX));
        self.nonces.insert(nonce.clone(), from);
        let to = AddressHash { address: to_key(from), hash: account::nonce_hash(nonce.as_bytes()) };
        self.memory.judge_guesses().issue(to, KernelTime::from_nanos(now));
        Some(nonce)
    }

    fn hand_in(&mut self, told: Vec<Evidence>, now: u64) {
        if !told.is_empty() {
            self.evidence.push(told);
            self.at(now + GUARD, Event::Judge(self.evidence.len() - 1));
        }
    }

    fn judge(&mut self, index: usize) {
        for evidence in std::mem::take(&mut self.evidence[index]) {
            for decision in self.guard.witness(&evidence) {
                enforce(&mut self.memory, &decision);
                if matches!(
                    decision.action,
                    GuardAction::Suspend { .. } | GuardAction::Lock { .. } | GuardAction::Ban { .. }
                ) {
                    self.tally.against.push(decision.action);
                }
            }
        }
        self.mirror_guesses();
    }

    /// As the daemon does.
    fn mirror_guesses(&mut self) {
        let guesses = self.memory.judge_guesses();
        for (line, GivenBack { issued, other, room, room_until }) in self.guard.take_given_back() {
            guesses.set_refunds(
                to_key(line),
                Refunds { issued, other, room, room_until: room_until.as_nanos() },
            );
        }
        for (source, account, until) in self.guard.take_worked().into_iter().flatten() {
            guesses.set_worked(worked_key(source, &account), until);
        }
    }
}

/// A filter beside which a daemon runs.
fn guarded() -> Memory {
    let mut memory = filter("");
    memory.judge_guesses();
    memory.set_watched(true);
    memory
}

/// The answer of the PBX: a challenge with this nonce, or an acceptance.
fn answer(request: &str, nonce: Option<&str>) -> String {
    match nonce {
        Some(nonce) => {
            let challenge = format!("WWW-Authenticate: Digest realm=\"pbx\", nonce=\"{nonce}\"\r\n");
            message::answer(request, "401 Unauthorized", &challenge)
        }
        None => {
            let contact = message::header(request, "Contact").unwrap();
            message::answer(request, "200 OK", &format!("Contact: {contact}\r\n"))
        }
    }
}

/// Puts a decision in force, as the daemon does in the kernel's maps.
fn enforce(memory: &mut Memory, decision: &Decision) {
    let listed = |until: KernelTime, kind, phones_or_mark| SourceEntry {
        expires: until.as_nanos(),
        kind,
        phones_or_mark,
        ..SourceEntry::default()
    };
    match &decision.action {
        GuardAction::Know { source, phones, until } => {
            memory.insert((*source).into(), listed(*until, kind::KNOWN, *phones));
        }
        GuardAction::Forget { source } => memory.insert((*source).into(), SourceEntry::default()),
        GuardAction::KnowFlow { source, flow, phones, until } => {
            let known =
                KnownFlow { expires: until.as_nanos(), phones: (*phones).into(), ..KnownFlow::default() };
            memory.know_flow(flow_key(*source, *flow), known);
        }
        GuardAction::ForgetFlow { source, flow } => memory.forget_flow(&flow_key(*source, *flow)),
        GuardAction::Suspend { account: name, source, until } => {
            let suspension = Suspension { expires: until.as_nanos(), flags: 0, others: 1 };
            let what = account::hash(name.as_str().as_bytes());
            for what in [what, SuspensionKey::ANYTHING] {
                memory.suspend(SuspensionKey { source: to_key(*source), what }, suspension);
            }
        }
        GuardAction::Ban { scope: Scope::Source { source }, until } => {
            memory.insert((*source).into(), listed(*until, kind::BANNED, 0));
        }
        GuardAction::Ban { scope: Scope::Prefix { net }, until } => {
            memory.insert(*net, listed(*until, kind::BANNED, 0))
        }
        GuardAction::LimitAsking { source, until } => {
            let suspension = Suspension { expires: until.as_nanos(), flags: 0, others: 1 };
            let source = to_key(*source);
            memory.suspend(SuspensionKey { source, what: SuspensionKey::ASKING }, suspension);
        }
        // Suspensions end by themselves; no scene here is about the rest.
        GuardAction::Lift { .. }
        | GuardAction::Lock { .. }
        | GuardAction::Ban { .. }
        | GuardAction::Alert { .. } => {}
    }
}
