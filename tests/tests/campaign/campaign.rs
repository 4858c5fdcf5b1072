//! Mutated requests to one PBX, and those of its answers that sipward did not read as the PBX did.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc, time::Duration};

use sipward_tests::{
    auth_pbx::{PbxKind, password},
    namespace::{Lan, Namespace},
    rng::Rng,
};

use xdp_prog::account::hash;

use crate::{
    corpus::Entry,
    draft::{Answers, Draft, Plan, Value},
    mutation::Mutation,
    pbx::{Challenge, Pbx},
    reading::{Exchange, Reading},
    wire::{Exchanged, Wire, Written},
};

/// A PBX that does not answer within this time does not answer.
const PATIENCE: Duration = Duration::from_millis(250);
/// Requests that are sent for one challenge.
const BATCH: usize = 600;
/// One in so many goes over TCP.
const STREAMS: usize = 8;
const MUTATIONS: RangeInclusive<usize> = 1..=4;
const ACCOUNTS: RangeInclusive<usize> = 201..=230;
const METHODS: [&str; 10] = [
    "REGISTER",
    "REGISTER",
    "REGISTER",
    "INVITE",
    "INVITE",
    "MESSAGE",
    "INFO",
    "SUBSCRIBE",
    "PUBLISH",
    "FOO",
];

/// The credentials of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shows {
    Nothing,
    Wrong,
    Right,
    /// Right for the user name in the bytes in which it is written.
    RightAsWritten,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Carrier {
    Datagram,
    Stream {
        /// Where it is cut, in thousandths.
        cuts: Vec<usize>,
        /// Another request in front of it, and one behind it.
        companions: (bool, bool),
    },
}

impl Carrier {
    fn any(rng: &mut Rng) -> Self {
        if !rng.one_in(STREAMS) {
            return Self::Datagram;
        }
        let mut cuts: Vec<usize> = (0..rng.below(4)).map(|_| rng.below(1000)).collect();
        cuts.sort_unstable();
        Self::Stream { cuts, companions: (rng.one_in(3), rng.one_in(3)) }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Datagram => "",
            Self::Stream { cuts, companions: (false, false) } if cuts.is_empty() => ", TCP",
            Self::Stream { companions: (false, false), .. } => ", TCP in pieces",
            Self::Stream { .. } => ", TCP beside others",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Case {
    id: u64,
    method: &'static str,
    account: String,
    shows: Shows,
    mutations: Vec<Mutation>,
    carrier: Carrier,
    header: &'static str,
    challenge: Arc<Challenge>,
}

impl Written for Case {
    fn id(&self) -> u64 {
        self.id
    }

    fn is_stream(&self) -> bool {
        self.carrier != Carrier::Datagram
    }

    fn write(&self, port: u16) -> Vec<Vec<u8>> {
        let message = self.draft(port).0.write();
        match &self.carrier {
            Carrier::Datagram => vec![message],
            Carrier::Stream { cuts, companions: (before, behind) } => {
                let companion = |is_there: &bool| is_there.then(|| self.companion(port)).unwrap_or_default();
                cut(&[companion(before), message, companion(behind)].concat(), cuts)
            }
        }
    }
}

/// Bytes that a segment has room for in an Ethernet frame.
const SEGMENT: usize = 1448;

/// Into segments: where it is to be cut, and where the sender's stack would.
fn cut(stream: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let wanted = cuts.iter().map(|cut| stream.len() * cut / 1000).chain([stream.len()]);
    let mut last = 0;
    let ends = wanted.flat_map(|end| {
        let more = (last + SEGMENT..end).step_by(SEGMENT);
        last = end;
        more.chain([end])
    });
    let mut start = 0;
    let piece = |end: usize| {
        let piece = stream[start..end].to_vec();
        start = end;
        piece
    };
    ends.map(piece).filter(|piece| !piece.is_empty()).collect()
}

impl Case {
    /// A clean request of another sender, without a mark.
    fn companion(&self, port: u16) -> Vec<u8> {
        let draft = Draft::new(&Plan {
            method: "REGISTER",
            account: "239",
            id: self.id,
            port,
            transport: "TCP",
            answers: None,
        });
        let text = String::from_utf8(draft.write()).expect("a clean request");
        text.replace(&format!("c{}x@", self.id), "companion@").replace("z9hG4bKb", "z9hG4bKp").into_bytes()
    }

    /// The account of the registration, whoever sends it.
    fn registers(&self) -> Vec<String> {
        if self.method != "REGISTER" {
            return Vec::new();
        }
        let (mut draft, _) = self.draft(0);
        let owners = draft.headers.drain(..).filter_map(|header| match header.value {
            Value::Party(party) if header.name.trim_ascii().to_ascii_lowercase().starts_with(b"t") => {
                Some(String::from_utf8_lossy(&[party.scheme, party.user].concat()).into_owned())
            }
            _ => None,
        });
        owners.collect()
    }

    /// The request, and what was changed.
    fn draft(&self, port: u16) -> (Draft, Vec<String>) {
        let right = password(self.account.parse().expect("an account's number"));
        let is_right = matches!(self.shows, Shows::Right | Shows::RightAsWritten);
        let password = if is_right { right.as_str() } else { "wrong" };
        let Challenge { realm, nonce, .. } = &*self.challenge;
        let answers = Answers { header: self.header, realm, nonce };
        let mut draft = Draft::new(&Plan {
            method: self.method,
            account: &self.account,
            id: self.id,
            port,
            transport: if self.is_stream() { "TCP" } else { "UDP" },
            answers: (self.shows != Shows::Nothing).then_some(answers),
        });
        let done = self.mutations.iter().map(|mutation| mutation.apply(&mut draft));
        let done = done.filter(|label| !label.is_empty()).collect();
        draft.sign((self.shows != Shows::RightAsWritten).then_some(&self.account), password);
        (draft, done)
    }
}

/// In which way an answer was not seen for what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Miss {
    /// A guess, and the observer does not name the account that was guessed at.
    Guess,
    /// A guess, for which the kernel neither finds the account nor reports that it is uncertain.
    KernelGuess,
    /// The PBX has accepted the account, and the observer has no evidence of it.
    Success,
    /// The PBX has refused an account that it read in the request, and the observer does not name that account.
    Asked,
}

#[derive(Clone, Debug)]
pub(crate) struct Find {
    pub(crate) miss: Miss,
    pub(crate) case: Case,
    pub(crate) exchanged: Exchanged,
    pub(crate) reading: Reading,
    /// The account that the PBX has read.
    pub(crate) names: Vec<String>,
}

pub(crate) struct Campaign {
    pbx: Pbx,
    wire: Wire,
    next: u64,
    pub(crate) sent: usize,
    pub(crate) answered: usize,
    /// Of the answered: what strangers do not get through with.
    pub(crate) refused: usize,
    /// In fragments, of which the observer sees the first.
    pub(crate) fragmented: usize,
    pub(crate) statuses: BTreeMap<u16, usize>,
    _lan: Lan,
}

impl Campaign {
    pub(crate) fn start(make: PbxKind) -> Option<Self> {
        let lan = Lan::new(["pbx", "sender"]);
        let [host, sender]: [&Namespace; 2] = lan.hosts();
        let pbx = Pbx::start(make, host)?;
        let wire = Wire::new(sender, PATIENCE);
        let (sent, answered, refused, fragmented) = (0, 0, 0, 0);
        let statuses = BTreeMap::new();
        Some(Self { pbx, wire, next: 1, sent, answered, refused, fragmented, statuses, _lan: lan })
    }

    /// That many requests: those that were answered and not seen, each as small as it can be.
    pub(crate) fn run(&mut self, rng: &mut Rng, count: usize) -> Vec<Find> {
        let mut finds = Vec::new();
        let end = self.sent + count;
        while self.sent < end {
            let challenge = self.challenge();
            let cases: Vec<Case> =
                (0..BATCH.min(end - self.sent)).map(|_| self.any_case(rng, &challenge)).collect();
            self.sent += cases.len();
            let outcomes = self.outcomes(cases);
            for outcome in &outcomes {
                self.tally(outcome);
            }
            finds.extend(self.finds(outcomes));
        }
        self.minimized(finds)
    }

    fn tally(&mut self, (_, exchanged, reading, _): &Outcome) {
        let Some(status) = exchanged.status() else { return };
        self.answered += 1;
        *self.statuses.entry(status).or_default() += 1;
        self.refused += usize::from(reading.as_ref().is_some_and(Reading::is_refused));
        self.fragmented += usize::from(reading.as_ref().is_some_and(|reading| reading.fragmented));
    }

    fn challenge(&mut self) -> Arc<Challenge> {
        self.next += 1;
        self.pbx.challenge(&self.wire, self.next)
    }

    fn any_case(&mut self, rng: &mut Rng, challenge: &Arc<Challenge>) -> Case {
        self.next += 1;
        let method = *rng.pick(&METHODS);
        let shows = *rng.pick(&[Shows::Nothing, Shows::Wrong, Shows::Wrong, Shows::Wrong, Shows::Right]);
        // A call that is taken would have to be ended.
        let shows = if method == "INVITE" && shows == Shows::Right { Shows::Wrong } else { shows };
        let count = MUTATIONS.start() + rng.below(*MUTATIONS.end());
        Case {
            id: self.next,
            method,
            account: (ACCOUNTS.start() + rng.below(ACCOUNTS.count())).to_string(),
            shows,
            mutations: (0..count).map(|_| Mutation::any(rng)).collect(),
            carrier: Carrier::any(rng),
            header: self.pbx.credentials_header(method),
            challenge: Arc::clone(challenge),
        }
    }

    fn outcomes(&mut self, cases: Vec<Case>) -> Vec<Outcome> {
        let exchanged = self.wire.exchange(&cases);
        let ids: Vec<(u64, Exchanged)> = cases.iter().map(|case| case.id).zip(exchanged).collect();
        let mut names = self.pbx.names(&ids);
        for (case, names) in cases.iter().zip(&mut names) {
            names.extend(case.registers());
        }
        let outcomes = cases.into_iter().zip(ids).zip(names);
        outcomes
            .map(|((case, (_, exchanged)), names)| {
                let reading = read(&case, &exchanged);
                (case, exchanged, reading, names)
            })
            .collect()
    }

    /// Of what was answered, what was not seen. Whether a refusal was one of a guess, its twin with the right password
    /// says: if that is answered otherwise, the PBX has read the credentials.
    fn finds(&mut self, outcomes: Vec<Outcome>) -> Vec<Find> {
        let (suspects, others): (Vec<_>, Vec<_>) =
            outcomes.into_iter().partition(|(case, exchanged, reading, _)| {
                let guess = matches!(exchanged.status(), Some(401 | 403 | 407)) && case.shows == Shows::Wrong;
                guess && reading.as_ref().is_some_and(|it| guess_missed(case, it).is_some())
            });
        let twins = self.twins(&suspects, Shows::Right);
        let written = self.twins(&suspects, Shows::RightAsWritten);
        let mut finds = Vec::new();
        for (outcome, twins) in suspects.into_iter().zip(twins.iter().zip(&written)) {
            let is_guess = [twins.0, twins.1].into_iter().any(|twin| let_in(twin.1.status()));
            finds.extend(find(outcome, is_guess));
        }
        finds.extend(others.into_iter().filter_map(|outcome| find(outcome, false)));
        finds
    }

    /// The same requests with another password.
    fn twins(&mut self, of: &[Outcome], shows: Shows) -> Vec<Outcome> {
        if of.is_empty() {
            return Vec::new();
        }
        let challenge = self.challenge();
        let twin = |(case, ..): &Outcome| {
            self.next += 1;
            Case { id: self.next, shows, challenge: Arc::clone(&challenge), ..case.clone() }
        };
        let twins = of.iter().map(twin).collect();
        self.outcomes(twins)
    }

    /// The same finds with as few changes as they need: each change is left out once, and stays so if it was not needed.
    fn minimized(&mut self, mut finds: Vec<Find>) -> Vec<Find> {
        let mut kept = vec![0; finds.len()];
        for _ in 0..*MUTATIONS.end() {
            let tried: Vec<Option<Case>> =
                finds.iter().zip(&kept).map(|(find, kept)| self.without(find, *kept)).collect();
            let mut smaller = Vec::new();
            for batch in tried.iter().flatten().cloned().collect::<Vec<_>>().chunks_mut(BATCH) {
                let challenge = self.challenge();
                batch.iter_mut().for_each(|case| case.challenge = Arc::clone(&challenge));
                let outcomes = self.outcomes(batch.to_vec());
                smaller.extend(self.finds(outcomes));
            }
            for ((find, kept), case) in finds.iter_mut().zip(&mut kept).zip(tried) {
                let Some(case) = case else { continue };
                let same = |smaller: &&Find| smaller.case.id == case.id && smaller.miss == find.miss;
                match smaller.iter().find(same) {
                    Some(smaller) => *find = smaller.clone(),
                    None => *kept += 1,
                }
            }
        }
        finds
    }

    /// Without the last change before those that are to be kept.
    fn without(&mut self, find: &Find, kept: usize) -> Option<Case> {
        let mut case = find.case.clone();
        case.mutations.remove(case.mutations.len().checked_sub(kept + 1)?);
        self.next += 1;
        case.id = self.next;
        Some(case)
    }

    pub(crate) fn summary(&self) -> String {
        let statuses: Vec<String> =
            self.statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
        format!(
            "{:?}: {} requests, {} answered ({}); of these {} refused from strangers, {} in fragments",
            self.pbx.make,
            self.sent,
            self.answered,
            statuses.join(", "),
            self.refused,
            self.fragmented,
        )
    }
}

type Outcome = (Case, Exchanged, Option<Reading>, Vec<String>);

fn read(case: &Case, exchanged: &Exchanged) -> Option<Reading> {
    let answer = exchanged.answer.as_deref()?;
    Some(Reading::of(&Exchange {
        challenge: (&case.challenge.request, &case.challenge.answer),
        request: &exchanged.request,
        pieces: &exchanged.pieces,
        answer: if exchanged.pieces.is_empty() { answer } else { &exchanged.replies },
        port: exchanged.port,
    }))
}

fn guess_missed(case: &Case, reading: &Reading) -> Option<Miss> {
    if reading.is_refused() {
        None
    } else if !reading.is_charged(&case.account) {
        Some(Miss::KernelGuess)
    } else {
        (!reading.is_attributed(&case.account) && !reading.fragmented).then_some(Miss::Guess)
    }
}

fn find((case, exchanged, reading, names): Outcome, is_guess: bool) -> Option<Find> {
    let (status, reading) = (exchanged.status()?, reading?);
    let miss = match (status, case.shows) {
        _ if reading.is_refused() => None,
        (401 | 403 | 407, Shows::Wrong) if is_guess => guess_missed(&case, &reading),
        // In fragments nobody sees who it was, and of several names nobody says which one was let in.
        (200..300, Shows::Right) => {
            let unknown = reading.fragmented || reading.uncertain;
            (!unknown && !reading.is_let_in(&case.account)).then_some(Miss::Success)
        }
        (401 | 403 | 404 | 407, shows) => asked_missed(&names, shows, &reading),
        _ => None,
    };
    miss.map(|miss| Find { miss, case, exchanged, reading, names })
}

/// Asterisk knows no such extension or event, once it has accepted the credentials.
const fn let_in(status: Option<u16>) -> bool {
    matches!(status, Some(200..300 | 404 | 405 | 481 | 489 | 501))
}

/// Credentials that nobody can be let in with may have any name.
fn asked_missed(names: &[String], shows: Shows, reading: &Reading) -> Option<Miss> {
    if reading.fragmented {
        // Nobody sees who it was, and there is nothing to guess with, or it was charged.
        None
    } else if names.is_empty()
        || (shows != Shows::Nothing || reading.has_credentials)
            && reading.told.iter().any(|(name, _)| name.is_some())
    {
        None
    } else {
        // Nobody guesses by these names: that it is one of them is enough, with what PBXs take for a part of it.
        let told = |name: &String| {
            let mut told = reading.told.iter().flat_map(|(told, _)| told);
            told.any(|told| name.contains(told) || told.contains(name))
        };
        let is_nobodys = |name: &String| name.is_empty() || name == "<unknown>" || name.contains('\u{fffd}');
        let is_anonymous = names.iter().any(is_nobodys) && !reading.told.is_empty();
        let is_seen = is_anonymous || names.iter().any(|name| reading.is_attributed(name) || told(name));
        (!is_seen).then_some(Miss::Asked)
    }
}

impl Find {
    pub(crate) fn class(&self) -> String {
        let (_, mut done) = self.case.draft(self.exchanged.port);
        done.sort();
        format!("{:?}: {}{}", self.miss, done.join(" + "), self.case.carrier.name())
    }

    /// As it would stand in the corpus.
    pub(crate) fn entry(&self, make: PbxKind) -> Entry {
        let named = self.names.first().filter(|_| self.miss == Miss::Asked);
        Entry {
            title: self.class(),
            pbx: format!("{make:?}").to_lowercase(),
            account: named.unwrap_or(&self.case.account).clone(),
            realm: self.case.challenge.realm.clone(),
            nonce: self.case.challenge.nonce.clone(),
            expected: "open".into(),
            port: self.exchanged.port,
            request: self.exchanged.request.clone(),
            pieces: self.exchanged.pieces.clone(),
            answer: self.exchanged.answer.clone().unwrap_or_default(),
        }
    }

    /// The readings of the observer and of the kernel, as text.
    pub(crate) fn read(&self) -> String {
        let Reading { told, joined, names, uncertain, reason, .. } = &self.reading;
        let own = names.contains(&hash(self.case.account.as_bytes()));
        format!(
            "the PBX read {:?}; the observer joined {joined}: {told:?}; the kernel {} names, its own among them {own}, \
             uncertain {uncertain}; {}",
            self.names,
            names.len(),
            reason.name(),
        )
    }
}

/// Finds by what was changed, the most frequent first.
pub(crate) fn classes(finds: &[Find]) -> Vec<(String, Vec<&Find>)> {
    let mut classes: BTreeMap<String, Vec<&Find>> = BTreeMap::new();
    finds.iter().for_each(|find| classes.entry(find.class()).or_default().push(find));
    let mut classes: Vec<_> = classes.into_iter().collect();
    classes.sort_by_key(|(_, finds)| std::cmp::Reverse(finds.len()));
    classes
}
