//! Mutated requests to one PBX: which of its answers sipward did not see for what they are.

use std::{collections::BTreeMap, fmt::Write as _, ops::RangeInclusive, sync::Arc, time::Duration};

use sipward_tests::{
    dice::Dice,
    exchange::{Make, password},
    namespace::{Lan, Namespace},
};

use crate::{
    draft::{Answers, Draft, Plan},
    mutation::Mutation,
    pbx::{Challenge, Pbx},
    reading::{Exchange, Reading},
    wire::{Exchanged, Wire, Written},
};

/// A PBX that does not answer within this time does not answer.
const PATIENCE: Duration = Duration::from_millis(150);
/// Requests that are sent for one challenge.
const BATCH: usize = 600;
const MUTATIONS: RangeInclusive<usize> = 1..=4;
const ACCOUNTS: RangeInclusive<usize> = 201..=230;
const METHODS: [&str; 10] = [
    "REGISTER", "REGISTER", "REGISTER", "INVITE", "INVITE", "MESSAGE", "INFO", "SUBSCRIBE", "PUBLISH", "FOO",
];

/// What its credentials are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    Nothing,
    Wrong,
    Right,
}

#[derive(Clone, Debug)]
pub struct Case {
    id: u64,
    method: &'static str,
    account: String,
    shows: Shows,
    mutations: Vec<Mutation>,
    header: &'static str,
    challenge: Arc<Challenge>,
}

impl Written for Case {
    fn id(&self) -> u64 {
        self.id
    }

    fn write(&self, port: u16) -> Vec<u8> {
        self.draft(port).0.write()
    }
}

impl Case {
    /// The request, and what was changed.
    fn draft(&self, port: u16) -> (Draft, Vec<String>) {
        let right = password(self.account.parse().expect("an account's number"));
        let password = if self.shows == Shows::Right { right.as_str() } else { "wrong" };
        let Challenge { realm, nonce, .. } = &*self.challenge;
        let answers = Answers { header: self.header, realm, nonce, password };
        let mut draft = Draft::new(&Plan {
            method: self.method,
            account: &self.account,
            id: self.id,
            port,
            transport: "UDP",
            answers: (self.shows != Shows::Nothing).then_some(answers),
        });
        let done = self.mutations.iter().map(|mutation| mutation.apply(&mut draft));
        let done = done.filter(|label| !label.is_empty()).collect();
        draft.sign(&self.account, password);
        (draft, done)
    }
}

/// In which way an answer was not seen for what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Miss {
    /// A guess, and the observer does not name the account that was guessed at.
    Guess,
    /// A guess, and the kernel neither finds that account nor says that it cannot tell.
    KernelGuess,
    /// The account was let in, and the observer does not say so.
    Success,
    /// The PBX refused somebody whom it read in the request, and the observer names nobody of that name.
    Asked,
    /// The same, and the kernel does not find him.
    KernelAsked,
}

#[derive(Clone, Debug)]
pub struct Find {
    pub miss: Miss,
    pub case: Case,
    pub exchanged: Exchanged,
    pub reading: Reading,
    /// Whom the PBX read.
    pub names: Vec<String>,
}

pub struct Campaign {
    pbx: Pbx,
    wire: Wire,
    next: u64,
    pub sent: usize,
    pub answered: usize,
    /// Of the answered: what strangers do not get through with.
    pub refused: usize,
    pub statuses: BTreeMap<u16, usize>,
    _lan: Lan,
}

impl Campaign {
    pub fn start(make: Make) -> Option<Self> {
        let lan = Lan::new(["pbx", "sender"]);
        let [host, sender]: [&Namespace; 2] = lan.hosts();
        let pbx = Pbx::start(make, host)?;
        let wire = Wire::new(sender, PATIENCE);
        let (sent, answered, refused) = (0, 0, 0);
        Some(Self { pbx, wire, next: 1, sent, answered, refused, statuses: BTreeMap::new(), _lan: lan })
    }

    /// That many requests: those that were answered and not seen, each as small as it can be.
    pub fn run(&mut self, dice: &mut Dice, count: usize) -> Vec<Find> {
        let mut finds = Vec::new();
        let end = self.sent + count;
        while self.sent < end {
            let challenge = self.challenge();
            let cases: Vec<Case> =
                (0..BATCH.min(end - self.sent)).map(|_| self.any_case(dice, &challenge)).collect();
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
    }

    fn challenge(&mut self) -> Arc<Challenge> {
        self.next += 1;
        self.pbx.challenge(&self.wire, self.next)
    }

    fn any_case(&mut self, dice: &mut Dice, challenge: &Arc<Challenge>) -> Case {
        self.next += 1;
        let method = *dice.pick(&METHODS);
        let shows = *dice.pick(&[Shows::Nothing, Shows::Wrong, Shows::Wrong, Shows::Wrong, Shows::Right]);
        // A call that is taken would have to be ended.
        let shows = if method == "INVITE" && shows == Shows::Right { Shows::Wrong } else { shows };
        let count = MUTATIONS.start() + dice.below(*MUTATIONS.end());
        Case {
            id: self.next,
            method,
            account: (ACCOUNTS.start() + dice.below(ACCOUNTS.count())).to_string(),
            shows,
            mutations: (0..count).map(|_| Mutation::any(dice)).collect(),
            header: self.pbx.credentials_header(method),
            challenge: Arc::clone(challenge),
        }
    }

    fn outcomes(&mut self, cases: Vec<Case>) -> Vec<Outcome> {
        let exchanged = self.wire.exchange(&cases);
        let ids: Vec<(u64, Exchanged)> = cases.iter().map(|case| case.id).zip(exchanged).collect();
        let names = self.pbx.names(&ids);
        let outcomes = cases.into_iter().zip(ids).zip(names);
        outcomes.map(|((case, (_, exchanged)), names)| {
            let reading = read(&case, &exchanged);
            (case, exchanged, reading, names)
        }).collect()
    }

    /// Of what was answered, what was not seen. Whether a refusal was one of a guess, its twin with the right password
    /// says: if that is answered otherwise, the PBX has read the credentials.
    fn finds(&mut self, outcomes: Vec<Outcome>) -> Vec<Find> {
        let (suspects, others): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|(case, exchanged, reading, _)| {
            let guess = matches!(exchanged.status(), Some(401 | 403 | 407)) && case.shows == Shows::Wrong;
            guess && reading.as_ref().is_some_and(|it| guess_missed(case, it).is_some())
        });
        let challenge = (!suspects.is_empty()).then(|| self.challenge());
        let twins: Vec<Case> = suspects
            .iter()
            .zip(challenge.iter().cycle())
            .map(|((case, ..), challenge)| {
                self.next += 1;
                Case { id: self.next, shows: Shows::Right, challenge: Arc::clone(challenge), ..case.clone() }
            })
            .collect();
        let twins = self.outcomes(twins);
        let mut finds = Vec::new();
        for (outcome, (_, twin, ..)) in suspects.into_iter().zip(twins) {
            let is_guess = twin.status().is_some_and(|status| {
                Some(status) != outcome.1.status() && !matches!(status, 400..=403 | 407 | 500..)
            });
            finds.extend(find(outcome, is_guess));
        }
        finds.extend(others.into_iter().filter_map(|outcome| find(outcome, false)));
        finds
    }

    /// The same finds with as few changes as they need.
    fn minimized(&mut self, mut finds: Vec<Find>) -> Vec<Find> {
        for place in 0..*MUTATIONS.end() {
            let challenge = self.challenge();
            let mut tried = Vec::new();
            for (number, find) in finds.iter().enumerate() {
                // From the last to the first, so that each is left out once.
                let Some(at) = find.case.mutations.len().checked_sub(place + 1) else { continue };
                let mut case = find.case.clone();
                case.mutations.remove(at);
                self.next += 1;
                tried.push((number, Case { id: self.next, challenge: Arc::clone(&challenge), ..case }));
            }
            let mut shrunk = vec![None; finds.len()];
            for batch in tried.chunks(BATCH) {
                let fresh = self.challenge();
                let cases = batch.iter().map(|(_, case)| Case { challenge: Arc::clone(&fresh), ..case.clone() });
                let outcomes = self.outcomes(cases.collect());
                let smaller = self.finds(outcomes);
                for (number, case) in batch {
                    let same = |find: &&Find| find.case.id == case.id && find.miss == finds[*number].miss;
                    shrunk[*number] = smaller.iter().find(same).cloned();
                }
            }
            for (find, smaller) in finds.iter_mut().zip(shrunk) {
                if let Some(smaller) = smaller {
                    *find = smaller;
                }
            }
        }
        finds
    }

    pub fn summary(&self) -> String {
        let statuses: Vec<String> =
            self.statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
        format!(
            "{:?}: {} requests, {} answered ({}), {} of these refused from strangers",
            self.pbx.make,
            self.sent,
            self.answered,
            statuses.join(", "),
            self.refused,
        )
    }
}

type Outcome = (Case, Exchanged, Option<Reading>, Vec<String>);

fn read(case: &Case, exchanged: &Exchanged) -> Option<Reading> {
    let answer = exchanged.answer.as_deref()?;
    Some(Reading::of(&Exchange {
        challenge: (&case.challenge.request, &case.challenge.answer),
        request: &exchanged.request,
        answer,
        port: exchanged.port,
    }))
}

fn guess_missed(case: &Case, reading: &Reading) -> Option<Miss> {
    if reading.is_refused() {
        None
    } else if !reading.is_attributed(&case.account) {
        Some(Miss::Guess)
    } else if !reading.kernel_found(&case.account) {
        Some(Miss::KernelGuess)
    } else {
        None
    }
}

fn find((case, exchanged, reading, names): Outcome, is_guess: bool) -> Option<Find> {
    let (status, reading) = (exchanged.status()?, reading?);
    let miss = match (status, case.shows) {
        _ if reading.is_refused() => None,
        (401 | 403 | 407, Shows::Wrong) if is_guess => guess_missed(&case, &reading),
        (200..300, Shows::Right) => {
            let let_in = ["succeeded", "registered", "unregistered"];
            let seen = |(named, kind): &(Option<String>, &str)| {
                named.as_ref() == Some(&case.account) && let_in.contains(kind)
            };
            (!reading.told.iter().any(seen)).then_some(Miss::Success)
        }
        (401 | 403 | 404 | 407, _) => asked_missed(&names, &reading),
        _ => None,
    };
    miss.map(|miss| Find { miss, case, exchanged, reading, names })
}

fn asked_missed(names: &[String], reading: &Reading) -> Option<Miss> {
    if names.is_empty() {
        None
    } else if !names.iter().any(|name| reading.is_attributed(name)) {
        Some(Miss::Asked)
    } else if !names.iter().any(|name| reading.kernel_found(name)) {
        Some(Miss::KernelAsked)
    } else {
        None
    }
}

impl Find {
    pub fn class(&self) -> String {
        let (_, mut done) = self.case.draft(self.exchanged.port);
        done.sort();
        format!("{:?}: {}", self.miss, done.join(" + "))
    }

    pub fn shown(&self) -> String {
        let mut text = String::new();
        let answer = self.exchanged.answer.as_deref().unwrap_or_default();
        let status = answer.split(|&byte| byte == b'\r').next().unwrap_or_default();
        let Reading { told, joined, names, reason, .. } = &self.reading;
        let lines = self.exchanged.request.split_inclusive(|&byte| byte == b'\n');
        lines.for_each(|line| writeln!(text, "    {}", line.escape_ascii()).expect("a string"));
        let own = self.reading.kernel_found(&self.case.account);
        writeln!(
            text,
            "  account {} ({:?}); answered {}; the PBX read {:?}\n  observer: joined {joined}, {told:?}; kernel: {} \
             names, its own among them: {own}; verdict {}",
            self.case.account,
            self.case.shows,
            status.escape_ascii(),
            self.names,
            names.len(),
            reason.name(),
        )
        .expect("a string");
        text
    }
}

/// Finds by what was changed, the most frequent first.
pub fn classes(finds: &[Find]) -> Vec<(String, Vec<&Find>)> {
    let mut classes: BTreeMap<String, Vec<&Find>> = BTreeMap::new();
    finds.iter().for_each(|find| classes.entry(find.class()).or_default().push(find));
    let mut classes: Vec<_> = classes.into_iter().collect();
    classes.sort_by_key(|(_, finds)| std::cmp::Reverse(finds.len()));
    classes
}
