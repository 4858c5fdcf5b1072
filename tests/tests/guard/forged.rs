//! Thousands of packets with forged sources: whatever their contents, no source is banned, suspended or delayed, not
//! even the phone at the forged address, as long as it uses its known port.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    thread,
    time::{Duration, Instant},
};

use sipward_tests::{
    auth_pbx::{AuthPbx, PbxKind},
    caller::{PHONE as ORDINARY, Plan, SCANNER, Tally},
    forge::{Forged, Forger},
    guesser::{Answer, Attempt, Guesser, another},
    length::by_length,
    namespace::v4,
    rng::Rng,
    scratch::Scratch,
};

use crate::site::{
    ATTACKER, Guarded, OFFICE, PATIENT, PHONE, SOON, Site, TRUNK, login, next_second, phone_works, plan,
    trunk,
};

const CALLS: u32 = 20;
/// In a second, each with two INVITEs: below the limit for a phone.
const CALL_RATE: u32 = 4;
/// Sent at once.
const BURST: usize = 200;

/// So many packets, and so many a second: longer than the calls last.
#[derive(Clone, Copy, Debug)]
struct Flood {
    packets: usize,
    rate: usize,
}

/// A flood that a PBX sustains without limits before it.
const SOME: Flood = Flood { packets: 10_000, rate: 1_800 };

fn all() -> Flood {
    by_length(Flood { packets: 30_000, rate: 5_400 }, Flood { packets: 100_000, rate: 18_000 })
}

#[test]
fn forged_packets_harm_nobody_at_a_kamailio() {
    forged(PbxKind::Kamailio, "", all());
}

#[test]
fn forged_packets_harm_nobody_at_an_asterisk() {
    forged(PbxKind::Asterisk, "", all());
}

/// Without limits more of them reach the PBX, and what it answers is judged.
#[test]
fn forged_packets_harm_nobody_where_nothing_else_stops_them() {
    forged(PbxKind::Kamailio, PATIENT, SOME);
}

fn forged(make: PbxKind, settings: &str, flood: Flood) {
    let site = Site::new();
    site.second_wire();
    let Some(auth_pbx) = AuthPbx::start(make, site.pbx()) else { return };
    let directory = Scratch::new(site.host(TRUNK));
    let _trunk = trunk(&site, &directory);
    let guarded = Guarded::start(&site, settings);
    phone_works(&site);
    assert_eq!(site.caller(OFFICE).run(&plan("login", 1, 1, &[login(205)])), Tally::all(1));
    let known = |address: &str| guarded.is_known(address);
    guarded.wait_for("they are known", SOON, |_| {
        [PHONE, OFFICE, TRUNK].into_iter().all(|number| known(&v4(number))).then_some(true.into())
    });

    // As a phone does, it calls from the port that it is known by.
    next_second();
    let (logins, others) = ([login(201)], [login(205)]);
    let from_one_port = |count| Plan { own_ports: false, ..plan("line", count, CALL_RATE, &logins) };
    assert_eq!(site.caller(PHONE).run(&from_one_port(1)), Tally::all(1));
    guarded.wait_for("its port is known", SOON, |guarded| {
        guarded.flows(&v4(PHONE)).contains(&"udp:5060".to_owned()).then_some(true.into())
    });

    // Nonces that the PBX has sent to the attacker, for use with the forged sources.
    let own = Guesser::new(site.host(ATTACKER), &v4(ATTACKER));
    let nonces: Vec<_> = (0..5).filter_map(|_| own.ask("REGISTER", "201")).collect();
    assert!(!nonces.is_empty());
    let packets = packets(&nonces, flood.packets);
    let forger = Forger::new(site.host(ATTACKER));
    let office = || site.caller(OFFICE).run(&plan("line", CALLS, CALL_RATE, &others));
    let (lasted, own) = thread::scope(|scope| {
        let flood = scope.spawn(|| send(&forger, &packets, flood.rate));
        let own = scope.spawn(|| site.caller(PHONE).run(&from_one_port(CALLS)));
        assert_eq!(office(), Tally::all(CALLS), "of whom nobody forges anything\n{}", guarded.state());
        (flood.join().unwrap(), own.join().unwrap())
    });
    println!(
        "{make:?}: {flood:?} lasted {lasted:?}; {} requests reached the PBX in the phone's name, {} in the trunk's",
        auth_pbx.heard(&v4(PHONE)),
        auth_pbx.heard(&v4(TRUNK)),
    );

    assert_eq!(own, Tally::all(CALLS), "in whose name most of them come\n{}", guarded.state());
    // Without limits, no source is over one.
    assert_eq!(
        guarded.dropped("rate:invite") > 0,
        settings.is_empty(),
        "its address's limits\n{}",
        guarded.state()
    );
    for decided in ["suspended", "locked", "banned"] {
        assert_eq!(guarded.decided(decided), [""; 0], "{decided}");
    }
    assert_eq!(guarded.sipward.json("ban list"), [""; 0]);
    assert_eq!(guarded.sipward.json("account list"), [""; 0]);
    assert_eq!(guarded.dropped("suspended"), 0);
    assert!([PHONE, OFFICE, TRUNK].into_iter().all(|number| known(&v4(number))));
    assert_eq!(office(), Tally::all(CALLS), "after the flood");
}

/// At that rate, if the machine can; how long it took.
fn send(forger: &Forger, packets: &[Forged], rate: usize) -> Duration {
    let begun = Instant::now();
    for (index, burst) in packets.chunks(BURST).enumerate() {
        let due = Duration::from_secs_f64((index * BURST) as f64 / rate as f64);
        thread::sleep(due.saturating_sub(begun.elapsed()));
        assert_eq!(forger.send(burst), burst.len() as u64);
    }
    begun.elapsed()
}

/// Of all kinds: from anywhere, from the phone, from the trunk; with credentials that answer nothing, or what the
/// attacker was asked himself.
fn packets(nonces: &[Answer], count: usize) -> Vec<Forged> {
    let mut rng = Rng::fixed(4);
    let address = |number| v4(number).parse::<Ipv4Addr>().expect("an address");
    let destination = SocketAddrV4::new(address(1), 5060);
    // Made up, the attacker's first and his last: that is of the same second as the flood.
    let garbage = Answer { status: 401, realm: v4(1), nonce: "Zm9yZ2Vk".to_owned() };
    let mut packet = || {
        let ip = match rng.below(4) {
            0 => Ipv4Addr::new(20 + rng.byte() % 100, rng.byte(), rng.byte(), rng.byte()),
            1 => address(TRUNK),
            _ => address(PHONE),
        };
        let source = SocketAddrV4::new(ip, 1024 + u16::try_from(rng.below(60_000)).expect("a port"));
        let attempt = Attempt {
            method: ["REGISTER", "REGISTER", "INVITE", "OPTIONS"][rng.below(4)],
            account: ["201", "202", "203", "999"][rng.below(4)],
            agent: [ORDINARY, ORDINARY, SCANNER][rng.below(3)],
            challenge: [None, Some(&garbage), Some(rng.pick(nonces)), Some(rng.pick(nonces))][rng.below(4)],
        };
        Forged { source, destination, payload: attempt.write(&source.to_string(), another()).into_bytes() }
    };
    (0..count).map(|_| packet()).collect()
}
