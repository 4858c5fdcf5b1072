//! Answers that are lost, come twice or are read in another order: nothing is emitted twice, and nobody is blamed for it.

use std::time::Duration;

use sipward_types::time::KernelTime;
use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::script::{Packet, packets, run};
use crate::observe::{Observer, Settings};
use sipward_types::{
    account::Account,
    evidence::{Evidence, Kind},
    tapped::Direction,
};

/// Two phones of one account behind one address, and a third elsewhere.
const PEERS: [(&str, &str); 3] =
    [("192.0.2.7:5062", "100"), ("192.0.2.7:5070", "100"), ("203.0.113.9:5060", "200")];

/// A phone's requests in one go.
#[derive(Clone, Copy, Debug)]
struct Act {
    peer: usize,
    /// It begins with the last nonce that it got.
    keeps: bool,
    knows_password: bool,
    is_call: bool,
    stale: bool,
}

/// The fate of an answer on its way to the observer.
#[derive(Clone, Copy, Debug)]
struct Fate {
    lost: bool,
    twice: bool,
    /// It is read that many packets earlier or later.
    moved: i32,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act =
        (0..PEERS.len(), any::<[bool; 4]>()).prop_map(|(peer, [keeps, knows_password, is_call, stale])| {
            Act { peer, keeps, knows_password, is_call, stale }
        });
    prop::collection::vec(act, 1..24)
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = (prop::bool::weighted(0.2), prop::bool::weighted(0.3), -6..7_i32);
    let fate = fate.prop_map(|(lost, twice, moved)| Fate { lost, twice, moved });
    prop::collection::vec(fate, 96)
}

/// The PBX of these tests: a nonce is good once.
#[derive(Default)]
struct Pbx {
    script: String,
    time: f64,
    sequence: u32,
    nonces: u32,
    /// The last nonce of each phone.
    last: HashMap<usize, String>,
}

impl Pbx {
    fn act(&mut self, act: Act) {
        self.time += 20.0;
        let kept = self.last.get(&act.peer).cloned().filter(|_| act.keeps);
        let nonce = self.refused(act, kept.as_deref());
        if act.knows_password {
            self.exchange(act, Some(&nonce), "200", "");
            self.last.insert(act.peer, nonce);
        } else {
            let next = self.refused(act, Some(&nonce));
            self.last.insert(act.peer, next);
        }
    }

    /// The nonce that the challenge has.
    fn refused(&mut self, act: Act, nonce: Option<&str>) -> String {
        self.nonces += 1;
        let new = format!("nonce-{:08}", self.nonces);
        // The PBX says so of kept ones only, and not always.
        let stale = nonce
            .is_some_and(|nonce| act.stale && Some(nonce) == self.last.get(&act.peer).map(String::as_str));
        let header = format!("WWW-Authenticate: Digest realm=pbx, nonce={new}, stale={stale}");
        self.exchange(act, nonce, "401", &header);
        new
    }

    fn exchange(&mut self, act: Act, nonce: Option<&str>, status: &str, header: &str) {
        let (peer, user) = PEERS[act.peer];
        let method = if act.is_call { "INVITE" } else { "REGISTER" };
        self.sequence += 1;
        self.time += 0.1;
        let (n, time) = (self.sequence, self.time);
        let names = format!("{method} {user} branch={n} call=c{} cseq={n}", act.peer);
        let credentials = nonce.map(|nonce| {
            format!("Authorization: Digest username={user}, realm=pbx, nonce={nonce}, response={n}\n")
        });
        let credentials = credentials.unwrap_or_default();
        self.script += &format!("{time} > {peer}\n{names}\n{credentials}");
        self.script += &format!("{} < {peer}\n{status} {names} tag=server-tag-{n}\n{header}\n", time + 0.01);
    }
}

fn lossless(acts: &[Act]) -> Vec<Packet> {
    let mut pbx = Pbx::default();
    acts.iter().for_each(|act| pbx.act(*act));
    packets(&pbx.script)
}

/// Packets are read in the order of time, but for those that another core was just writing: within a part of a second.
fn with_fates(packets: &[Packet], fates: &[Fate]) -> Vec<Packet> {
    const STEP: i64 = 60_000_000;
    let mut fates = fates.iter().cycle();
    let mut placed = Vec::new();
    for packet in packets {
        let read = packet.at.as_nanos() as i64;
        if packet.direction == Direction::In {
            placed.push((read, packet.clone()));
            continue;
        }
        let fate = fates.next().expect("endless");
        if !fate.lost {
            placed.push((read + i64::from(fate.moved) * STEP, packet.clone()));
        }
        if !fate.lost && fate.twice {
            placed.push((
                read + STEP / 2,
                Packet { at: packet.at + Duration::from_micros(1), ..packet.clone() },
            ));
        }
    }
    placed.sort_by_key(|(read, _)| *read);
    placed.into_iter().map(|(_, packet)| packet).collect()
}

/// The transactions, by the CSeq of the answers whose times the evidence has.
fn transactions(emitted: &[Evidence], packets: &[Packet]) -> Vec<String> {
    let name = |packet: &Packet| {
        let text = String::from_utf8_lossy(&packet.bytes);
        text.lines().find(|line| line.starts_with("CSeq")).expect("a CSeq").to_owned()
    };
    let answers: HashMap<KernelTime, String> = packets
        .iter()
        .filter(|packet| packet.direction == Direction::Out)
        .map(|packet| (packet.at, name(packet)))
        .collect();
    emitted.iter().map(|evidence| answers[&evidence.at].clone()).collect()
}

/// The failures of each account.
fn failures(emitted: &[Evidence]) -> HashMap<Option<Account>, usize> {
    let mut failures = HashMap::new();
    for evidence in emitted.iter().filter(|evidence| matches!(evidence.kind, Kind::Failed { .. })) {
        *failures.entry(evidence.account.clone()).or_default() += 1;
    }
    failures
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn faults_on_the_way_are_nobodys_failure(acts in acts(), fates in fates()) {
        let whole = lossless(&acts);
        let told_whole = run(&mut Observer::new(Settings::default()), &whole);
        prop_assert_eq!(told_whole.len(), whole.len() / 2, "without faults each transaction is told");
        let faulty = with_fates(&whole, &fates);
        let emitted = run(&mut Observer::new(Settings::default()), &faulty);
        let names = transactions(&emitted, &faulty);
        prop_assert_eq!(names.iter().collect::<HashSet<_>>().len(), emitted.len(), "each at most once");
        // Not one by one: of guesses whose challenges were lost, a later one may be the first that is called so.
        let fair = failures(&told_whole);
        for (account, count) in failures(&emitted) {
            prop_assert!(fair.get(&account).is_some_and(|fair| count <= *fair), "{:?}: {}", account, count);
        }
    }

    #[test]
    fn who_knows_the_password_never_fails(acts in acts()) {
        let acts: Vec<Act> = acts.into_iter().map(|act| Act { knows_password: true, ..act }).collect();
        let whole = lossless(&acts);
        let emitted = run(&mut Observer::new(Settings::default()), &whole);
        let failed = emitted.iter().filter(|evidence| matches!(evidence.kind, Kind::Failed { .. })).count();
        prop_assert_eq!(failed, 0);
    }

    #[test]
    fn garbage_tells_nothing(payloads in prop::collection::vec((any::<Vec<u8>>(), any::<bool>(), any::<Option<u32>>()), 0..40)) {
        let packets = payloads.into_iter().map(|(bytes, out, sequence)| Packet {
            at: KernelTime::from_nanos(1),
            direction: if out { Direction::Out } else { Direction::In },
            remote: "192.0.2.7:5062".parse().unwrap(),
            sequence,
            bytes,
            ..Packet::default()
        });
        let emitted = run(&mut Observer::new(Settings::default()), &packets.collect::<Vec<_>>());
        prop_assert!(emitted.is_empty());
    }
}
