//! Many phones at once, and many packets of nobody.

use sipward_types::time::KernelTime;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use super::script::{Packet, message, run};
use crate::observe::{Observer, Settings};
use sipward_types::{
    evidence::{Evidence, Kind, Proof},
    tapped::Direction,
};

const MILLISECOND: Duration = Duration::from_millis(1);
const PHONE: &str = "192.0.2.7:5062";
const TRUNK: &str = "203.0.113.1:5060";

/// `at`: since the start.
fn packet(at: Duration, direction: Direction, remote: SocketAddr, lines: &[&str]) -> Packet {
    Packet { at: KernelTime::START + at, direction, remote, bytes: message(lines), ..Packet::default() }
}

/// Challenge and success of one registration, 20 ms each.
fn registration(at: Duration, phone: SocketAddr, user: &str, nonce: &str) -> Vec<Packet> {
    let first = format!("REGISTER {user} branch={nonce}1 call={user} cseq=1");
    let second = format!("REGISTER {user} branch={nonce}2 call={user} cseq=2");
    let challenge = format!("WWW-Authenticate: Digest realm=pbx, nonce={nonce}");
    let credentials = format!("Authorization: Digest username={user}, realm=pbx, nonce={nonce}, response=1");
    let contact = format!("Contact: <sip:{user}@10.0.0.1>;expires=600");
    vec![
        packet(at, Direction::In, phone, &[&first, &contact]),
        packet(at + 5 * MILLISECOND, Direction::Out, phone, &[&format!("401 {first}"), &challenge]),
        packet(at + 20 * MILLISECOND, Direction::In, phone, &[&second, &contact, &credentials]),
        packet(at + 25 * MILLISECOND, Direction::Out, phone, &[&format!("200 {second} tag=t"), &contact]),
    ]
}

/// Everything at once: in the order of the times.
fn sorted(packets: impl IntoIterator<Item = Vec<Packet>>) -> Vec<Packet> {
    let mut packets: Vec<Packet> = packets.into_iter().flatten().collect();
    packets.sort_by_key(|packet| packet.at);
    packets
}

#[test]
fn ten_thousand_phones_register_within_a_second_and_none_has_failed() {
    let phones = (0..10_000_u32).map(|n| {
        let address = Ipv4Addr::from_bits(0x0a00_0000 + n);
        let at = n * MILLISECOND / 10;
        registration(at, (address, 5060).into(), &format!("{n}"), &format!("nonce-{n:08}"))
    });
    let mut observer = Observer::new(Settings::default());
    let emitted = run(&mut observer, &sorted(phones));
    let count = |is: fn(&Kind) -> bool| emitted.iter().filter(|evidence| is(&evidence.kind)).count();
    assert_eq!(count(|kind| *kind == Kind::Challenged), 10_000);
    assert_eq!(count(|kind| matches!(kind, Kind::Registered { .. })), 10_000);
    assert_eq!(emitted.len(), 20_000);
    let proven = emitted.iter().filter(|evidence| evidence.proof == Proof::Proven).count();
    assert_eq!(proven, 10_000);
    let counters = observer.counters();
    assert_eq!((counters.joined, counters.messages), (20_000, 40_000));
    assert_eq!((counters.forgotten, counters.unmatched, counters.again), Default::default());
}

#[test]
fn forty_phones_of_an_office_come_back_and_three_have_a_wrong_password() {
    // The PBX gives all of them the same nonce; nobody else asks in that second.
    let office: IpAddr = Ipv4Addr::new(192, 0, 2, 7).into();
    let phones = (0..40_u16).map(|n| {
        let mut packets = registration(
            u32::from(n) * 50 * MILLISECOND,
            (office, 6_000 + n).into(),
            &format!("{n}"),
            "nonce-of-all",
        );
        if n % 16 == 5 {
            let text = String::from_utf8(packets[3].bytes.clone()).unwrap();
            let challenge = "WWW-Authenticate: Digest realm=pbx, nonce=nonce-of-all\r\nContent-Length";
            let text = text.replace("200 Whatever", "401 Whatever").replace("Content-Length", challenge);
            packets[3].bytes = text.into_bytes();
        }
        packets
    });
    let emitted = run(&mut Observer::new(Settings::default()), &sorted(phones));
    let failed: Vec<&str> = emitted
        .iter()
        .filter(|evidence| matches!(evidence.kind, Kind::Failed { .. }))
        .map(|evidence| evidence.account.as_ref().unwrap().as_str())
        .collect();
    assert_eq!(failed, ["5", "21", "37"]);
    let works = |evidence: &&Evidence| matches!(evidence.kind, Kind::Registered { .. });
    assert_eq!(emitted.iter().filter(works).count(), 37);
    assert!(
        emitted.iter().all(|evidence| evidence.proof == Proof::Proven || evidence.kind == Kind::Challenged)
    );
}

/// Of the attacker, who has an address of his own, where he gets nonces, and writes those of others.
fn forged(n: u32, at: Duration) -> Vec<Packet> {
    let attacker: SocketAddr = "198.51.100.66:5060".parse().unwrap();
    let stranger = SocketAddr::from((Ipv4Addr::from_bits(n.wrapping_mul(2_654_435_761)), n as u16 | 1));
    let names = format!("REGISTER 100 branch=forged{n} call=forged{n}");
    let nonce = format!("nonce-of-the-attacker-{}", n / 8);
    let credentials = format!("Authorization: Digest username=100, realm=pbx, nonce={nonce}, response={n}");
    let challenge = format!("WWW-Authenticate: Digest realm=pbx, nonce=answer-to-forged-{n}");
    let own = format!("WWW-Authenticate: Digest realm=pbx, nonce={nonce}");
    let (from, lines, answer): (_, Vec<&str>, _) = match n % 8 {
        0 => (attacker, vec![&names], &own),
        // He replays it in the name of the phone and of the trunk, ...
        1 => (PHONE.parse().unwrap(), vec![&names, &credentials], &challenge),
        2 => (TRUNK.parse().unwrap(), vec![&names, &credentials], &challenge),
        // ... of strangers, ...
        3 => (stranger, vec![&names, &credentials], &challenge),
        // ... asks in their names, so that the PBX sends them what he will never see, ...
        4 => (PHONE.parse().unwrap(), vec![&names], &challenge),
        5 => (TRUNK.parse().unwrap(), vec![&names], &challenge),
        6 => (stranger, vec![&names], &challenge),
        // ... and answers for the trunk.
        _ => {
            let answer = format!("200 OPTIONS pbx branch=forged{n} call=forged{n}");
            return vec![packet(at, Direction::In, TRUNK.parse().unwrap(), &[&answer])];
        }
    };
    let refusal = format!("401 {names} tag=server-tag-{n}");
    vec![
        packet(at, Direction::In, from, &lines),
        packet(at + MILLISECOND, Direction::Out, from, &[&refusal, answer]),
    ]
}

#[test]
fn a_forged_flood_proves_nothing_about_phone_and_trunk() {
    let phone: SocketAddr = PHONE.parse().unwrap();
    let trunk: SocketAddr = TRUNK.parse().unwrap();
    // 10,000 a second, for three seconds; in each the phone registers and the trunk is asked.
    let flood = (0..30_000_u32).map(|n| forged(n, n * MILLISECOND / 10));
    let phone_registers = (0..3_u32).map(|n| {
        registration((n * 1_000 + 500) * MILLISECOND, phone, "100", &format!("nonce-of-the-phone-{n}"))
    });
    let trunk_answers = (0..3_u32).map(|n| {
        let names = format!("OPTIONS pbx branch=0123456789{n} call=abcdefghij{n}");
        let at = (n * 1_000 + 300) * MILLISECOND;
        vec![
            packet(at, Direction::Out, trunk, &[&names]),
            packet(at + 30 * MILLISECOND, Direction::In, trunk, &[&format!("200 {names}")]),
        ]
    });
    let packets = sorted(flood.chain(phone_registers).chain(trunk_answers));
    let mut observer = Observer::new(Settings::default());
    let emitted = run(&mut observer, &packets);
    let proven = |source: IpAddr| {
        let of = move |evidence: &&Evidence| evidence.source == source && evidence.proof == Proof::Proven;
        emitted.iter().filter(of).map(|evidence| evidence.kind).collect::<Vec<_>>()
    };
    let of_phone = proven(phone.ip());
    assert_eq!(of_phone.len(), 3);
    assert!(of_phone.iter().all(|kind| matches!(kind, Kind::Registered { .. })), "{of_phone:?}");
    assert_eq!(proven(trunk.ip()), [Kind::Qualified; 3]);
    assert_eq!(emitted.iter().filter(|evidence| evidence.proof == Proof::Proven).count(), 6);
    // The flood itself is told, as what it is.
    assert!(emitted.len() > 24_000, "{}", emitted.len());
    assert!(!emitted.iter().any(|evidence| matches!(evidence.kind, Kind::Failed { .. })));
}

#[test]
fn strangers_do_not_push_out_what_acquaintances_wait_for() {
    let settings =
        Settings { transactions: 256, nonces: 256, verified_sources: 64, connections: 64, histories: 64 };
    let phone: SocketAddr = PHONE.parse().unwrap();
    let introduction = registration(Duration::ZERO, phone, "100", "nonce-of-the-phone-0");
    let [request, challenge, again, success] =
        registration(1_000 * MILLISECOND, phone, "100", "nonce-of-the-phone-1").try_into().unwrap();
    let flood = |from: u32| {
        sorted((0..4_000_u32).filter(|n| matches!(n % 8, 3 | 6)).map(move |n| {
            let mut packets = forged(n, (from + n / 100) * MILLISECOND);
            // Those that are never answered stay the longest.
            packets.truncate(1 + n as usize % 2);
            packets
        }))
    };
    let packets = [
        introduction,
        vec![request],
        flood(1_001),
        vec![challenge],
        flood(1_010),
        vec![again],
        flood(1_021),
        vec![success],
    ]
    .concat();
    let mut observer = Observer::new(settings);
    let emitted = run(&mut observer, &packets);
    let phone: Vec<_> = emitted.iter().filter(|evidence| evidence.source == phone.ip()).collect();
    assert_eq!(phone.len(), 4);
    assert!(matches!(phone[3].kind, Kind::Registered { .. }) && phone[3].proof == Proof::Proven);
    let forgotten = observer.counters().forgotten;
    assert!(forgotten.transactions > 1_000 && forgotten.nonces > 100, "{forgotten:?}");
}
