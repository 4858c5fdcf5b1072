//! Crowds of strangers that are customers, with the default policy: none of their first packets is lost.

use sipward_types::time::KernelTime;
use std::time::Duration;

use super::{chance::Chance, register};
use crate::replay::{
    Memory,
    tests::{filter, frames::*},
};

/// One crowd: its packets, each with its time.
type Traffic = (&'static str, Vec<(Duration, Vec<u8>)>);

/// At any time within so many seconds.
fn within(chance: &mut Chance, seconds: u64) -> Duration {
    Duration::from_millis(chance.below(seconds * 1_000))
}

fn port(chance: &mut Chance) -> u64 {
    1_024 + chance.below(64_000)
}

fn mobile_phones(chance: &mut Chance) -> Traffic {
    let packet = |n: u64| {
        let from = format!("[2001:db8:5060:{n:x}::{n:x}]:{}", port(chance));
        let message = register(&from, n, "Acrobits SIP SDK");
        (within(chance, 60), ethernet(&datagram(&from, PBX6, &message)))
    };
    ("200 phones of a mobile carrier, own /64s of one /48", (1..=200).map(packet).collect())
}

fn natted_phones(chance: &mut Chance) -> Traffic {
    let packet = |n: u64| {
        let from = format!("100.64.9.{}:{}", n % 64 + 1, port(chance));
        (
            within(chance, 60),
            ethernet(&datagram(&from, PBX, &register(&from, n, "Yealink SIP-T46S 66.85.0.5"))),
        )
    };
    ("200 phones behind 64 addresses of a /24", (0..200).map(packet).collect())
}

fn carrier(chance: &mut Chance) -> Traffic {
    let packet = |n: u64| {
        let from = format!("203.0.113.{}:5060", n + 1);
        (within(chance, 20), ethernet(&datagram(&from, PBX, &request("INVITE"))))
    };
    ("a carrier with 48 SBCs in a /24, a call each", (0..48).map(packet).collect())
}

fn office_that_connects(sentence: &'static str, to: &str, address: &str, chance: &mut Chance) -> Traffic {
    let packet = |_| {
        let from = format!("{address}:{}", port(chance));
        (within(chance, 20), ethernet(&segment(&from, to, SYN, b"")))
    };
    (sentence, (0..40).map(packet).collect())
}

fn busy_lamps() -> Traffic {
    let packet = |n: u64| {
        let frame = ethernet(&datagram("192.0.2.88:5062", PBX, &request("SUBSCRIBE")));
        (Duration::from_millis(n * 20), frame)
    };
    ("130 busy lamps, two SUBSCRIBEs each, 50 a second", (0..260).map(packet).collect())
}

fn crowds() -> Vec<Traffic> {
    let chance = &mut Chance::new(3);
    let tls = "40 TLS phones of an office that connect within 20 s";
    let tcp = "40 TCP phones of an office that connect within 20 s";
    let mut crowds = vec![
        mobile_phones(chance),
        natted_phones(chance),
        carrier(chance),
        office_that_connects(tls, "198.51.100.1:5061", "192.0.2.77", chance),
        busy_lamps(),
        office_that_connects(tcp, PBX, "192.0.2.79", chance),
    ];
    crowds.iter_mut().for_each(|(_, packets)| packets.sort());
    crowds
}

fn lost(memory: &Memory, packets: &[(Duration, Vec<u8>)]) -> usize {
    let is_lost = |(at, frame): &&(Duration, Vec<u8>)| {
        memory.set_now(KernelTime::from_nanos(super::START) + *at);
        memory.judge(frame).0.action() == xdp_prog::reason::Action::Drop
    };
    packets.iter().filter(is_lost).count()
}

#[test]
fn no_crowd_of_customers_loses_a_packet() {
    for (sentence, packets) in crowds() {
        assert_eq!(lost(&filter(""), &packets), 0, "{sentence}");
    }
}

/// The same crowds are what the numbers of the usual guides refuse, so that the test above would show it.
#[test]
fn the_numbers_of_the_usual_guides_lose_some() {
    let guides = "[flows]\npreset = \"strict\"\n[newcomers]\npackets = \"off\"\n\
                  [prefix_rate]\nregister = { max = 60 }\n[rate]\nregister = { max = 10 }\n\
                  other = { burst = 100 }";
    let lost: Vec<_> = crowds().iter().map(|(_, packets)| lost(&filter(guides), packets)).collect();
    assert!(lost[..3].iter().all(|lost| *lost > 10) && lost[4] > 10, "{lost:?}");
}
