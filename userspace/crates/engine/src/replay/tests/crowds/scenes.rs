//! Cold starts, alone and beside a flood of the same network.

use std::{
    env,
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
};

use super::site::{Flooder, SECOND, Site};

const RIGHT: &str = "right";

/// A phone of a mobile carrier, with a /64 of its own in one /48.
fn mobile(n: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::from([0x2001, 0xdb8, 0x5060, n, 0, 0, 0, 0x10]), 5_060)
}

/// A phone behind one of 64 addresses of a carrier.
fn natted(n: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::from([100, 64, 9, (n % 64) as u8 + 1]), 10_000 + n)
}

/// A phone of an office behind one address.
fn office_phone(n: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::from([192, 0, 2, 77]), 20_000 + n)
}

/// Hostile ones with a /64 of their own beside the phones'.
fn hostile_mobiles(count: u16, gap: u64) -> Vec<Flooder> {
    (0..count).map(|n| Flooder { address: mobile(0x8000 + n), gap }).collect()
}

/// Phones and hostile ones whose /64s take turns, so that each /56 has as many of both.
fn mixed_mobile(n: u16) -> SocketAddr {
    mobile(2 * n)
}

fn hostile_mixed(count: u16, gap: u64) -> Vec<Flooder> {
    (0..count).map(|n| Flooder { address: mobile(2 * n + 1), gap }).collect()
}

/// Hostile ones behind the other addresses of the same /24.
fn hostile_natted(count: u16, gap: u64) -> Vec<Flooder> {
    let address = |n: u16| SocketAddr::new(IpAddr::from([100, 64, 9, (n % 190) as u8 + 65]), 10_000 + n);
    (0..count).map(|n| Flooder { address: address(n), gap }).collect()
}

struct Scene {
    sentence: &'static str,
    phones: Vec<(SocketAddr, &'static str)>,
    /// In which they all start, in seconds.
    spread: u64,
    flood: Vec<Flooder>,
    /// In seconds.
    at_most: u64,
    /// Of a hundred phones with the right password, how many must be in by then.
    least: usize,
}

impl Scene {
    fn of(sentence: &'static str, count: u16, address: fn(u16) -> SocketAddr) -> Self {
        let phones = (0..count).map(|n| (address(n), RIGHT)).collect();
        Self { sentence, phones, spread: 20, flood: Vec::new(), at_most: 300, least: 100 }
    }

    fn beside(self, flood: Vec<Flooder>) -> Self {
        Self { flood, ..self }
    }

    /// True if enough are in, and a line about it.
    fn play(self) -> (bool, String) {
        let mut site = Site::new();
        let right = self.phones.iter().filter(|(_, password)| *password == RIGHT).count();
        site.phones(self.spread, self.phones);
        site.flood(self.flood);
        site.run(right, self.at_most);
        let times = site.registered();
        let share = |part: f64| {
            let needed = (right as f64 * part).ceil() as usize;
            times.get(needed - 1).map_or_else(|| "-".to_owned(), |at| format!("{at:.1} s"))
        };
        let tally = &site.tally;
        let mut line = format!(
            "{:<58} {:>4} of {right:<4} {:>8} {:>8} {:>8}   phones {:>6} of {:<6} flood {:>6} of {:<7}",
            self.sentence,
            times.len(),
            share(0.5),
            share(0.9),
            share(1.0),
            tally.phones.1,
            tally.phones.0,
            tally.floods.1,
            tally.floods.0,
        );
        for (reason, count) in &tally.dropped {
            let _ = write!(line, " {} {count}", reason.name());
        }
        (times.len() * 100 >= right * self.least, line)
    }
}

fn play(scenes: Vec<Scene>) {
    println!("\n{:<58} {:>12} {:>8} {:>8} {:>8}   packets that passed", "", "in", "half", "90 %", "all");
    let mut failed = Vec::new();
    for scene in scenes {
        let (enough, line) = scene.play();
        println!("{line}");
        if !enough {
            failed.push(line);
        }
    }
    assert!(failed.is_empty(), "too few are in: {failed:#?}");
}

#[test]
fn a_cold_start_is_over_within_minutes() {
    play(vec![
        Scene::of("3,000 phones, own /64s of one /48", 3_000, mobile),
        Scene::of("500 phones behind 64 addresses of a /24", 500, natted),
        Scene { spread: 120, ..Scene::of("1,000 phones behind one address", 1_000, office_phone) },
        // They do not flood, they ask in vain: a phone that comes late meets the limit of its line.
        Scene { spread: 180, ..Scene::of("600 among 20 in the same /56s, one in 5 s", 600, mixed_mobile) }
            .beside(hostile_mixed(20, 5 * SECOND)),
        Scene::of("600 of a /48 beside 200 that send 5 a second", 600, mobile)
            .beside(hostile_mobiles(200, SECOND / 5)),
        Scene::of("500 of a /24 beside 200 that send 5 a second", 500, natted)
            .beside(hostile_natted(200, SECOND / 5)),
    ]);
}

/// The same at full size: the first of them in every run, all of them in the long form.
#[test]
fn a_cold_start_beside_two_thousand_that_flood_is_over_within_minutes() {
    let scene = |sentence, gap| Scene::of(sentence, 3_000, mobile).beside(hostile_mobiles(2_000, gap));
    let natted_scene = |sentence, gap| Scene::of(sentence, 500, natted).beside(hostile_natted(2_000, gap));
    let mut scenes = vec![
        scene("3,000 of a /48 beside 2,000, one a second each", SECOND),
        scene("3,000 of a /48 beside 2,000, one in 30 s each", 30 * SECOND),
        // As fast as one may be who is to pass for a newcomer: together six times what all newcomers may send.
        Scene { least: 95, ..scene("3,000 of a /48 beside 2,000, one in 3.2 s each", 32 * SECOND / 10) },
        scene("3,000 of a /48 beside 2,000, 10 a second each", SECOND / 10),
        Scene::of("3,000 among 2,000 in the same /56s, one a second each", 3_000, mixed_mobile)
            .beside(hostile_mixed(2_000, SECOND)),
        natted_scene("500 of a /24 beside 2,000, one in 3.2 s each", 32 * SECOND / 10),
        natted_scene("500 of a /24 beside 2,000, one a second each", SECOND),
        natted_scene("500 of a /24 beside 2,000, 10 a second each", SECOND / 10),
    ];
    if env::var_os("SIPWARD_LONG").is_none() {
        scenes.truncate(1);
    }
    play(scenes);
}

#[test]
fn an_office_with_three_wrong_passwords_is_in_within_seconds() {
    let phones = (0..40).map(|n| (office_phone(n), if n % 13 == 5 { "wrong" } else { RIGHT })).collect();
    let scene =
        Scene { phones, at_most: 60, spread: 1, ..Scene::of("37 of 40 of an office", 0, office_phone) };
    play(vec![scene]);
}
