//! Legitimate crowds: all their requests are served, with the default limits.

use std::{net::IpAddr, thread, time::Duration};

use sipward_tests::{
    attack::{Crowd, Site, Subscriber, Transport, busy_lamps, office, pbx, v4_of, v6_of},
    auth_pbx::{AuthPbx, PbxKind},
    cpu::go_ahead,
};

use crate::site::Guarded;

#[test]
fn crowds_are_served_by_an_asterisk() {
    served(PbxKind::OpenAsterisk);
}

#[test]
fn crowds_are_served_by_a_kamailio() {
    served(PbxKind::DebianKamailio);
}

/// Some who come together, how many they are, and how they are served.
struct Group {
    name: &'static str,
    count: usize,
    come: fn() -> usize,
}

const GROUPS: [Group; 7] = [
    Group { name: "200 phones behind 64 addresses of a CGNAT /24", count: 200, come: cgnat },
    Group { name: "200 phones, each with a /64 of one /48", count: 200, come: mobile },
    Group { name: "an office of 40 with 3 wrong passwords, after a minute", count: 37, come: cold_office },
    Group { name: "130 busy lamps of one phone", count: 130, come: lamps },
    Group { name: "48 SBC addresses of a carrier, a call of each", count: 48, come: carrier },
    Group { name: "40 TCP phones of an office", count: 40, come: tcp_office },
    Group { name: "40 registrations over TCP, each cut elsewhere", count: 40, come: cut_anywhere },
];

fn served(make: PbxKind) {
    go_ahead();
    let site = Site::default();
    let Some(_auth_pbx) = AuthPbx::start_with(make, site.pbx(), 1000..=2000) else { return };
    let guarded = Guarded::start(&site, "");
    let counts: Vec<_> = thread::scope(|scope| {
        let run = |group: &'static Group| scope.spawn(|| site.phones().enter(group.come));
        let running: Vec<_> = GROUPS.iter().map(run).collect();
        running.into_iter().map(|group| group.join().expect("a crowd")).collect()
    });
    println!("{make:?}:");
    for (group, served) in GROUPS.iter().zip(&counts) {
        println!("  {:<60} {served} of {}", group.name, group.count);
    }
    println!("packets by reason: {:?}", guarded.reasons());
    for (group, served) in GROUPS.iter().zip(&counts) {
        assert_eq!(*served, group.count, "{}", group.name);
    }
    let decisions = ["ban list", "account list"].map(|list| guarded.sipward.json(list)).concat();
    // The three with a forgotten password are suspended, each for itself.
    let wrong = decisions.iter().filter(|row| row["status"] != "suspended");
    assert_eq!(wrong.collect::<Vec<_>>(), Vec::<&serde_json::Value>::new());
}

fn crowd(phones: impl Iterator<Item = IpAddr>, first_account: u32) -> Crowd {
    Crowd {
        phones: phones.zip(first_account..).collect(),
        method: "REGISTER",
        transport: Transport::Udp,
        spread: Duration::from_secs(4),
        within: Duration::from_secs(32),
    }
}

fn cgnat() -> usize {
    crowd((0..200).map(|phone: u8| v4_of(93, 9, 1 + phone % 64)), 1000).run(pbx(false))
}

fn mobile() -> usize {
    crowd((0..200).map(|phone| v6_of(0x94, 9, phone, 7)), 1200).run(pbx(true))
}

fn cold_office() -> usize {
    office(v4_of(94, 10, 7), pbx(false), 1400..1440, 3)
}

fn lamps() -> usize {
    busy_lamps(v4_of(94, 11, 7), pbx(false), 1450, 130)
}

fn carrier() -> usize {
    let phones = crowd((1..=48).map(|phone| v4_of(93, 48, phone)), 1500);
    Crowd { method: "INVITE", spread: Duration::from_secs(20), ..phones }.run(pbx(false))
}

fn tcp_office() -> usize {
    let phones = crowd((0..40).map(|_: u8| v4_of(94, 12, 7)), 1600);
    Crowd { transport: Transport::Tcp, spread: Duration::from_secs(20), ..phones }.run(pbx(false))
}

/// One phone, each message of which arrives in two segments, as a path with a small MTU has it: from within its start line
/// to its end.
fn cut_anywhere() -> usize {
    let phone = Subscriber::new(Transport::TcpCutOnward(29), v4_of(94, 13, 7), pbx(false), 1700);
    let Ok(mut phone) = phone else { return 0 };
    (0..40).filter(|_| phone.register(Duration::from_secs(3)).is_some()).count()
}
