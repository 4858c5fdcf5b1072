//! A guesser gets at most a dozen answers, whatever the method, and the phones beside it are not affected.

use std::{
    fmt::Write as _,
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use sipward_tests::{
    attack::{Attacker, Figures, Site, Subscriber, Transport, pbx, v4_of, v6_of},
    auth_pbx::{AuthPbx, PbxKind},
    cpu::go_ahead,
    length::{by_length, hour, is_long},
    namespace::Namespace,
    skipped::skipped,
};

use crate::{
    rows::{Row, product, rows},
    site::{Guarded, covers, next_second},
};

/// So long all attacks of the default run go on.
const MINUTE: Duration = Duration::from_secs(60);
/// Each part of the product has this part of an hour.
const PARTS: u32 = 11;
/// Wrong guesses that come before the right one.
const WRONG: u32 = 40;
/// Answers to guesses that one attacker may get in ten minutes, and in an hour.
const BOUND: u32 = 12;
const BOUND_OF_HOUR: u32 = 20;
/// A phone registers again after so long, and does without an answer for so long.
const AGAIN: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(12);
/// The time limit of a phone's two round trips on a busy machine.
const SLOW: Duration = Duration::from_secs(2);

/// The accounts of each attack: the first is attacked, the one after these is the neighbour's.
const STEP: u32 = 30;
const NEIGHBOUR: u32 = STEP - 1;

#[test]
fn who_guesses_at_an_asterisk_gets_nowhere_and_nobody_notices() {
    suite(PbxKind::AnonymousAsterisk, rows(PbxKind::AnonymousAsterisk), by_length(MINUTE, hour()));
}

#[test]
fn who_guesses_at_a_kamailio_gets_nowhere_and_nobody_notices() {
    suite(PbxKind::DebianKamailio, rows(PbxKind::DebianKamailio), by_length(MINUTE, hour()));
}

/// The edge is the third of them: it asks, and Asterisk behind it asks nobody.
#[test]
fn who_guesses_at_the_edge_gets_nowhere_and_nobody_notices() {
    suite(PbxKind::EdgedAsterisk, rows(PbxKind::EdgedAsterisk), by_length(MINUTE, hour()));
}

/// An hour of parts, where the long form is wanted.
#[test]
fn no_combination_gets_further_at_an_asterisk() {
    combinations(PbxKind::AnonymousAsterisk);
}

#[test]
fn no_combination_gets_further_at_a_kamailio() {
    combinations(PbxKind::DebianKamailio);
}

fn combinations(make: PbxKind) {
    if !is_long() {
        skipped("1,600 combinations take an hour: `cargo xtask test --long`");
        return;
    }
    for part in product() {
        suite(make, part, hour() / PARTS);
    }
}

/// The results of one phone.
#[derive(Clone, Copy, Debug, Default)]
struct Service {
    tried: u32,
    lost: u32,
    slow: u32,
}

/// A row, with what it came to.
struct Outcome {
    row: Row,
    figures: Figures,
    owner: Service,
    neighbour: Service,
    /// Of the two phones.
    ports: [u16; 2],
    /// Decisions that hit who should not be.
    wronged: Vec<String>,
}

/// The addresses of the `n`th attack and of those beside it.
#[derive(Clone, Copy)]
struct Place {
    n: usize,
    row: Row,
    lasts: Duration,
}

impl Place {
    const fn is_v6(self) -> bool {
        self.row.attack.transport.is_v6()
    }

    fn address(self, last: u8) -> IpAddr {
        if self.is_v6() { v6_of(0x91, self.n, 0, last.into()) } else { v4_of(91, self.n, last) }
    }

    fn account(self) -> u32 {
        1000 + u32::try_from(self.n).expect("few attacks") * STEP
    }

    fn attacker(self) -> Attacker {
        let from = match self.row.attack.transport {
            Transport::UdpV6Networks => (0..16).map(|subnet| v6_of(0x91, self.n, subnet, 7)).collect(),
            _ => vec![self.address(7)],
        };
        let accomplice =
            if self.is_v6() { v6_of(0x91, 200 + self.n % 50, 7, 9) } else { v4_of(92, self.n, 7) };
        Attacker {
            attack: self.row.attack,
            from,
            accomplice,
            pbx: pbx(self.is_v6()),
            account: self.account(),
            wrong: WRONG,
            lasts: self.lasts,
            stops: true,
        }
    }

    /// The phone of the account that is attacked, elsewhere.
    fn owner(self) -> IpAddr {
        v4_of(94, self.n, 7)
    }

    /// A phone with another account: behind the attacker's very address, or next door.
    fn neighbour(self) -> IpAddr {
        match (self.row.is_behind_nat, self.is_v6()) {
            (true, _) => self.address(7),
            (false, false) => self.address(8),
            // A subscriber of the same provider.
            (false, true) => v6_of(0x91, self.n, 0x100, 8),
        }
    }
}

fn suite(make: PbxKind, rows: Vec<Row>, lasts: Duration) {
    go_ahead();
    let last = 1000 + u32::try_from(rows.len()).expect("few attacks") * STEP;
    let site = Site::default();
    let Some(_auth_pbx) = AuthPbx::start_with(make, site.pbx(), 1000..=last) else { return };
    let guarded = if make.is_behind_edge() {
        Guarded::start_with_edge(&site, 1000..=last)
    } else {
        Guarded::start(&site, "")
    };
    let places = || rows.iter().enumerate().map(|(n, row)| Place { n, row: *row, lasts });
    let phones: Vec<_> = places().map(|place| Phones::start(&site, place)).collect();
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let site = &site;
        let running: Vec<_> = places()
            .zip(phones)
            .map(|(place, phones)| scope.spawn(move || attack(site, place, phones)))
            .collect();
        running.into_iter().map(|row| row.join().expect("an attack")).collect()
    });
    let decisions = ["ban list", "account list"].map(|list| guarded.sipward.json(list)).concat();
    let outcomes: Vec<_> = outcomes
        .into_iter()
        .zip(places())
        .map(|(outcome, place)| Outcome { wronged: wronged(&decisions, place, &outcome), ..outcome })
        .collect();
    println!("{make:?}, {} s of each:\n{}", lasts.as_secs(), table(&outcomes));
    println!("packets by reason: {:?}", guarded.reasons());
    let wrong = || outcomes.iter().filter(|outcome| !outcome.is_right());
    assert_eq!(wrong().map(|outcome| outcome.row.to_string()).collect::<Vec<_>>(), [""; 0]);
}

/// The phones beside an attack, which are there before it.
struct Phones {
    owner: Subscriber,
    neighbour: Subscriber,
    services: [Service; 2],
}

impl Phones {
    fn start(site: &Site, place: Place) -> Self {
        let phone = |host: &Namespace, from: IpAddr, account| {
            let pbx = pbx(from.is_ipv6());
            host.enter(|| Subscriber::new(Transport::Udp, from, pbx, account)).expect("a free port")
        };
        let owner = phone(site.phones(), place.owner(), place.account());
        let neighbour = phone(site.attackers(), place.neighbour(), place.account() + NEIGHBOUR);
        let mut phones = Self { owner, neighbour, services: Default::default() };
        if place.row.is_behind_nat {
            // The phone must have registered before. With Kamailio, only the first challenge of a second proves that.
            next_second();
        }
        phones.register();
        phones
    }

    fn register(&mut self) {
        let [owner, neighbour] = &mut self.services;
        neighbour.registers(&mut self.neighbour);
        owner.registers(&mut self.owner);
    }
}

fn attack(site: &Site, place: Place, mut phones: Phones) -> Outcome {
    // The phones start one after another, because this test is not about a common start.
    thread::sleep(Duration::from_millis(50) * u32::try_from(place.n).expect("few attacks"));
    let end = Instant::now() + place.lasts;
    let figures = thread::scope(|scope| {
        let figures = scope.spawn(|| site.attackers().enter(|| place.attacker().run()));
        while Instant::now() + AGAIN < end {
            thread::sleep(AGAIN);
            phones.register();
        }
        figures.join().expect("an attacker")
    });
    let ports = [&phones.owner, &phones.neighbour].map(|phone| phone.local().port());
    let [owner, neighbour] = phones.services;
    Outcome { row: place.row, figures, owner, neighbour, ports, wronged: Vec::new() }
}

/// Decisions that affect the phones. Those against the attacker's own failures and port at the same address do not count.
fn wronged(decisions: &[Value], place: Place, outcome: &Outcome) -> Vec<String> {
    let innocent = [place.owner(), place.neighbour()];
    let is_wrong = |row: &&Value| {
        let source = row["source"].as_str().unwrap_or_default();
        let is_near = innocent.iter().any(|address| covers(source, *address));
        is_near
            && match (row["account"].as_str(), row["flow"].as_str()) {
                (Some(account), _) => {
                    account == (place.account() + NEIGHBOUR).to_string() || covers(source, place.owner())
                }
                (None, Some(flow)) => outcome.ports.iter().any(|port| flow == format!("udp:{port}")),
                (None, None) => true,
            }
    };
    decisions.iter().filter(is_wrong).map(Value::to_string).collect()
}

impl Service {
    fn registers(&mut self, phone: &mut Subscriber) {
        self.tried += 1;
        match phone.register(PATIENCE) {
            None => self.lost += 1,
            Some(registration) if registration.took > SLOW => self.slow += 1,
            Some(_) => {}
        }
    }
}

impl Outcome {
    fn is_right(&self) -> bool {
        self.figures.soon <= BOUND
            && self.figures.answered <= BOUND_OF_HOUR
            && self.figures.found.is_none()
            && self.owner.lost + self.neighbour.lost == 0
            && self.wronged.is_empty()
    }
}

fn table(outcomes: &[Outcome]) -> String {
    let mut text = format!(
        "{:<70} {:>6} {:>9} {:>7} {:>7}  {:<10} {:<10} {}\n",
        "attack", "sent", "answered", "last s", "found s", "owner lost", "other lost", "wronged"
    );
    for outcome in outcomes {
        let Outcome { row, figures, owner, neighbour, wronged, .. } = outcome;
        let found = figures.found.map_or_else(|| "no".to_owned(), |at| format!("{:.1}", at.as_secs_f64()));
        let service = |Service { tried, lost, slow }: &Service| format!("{lost}/{tried} ({slow})");
        // Infallible: a string.
        let _ = writeln!(
            text,
            "{:<70} {:>6} {:>9} {:>7.1} {found:>7}  {:<10} {:<10} {}",
            row.to_string(),
            figures.sent,
            figures.answered,
            figures.last.as_secs_f64(),
            service(owner),
            service(neighbour),
            wronged.join(" ")
        );
    }
    text
}
