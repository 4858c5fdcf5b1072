//! Whatever is sent in the name of somebody who says nothing himself, and whoever listens for the answers: nothing about
//! him is proven.

use sipward_types::time::KernelTime;
use std::net::IpAddr;

use proptest::prelude::*;

use super::script::{at_second, packets, run};
use crate::observe::{Observer, Settings, Unseen};
use sipward_types::evidence::{Evidence, Kind, Proof};

const VICTIM: &str = "192.0.2.7:5062";
/// The attacker's own addresses, which hear what is sent to them.
const ACCOMPLICES: [&str; 2] = ["203.0.113.9:5060", "203.0.113.10:5060"];

/// The parts that a PBX makes its nonces of, besides what nobody knows.
#[derive(Clone, Copy, Debug)]
enum Makes {
    /// The address that a request came from, and the second: Asterisk.
    OfAddress,
    /// The second: Kamailio.
    OfTime,
    /// The call and the second.
    OfCall,
    /// Each is new: FreeSWITCH, OpenSIPS.
    ByChance,
}

/// The fate of an answer on its way to the observer. Its receiver gets it in any case.
#[derive(Clone, Copy, Debug)]
enum Seen {
    Whole,
    /// Its end is not, where the challenge stands.
    Cut,
    Lost,
    /// It went over TLS.
    Hidden,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A request in the victim's name, whose answer goes to an accomplice: by a `maddr`, however that is spelled.
    Forge { call: u8, to: Option<usize>, invites: bool, seen: Seen },
    /// An accomplice asks by himself. Of one who is banned or trusted the answer is seen, and no request.
    Ask { call: u8, who: usize, is_listed: bool, seen: Seen },
    /// In the victim's name, with the nonce that an accomplice was told last, or earlier.
    Guess { back: usize, invites: bool, to: Option<usize> },
    /// The same with a tag.
    Acknowledge { call: u8, back: usize },
}

fn steps() -> impl Strategy<Value = Vec<(f64, Step)>> {
    let seen = || prop_oneof![6 => Just(Seen::Whole), 1 => Just(Seen::Cut), 1 => Just(Seen::Lost), 1 => Just(Seen::Hidden)];
    let to = || prop::option::weighted(0.6, 0..ACCOMPLICES.len());
    let step = prop_oneof![
        3 => (0..3_u8, to(), any::<bool>(), seen())
            .prop_map(|(call, to, invites, seen)| Step::Forge { call, to, invites, seen }),
        2 => (0..3_u8, 0..ACCOMPLICES.len(), any::<bool>(), seen())
            .prop_map(|(call, who, is_listed, seen)| Step::Ask { call, who, is_listed, seen }),
        4 => (0..4_usize, any::<bool>(), to()).prop_map(|(back, invites, to)| Step::Guess { back, invites, to }),
        1 => (0..3_u8, 0..4_usize).prop_map(|(call, back)| Step::Acknowledge { call, back }),
    ];
    let pause = prop_oneof![6 => 0.001..0.1, 2 => 0.1..1.5, 1 => 1.5..9.0];
    prop::collection::vec((pause, step), 1..60)
}

/// A request and whom its answer goes to, if not back.
#[derive(Clone, Copy, Debug)]
struct Asked<'a> {
    source: &'a str,
    names: &'a str,
    headers: &'a str,
    call: u8,
    to: Option<usize>,
}

/// The PBX, the attacker and the observer.
struct Scene {
    makes: Makes,
    observer: Observer,
    emitted: Vec<Evidence>,
    at: f64,
    number: u32,
    /// The nonces that the accomplices received.
    nonces: Vec<String>,
    tags: Vec<String>,
}

impl Scene {
    fn new(makes: Makes) -> Self {
        let observer = Observer::new(Settings::default());
        Self {
            makes,
            observer,
            emitted: Vec::new(),
            at: 100.0,
            number: 0,
            nonces: Vec::new(),
            tags: Vec::new(),
        }
    }

    fn secret(&self, what: &str, source: &str, call: u8) -> String {
        let second = self.at as u64;
        let host = source.split(':').next().unwrap_or_default();
        let of = match self.makes {
            Makes::OfAddress => format!("{host}-{second}"),
            Makes::OfTime => format!("any-{second}"),
            Makes::OfCall => format!("call{call}-{second}"),
            Makes::ByChance => format!("new-{}", self.number),
        };
        // As from a hash: what two have in common does not show.
        format!(
            "{:016x}-{what}",
            crate::observe::registration::stable_hash(&[of.as_bytes(), what.as_bytes()])
        )
    }

    fn show(&mut self, text: &str) {
        for packet in packets(text) {
            self.observer.tick(packet.at, &mut self.emitted);
            self.observer.see(&packet.tapped(), &mut self.emitted);
        }
    }

    /// A request, seen or not, and its answer.
    fn exchange(&mut self, asked: Asked<'_>, is_seen: bool, seen: Seen) {
        let Asked { source, names, headers, call, to } = asked;
        self.number += 1;
        let names = format!("{names} branch=b{} call=c{call} from=f{call} cseq={}", self.number, self.number);
        if is_seen {
            self.show(&format!("{} > {source}\n{names}\n{headers}", self.at));
        }
        self.at += 0.001;
        let (nonce, tag) = (self.secret("nonce", source, call), self.secret("tag", source, call));
        let receiver = to.map_or(source, |to| ACCOMPLICES[to]);
        if ACCOMPLICES.contains(&receiver) {
            self.nonces.push(nonce.clone());
            self.tags.push(tag.clone());
        }
        let answer = format!(
            "{} < {receiver}\n401 {names} tag={tag}\nWWW-Authenticate: Digest realm=pbx, nonce={nonce}\n",
            self.at
        );
        let now = at_second(self.at);
        match seen {
            Seen::Whole => self.show(&answer),
            Seen::Cut => {
                let mut packet = packets(&answer).remove(0);
                let end = packet.bytes.windows(3).position(|bytes| bytes == b"WWW").expect("a challenge");
                packet.bytes.truncate(end + 20);
                packet.part = true;
                self.observer.see(&packet.tapped(), &mut self.emitted);
            }
            Seen::Lost => self.observer.miss(Unseen::Answer, now),
            Seen::Hidden => self.observer.miss(Unseen::Hidden, now),
        }
    }

    fn step(&mut self, step: Step) {
        let method = |invites: bool| if invites { "INVITE 100" } else { "REGISTER 100" };
        match step {
            // A request over UDP is not answered over TLS.
            Step::Forge { call, to, invites, seen } => {
                let seen = if matches!(seen, Seen::Hidden) { Seen::Lost } else { seen };
                self.exchange(
                    Asked { source: VICTIM, names: method(invites), headers: "", call, to },
                    true,
                    seen,
                );
            }
            Step::Ask { call, who, is_listed, seen } => {
                let is_seen = !is_listed && !matches!(seen, Seen::Hidden);
                self.exchange(
                    Asked { source: ACCOMPLICES[who], names: "REGISTER 100", headers: "", call, to: None },
                    is_seen,
                    seen,
                );
            }
            Step::Guess { back, invites, to } => {
                let Some(nonce) = self.nonces.iter().rev().nth(back).cloned() else { return };
                let n = self.number;
                let guess =
                    format!("Authorization: Digest username=u{n}, realm=pbx, nonce={nonce}, response={n}\n");
                self.exchange(
                    Asked { source: VICTIM, names: method(invites), headers: &guess, call: 9, to },
                    true,
                    Seen::Whole,
                );
            }
            Step::Acknowledge { call, back } => {
                let Some(tag) = self.tags.iter().rev().nth(back).cloned() else { return };
                let names = format!("ACK 100 branch=b{} call=c{call} from=f{call}", self.number);
                self.show(&format!("{} > {VICTIM}\n{names} cseq={} tag={tag}\n", self.at, self.number));
            }
        }
    }

    fn proven_of(&mut self, address: &str) -> Vec<Evidence> {
        self.observer.tick(KernelTime::from_nanos(u64::MAX / 2), &mut self.emitted);
        let source: IpAddr = address.split(':').next().unwrap_or_default().parse().unwrap();
        let proven = self.emitted.drain(..).filter(|evidence| evidence.proof == Proof::Proven);
        proven.filter(|evidence| evidence.source == source).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn nothing_is_proven_of_who_says_nothing(
        makes in prop::sample::select(vec![Makes::OfAddress, Makes::OfTime, Makes::OfCall, Makes::ByChance]),
        steps in steps(),
    ) {
        let mut scene = Scene::new(makes);
        for (pause, step) in &steps {
            scene.at += pause;
            scene.step(*step);
        }
        let proven = scene.proven_of(VICTIM);
        prop_assert!(proven.is_empty(), "{proven:#?}");
    }
}

/// The same stage, on which somebody does answer: otherwise it would prove nothing of anybody.
#[test]
fn who_answers_his_own_challenge_is_proven() {
    for makes in [Makes::OfAddress, Makes::OfTime, Makes::OfCall, Makes::ByChance] {
        let mut scene = Scene::new(makes);
        scene.step(Step::Ask { call: 1, who: 0, is_listed: false, seen: Seen::Whole });
        let nonce = scene.nonces[0].clone();
        let guess = format!("Authorization: Digest username=100, realm=pbx, nonce={nonce}, response=1\n");
        scene.exchange(
            Asked { source: ACCOMPLICES[0], names: "REGISTER 100", headers: &guess, call: 1, to: None },
            true,
            Seen::Whole,
        );
        let proven = scene.proven_of(ACCOMPLICES[0]);
        assert!(matches!(proven[..], [Evidence { kind: Kind::Failed { .. }, .. }]), "{makes:?}: {proven:?}");
    }
}

/// One that the accomplice was told, as he gets the answers for the victim's address, and what of it is lost.
#[test]
fn a_nonce_that_an_accomplice_was_told_proves_nothing_whatever_was_seen_of_it() {
    for seen in [Seen::Whole, Seen::Cut, Seen::Lost] {
        let mut scene = Scene::new(Makes::OfAddress);
        // It is known that the PBX makes them for each address.
        for (call, who) in [(1, 0), (2, 0), (1, 1)] {
            scene.step(Step::Ask { call, who, is_listed: false, seen: Seen::Whole });
        }
        scene.step(Step::Forge { call: 1, to: None, invites: false, seen: Seen::Whole });
        scene.step(Step::Forge { call: 2, to: Some(0), invites: false, seen });
        scene.step(Step::Guess { back: 0, invites: false, to: None });
        assert!(scene.proven_of(VICTIM).is_empty(), "{seen:?}");
    }
}

#[test]
fn an_answer_that_is_no_sip_may_have_told_more() {
    let mut scene = Scene::new(Makes::ByChance);
    scene.step(Step::Ask { call: 1, who: 0, is_listed: false, seen: Seen::Whole });
    let packet = super::script::Packet {
        at: at_second(scene.at),
        direction: sipward_types::tapped::Direction::Out,
        remote: ACCOMPLICES[1].parse().unwrap(),
        bytes: b"SIP/2.1 401 nobody knows".to_vec(),
        ..Default::default()
    };
    assert!(run(&mut scene.observer, &[packet]).is_empty());
    let nonce = scene.nonces[0].clone();
    let guess = format!("Authorization: Digest username=100, realm=pbx, nonce={nonce}, response=1\n");
    scene.exchange(
        Asked { source: ACCOMPLICES[0], names: "REGISTER 100", headers: &guess, call: 1, to: None },
        true,
        Seen::Whole,
    );
    assert!(scene.proven_of(ACCOMPLICES[0]).is_empty());
}
