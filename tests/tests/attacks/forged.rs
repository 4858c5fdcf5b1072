//! Packets with forged sources, at any rate and with any nonce: no source is banned, suspended or locked for them, and
//! known sources stay known and are served.

use std::{
    fmt::{self, Write as _},
    net::{IpAddr, SocketAddrV4},
    thread,
    time::Duration,
};

use sipward_tests::{
    attack::{Credentials, Forgery, Left, MADDR, Site, Victim, pbx, stolen_nonce, v4_of},
    auth_pbx::{AuthPbx, PbxKind},
    cpu::go_ahead,
    forge::Forger,
    length::{by_length, is_long},
};

use crate::site::{Guarded, covers};

#[test]
fn nobody_loses_anything_by_packets_in_his_name_at_an_asterisk() {
    suite(PbxKind::OpenAsterisk);
}

#[test]
fn nobody_loses_anything_by_packets_in_his_name_at_a_kamailio() {
    suite(PbxKind::DebianKamailio);
}

/// The forged packets, and the knowledge of the attacker.
#[derive(Clone, Copy, Debug)]
enum Row {
    /// So many within two seconds.
    Few(usize, Port),
    /// So many a second, for eight seconds.
    Flood(u32, Port),
    /// Sixty guesses with a nonce that an accomplice has got by this spelling of `maddr`.
    Stolen { spelling: usize, accomplice: Accomplice, victim: Named },
}

/// Whose nonce is stolen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    /// Not seen before.
    Stranger,
    /// A working phone, whose port the attacker knows.
    Customer,
}

/// Where the packets come from at the victim's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    /// Ports that the phone does not use.
    Another,
    /// The port of the phone, which only hosts on the path of its packets know.
    Own,
}

/// The port that an attacker without knowledge of the phone's port uses.
const GUESSED: u16 = 6001;
const FLOOD_SECONDS: u32 = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accomplice {
    Banned,
    Trusted,
    Silent,
}

const ACCOMPLICES: [Accomplice; 3] = [Accomplice::Banned, Accomplice::Trusted, Accomplice::Silent];

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Few(count, port) => write!(f, "{count} in two seconds, {port}"),
            Self::Flood(rate, port) => write!(f, "{rate}/s for {FLOOD_SECONDS} seconds, {port}"),
            Self::Stolen { spelling, accomplice, victim } => {
                write!(f, "60 of a {victim:?}, nonce by {}, {accomplice:?}", MADDR[*spelling].name)
            }
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Another => "other ports",
            Self::Own => "the phone's port",
        })
    }
}

impl Row {
    const fn is_of_stranger(&self) -> bool {
        matches!(self, Self::Stolen { victim: Named::Stranger, .. })
    }

    /// An attacker who knows the port of a phone can use up the budget of that port, and no more.
    const fn may_silence(&self) -> bool {
        matches!(self, Self::Few(_, Port::Own) | Self::Flood(_, Port::Own))
    }
}

/// A row, the victim's losses, and the decisions about the victim.
struct Outcome {
    row: Row,
    /// The accomplice learnt a nonce.
    has_nonce: bool,
    left: Left,
    is_known: bool,
    decided: Vec<String>,
}

impl Outcome {
    const fn is_right(&self) -> bool {
        self.decided.is_empty()
            && (self.is_known || self.row.is_of_stranger())
            && (self.row.may_silence() || self.left.own == self.left.of)
    }
}

fn rows() -> Vec<Row> {
    let spellings = 0..MADDR.len();
    let last = spellings.end - 1;
    let stolen = spellings.flat_map(|spelling| ACCOMPLICES.map(|accomplice| (spelling, accomplice)));
    let stolen = stolen.flat_map(|(spelling, accomplice)| {
        [Named::Stranger, Named::Customer].map(|victim| Row::Stolen { spelling, accomplice, victim })
    });
    // The last spelling hides best.
    let stolen = stolen.filter(|row| match *row {
        Row::Stolen { spelling, accomplice, victim } => {
            is_long()
                || spelling == last && victim == Named::Stranger
                || accomplice == Accomplice::Banned && (spelling == last || victim == Named::Stranger)
        }
        Row::Few(..) | Row::Flood(..) => true,
    });
    let others = [Port::Another, Port::Own].into_iter().flat_map(|port| {
        let flood = by_length(vec![10_000], vec![100, 1_000, 10_000]).into_iter();
        let flood = flood.map(move |rate| Row::Flood(rate, port));
        [Row::Few(12, port), Row::Few(120, port)].into_iter().chain(flood)
    });
    others.chain(stolen).collect()
}

fn suite(make: PbxKind) {
    go_ahead();
    let rows = rows();
    let site = Site::default();
    let Some(_auth_pbx) = AuthPbx::start_with(make, site.pbx(), 1000..=1200) else { return };
    let guarded = Guarded::start(&site, "");
    for n in 0..rows.len() {
        match accomplice(&rows, n) {
            Some(Accomplice::Banned) => guarded.sipward.ok(&format!("ban add {}", v4_of(92, n, 7))),
            Some(Accomplice::Trusted) => guarded.sipward.ok(&format!("trust add {}", v4_of(92, n, 7))),
            _ => String::new(),
        };
    }
    let mut victims: Vec<_> = (0..rows.len()).map(|n| victim(&site, n, rows[n])).collect();
    let mut has_nonce = vec![false; rows.len()];
    // One after the other: a nonce that others have been sent in the same second proves nothing.
    for (n, row) in rows.iter().enumerate().filter(|(_, row)| matches!(row, Row::Stolen { .. })) {
        has_nonce[n] = strike(&site, n, *row, victims[n].1);
    }
    let (few, floods): (Vec<_>, Vec<_>) =
        (0..rows.len()).zip(&mut victims).partition(|(n, _)| !matches!(rows[*n], Row::Flood(..)));
    let mut lefts: Vec<_> = thread::scope(|scope| {
        let attack = |(n, (victim, address)): (usize, &mut (Victim, SocketAddrV4))| {
            if matches!(rows[n], Row::Few(..)) {
                strike(&site, n, rows[n], *address);
            }
            (n, site.phones().enter(|| victim.still_gets(2, account(n) + 1)))
        };
        let running: Vec<_> = few.into_iter().map(|one| scope.spawn(move || attack(one))).collect();
        running.into_iter().map(|row| row.join().expect("an attack")).collect()
    });
    for (n, (victim, address)) in floods {
        let left = thread::scope(|scope| {
            scope.spawn(|| strike(&site, n, rows[n], *address));
            // While it lasts.
            thread::sleep(Duration::from_secs(2));
            site.phones().enter(|| victim.still_gets(1, account(n) + 1))
        });
        lefts.push((n, left));
    }
    let decisions = ["ban list", "account list"].map(|list| guarded.sipward.json(list)).concat();
    let outcomes: Vec<_> = lefts
        .into_iter()
        .map(|(n, left)| {
            let at = v4_of(94, n, 7);
            let is_about = |row: &&serde_json::Value| {
                row["source"].as_str().is_none_or(|source| covers(source, at))
                    && row["account"]
                        .as_str()
                        .is_none_or(|name| name.len() != 4 || name == account(n).to_string())
            };
            let decided = decisions.iter().filter(is_about).map(ToString::to_string).collect();
            Outcome { row: rows[n], has_nonce: has_nonce[n], left, is_known: is_known(&guarded, at), decided }
        })
        .collect();
    println!("{make:?}:\n{}packets by reason: {:?}", table(&outcomes), guarded.reasons());
    let wrong = outcomes.iter().filter(|outcome| !outcome.is_right());
    let wrong: Vec<_> = wrong.map(|outcome| outcome.row.to_string()).collect();
    assert_eq!(wrong, [""; 0]);
}

fn accomplice(rows: &[Row], n: usize) -> Option<Accomplice> {
    match rows[n] {
        Row::Stolen { accomplice, .. } => Some(accomplice),
        Row::Few(..) | Row::Flood(..) => None,
    }
}

fn account(n: usize) -> u32 {
    1000 + 5 * u32::try_from(n).expect("few rows")
}

/// A phone that works.
fn victim(site: &Site, n: usize, row: Row) -> (Victim, SocketAddrV4) {
    let victim = if row.is_of_stranger() {
        site.phones().enter(|| Victim::silent(v4_of(94, n, 7), pbx(false), account(n)))
    } else {
        // A Kamailio proves it to the first of each second.
        crate::site::next_second();
        site.phones().enter(|| Victim::new(v4_of(94, n, 7), pbx(false), account(n)))
    };
    let victim = victim.expect("a phone comes in");
    let address = victim.address().expect("an IPv4 address");
    (victim, address)
}

/// Sends the row's packets. Returns false if the accomplice received no nonce.
fn strike(site: &Site, n: usize, row: Row, victim: SocketAddrV4) -> bool {
    let std::net::SocketAddr::V4(pbx) = pbx(false) else { unreachable!("an IPv4 address was asked for") };
    let forger = Forger::new(site.attackers());
    let at = |port| match port {
        Port::Own => victim,
        Port::Another => SocketAddrV4::new(*victim.ip(), GUESSED),
    };
    let forgery = |port, credentials, count: usize, rate| Forgery {
        victim: at(port),
        pbx,
        ports: if port == Port::Own { 1 } else { 2 },
        method: "REGISTER",
        credentials,
        count,
        rate,
        account: None,
    };
    match row {
        Row::Few(count, port) => {
            forgery(port, Credentials::Mixed, count, (count as u32).div_ceil(2)).send(&forger);
            false
        }
        Row::Flood(rate, port) => {
            let count = (rate * FLOOD_SECONDS) as usize;
            let flood = forgery(port, Credentials::Mixed, count, rate);
            Forgery { account: Some(account(n)), ..flood }.send(&forger);
            false
        }
        Row::Stolen { spelling, victim: named, .. } => {
            // The nonce of a second without other challenges.
            crate::site::next_second();
            let accomplice: (_, IpAddr) = (site.attackers(), v4_of(92, n, 7));
            let port = if named == Named::Stranger { Port::Another } else { Port::Own };
            let stolen = stolen_nonce(&forger, accomplice, at(port), pbx, MADDR[spelling]);
            let Some(challenge) = stolen else { return false };
            let guesses = forgery(port, Credentials::Of(challenge), 60, 60);
            Forgery { method: "MESSAGE", ..guesses }.send(&forger);
            // The answers to these requests have nonces, too.
            thread::sleep(Duration::from_secs(1));
            true
        }
    }
}

fn is_known(guarded: &Guarded<'_>, address: IpAddr) -> bool {
    guarded.sipward.json(&format!("explain {address}")).remove(0)["standing"] == "known"
}

fn table(outcomes: &[Outcome]) -> String {
    let mut text = format!(
        "{:<60} {:<6} {:<10} {:<10} {:<6} decided\n",
        "in a phone's name", "nonce", "own port", "new phone", "known"
    );
    for Outcome { row, has_nonce, left, is_known, decided } in outcomes {
        let Left { own, new, of } = left;
        // Infallible: a string.
        let _ = writeln!(
            text,
            "{:<60} {:<6} {:<10} {:<10} {:<6} {}",
            row.to_string(),
            if *has_nonce { "yes" } else { "no" },
            format!("{own} of {of}"),
            format!("{new} of {of}"),
            if *is_known { "yes" } else { "NO" },
            decided.join(" ")
        );
    }
    text
}
