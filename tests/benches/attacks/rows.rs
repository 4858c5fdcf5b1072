//! The rows of the table: attacks, and crowds of customers.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4},
    time::{Duration, Instant},
};

use sipward_tests::{
    attack::{
        Attack, Attacker, Credentials, Crowd, Figures, Forgery, Form, MADDR, Maddr, Nonce, PLAIN, Transport,
        Victim, busy_lamps, enumerate, office, pbx, stolen_nonce, v4_of, v6_of,
    },
    auth_pbx::password,
    caller::SCANNER,
    forge::Forger,
    scratch::Scratch,
};

use crate::{
    cell,
    flood::{Cost, flood},
    guardian::{FIRST, Post},
    table::Cell,
    tools::sipvicious,
};

/// The password is this guess.
const WRONG: u32 = 290;
const ALL: u32 = 300;
/// Of a phone, by one who cannot see its packets.
const GUESSED_PORT: u16 = 6001;

pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Its networks and its accounts.
    number: u8,
    what: Traffic,
}

enum Traffic {
    Svcrack,
    Svmap,
    Guesses(Attack, Duration),
    /// So many packets in two seconds in the name of a phone.
    Forged(usize),
    /// The nonce comes from an accomplice, by `maddr`.
    Stolen,
    Enumeration,
    Crowd(fn(u8) -> Crowd),
    Office,
    Lamps,
    Flood,
}

const fn row(number: u8, name: &'static str, what: Traffic) -> Row {
    Row { name, number, what }
}

const fn guesses(number: u8, name: &'static str, attack: Attack, seconds: u64) -> Row {
    row(number, name, Traffic::Guesses(attack, Duration::from_secs(seconds)))
}

const INFO: Attack = Attack { method: "INFO", nonce: Nonce::MadeUp, rate: 45, ..PLAIN };
const INVITE: Attack = Attack { method: "INVITE", nonce: Nonce::MadeUp, ..PLAIN };
const RIGHT: Attack = Attack { rate: 20, ..PLAIN };

/// Besides all others.
pub(crate) const BACKGROUND: &[Row] = &[guesses(1, "right nonces, 1/s", Attack { rate: 1, ..PLAIN }, 310)];

/// Those of a group run side by side.
pub(crate) const GROUPS: [&[Row]; 7] = [
    // Before its address is banned for guessing.
    &[row(13, "svmap", Traffic::Svmap)],
    &[
        row(2, "svcrack", Traffic::Svcrack),
        guesses(3, "as fast, Yealink's User-Agent", Attack { rate: 140, ..PLAIN }, 20),
        guesses(4, "right nonces, 20/s", RIGHT, 25),
    ],
    &[
        guesses(5, "INFO, made-up nonce", INFO, 25),
        guesses(6, "INVITE, made-up nonce", INVITE, 40),
        guesses(7, "TCP cut at 11", Attack { transport: Transport::TcpCut(11), ..RIGHT }, 30),
        guesses(8, "TCP whole", Attack { transport: Transport::Tcp, ..RIGHT }, 30),
    ],
    &[
        guesses(9, "bare CR, friendly-scanner", Attack { form: Form::BareCr, agent: SCANNER, ..RIGHT }, 30),
        guesses(
            10,
            "`SIP / 2.0`, friendly-scanner",
            Attack { form: Form::SpacedVersion, agent: SCANNER, ..RIGHT },
            30,
        ),
        guesses(11, "IPv6 in two fragments", Attack { transport: Transport::UdpV6Fragments, ..RIGHT }, 30),
        row(12, "enumeration, 50/s: answered of 1,000", Traffic::Enumeration),
    ],
    &[
        row(14, "12 forged packets: registrations left of 4", Traffic::Forged(12)),
        row(15, "120 forged in 2 s: registrations left of 4", Traffic::Forged(120)),
        row(16, "60 forged, nonce by maddr: registrations left of 4", Traffic::Stolen),
    ],
    &[
        row(17, "200 phones, CGNAT /24, in within 32 s", Traffic::Crowd(cgnat)),
        row(18, "200 phones, own /64s of a /48", Traffic::Crowd(mobile)),
        row(19, "office of 40, 3 wrong: of 37, after a minute", Traffic::Office),
        row(20, "130 busy lamps, answered", Traffic::Lamps),
        row(48, "carrier, 48 SBC addresses: calls", Traffic::Crowd(carrier)),
        row(22, "40 TCP phones of an office", Traffic::Crowd(tcp_office)),
    ],
    &[row(23, "20,000 OPTIONS a second for 5 s: CPU s, softirq + programs", Traffic::Flood)],
];

impl Row {
    pub(crate) fn at(&self, post: &Post) -> Cell {
        let (n, account) = (usize::from(self.number), self.account());
        let (attackers, phones) = (post.site.attackers(), post.site.phones());
        match &self.what {
            Traffic::Svcrack => svcrack(post, account),
            Traffic::Svmap => match sipvicious(post, "svmap", &[]).0.contains("| Asterisk") {
                true => cell("finds it".to_owned(), 1.0),
                false => cell("finds nothing".to_owned(), 0.0),
            },
            Traffic::Guesses(attack, lasts) => {
                let is_v6 = attack.transport.is_v6();
                let at = |last| if is_v6 { v6_of(0x91, n, 0, u16::from(last)) } else { v4_of(91, n, last) };
                let attacker = Attacker {
                    attack: *attack,
                    from: vec![at(7)],
                    accomplice: if is_v6 { v6_of(0x91, 100 + n, 0, 9) } else { v4_of(92, n, 7) },
                    pbx: pbx(is_v6),
                    account,
                    wrong: WRONG,
                    lasts: *lasts,
                    stops: true,
                };
                guessed(&attackers.enter(|| attacker.run()))
            }
            Traffic::Forged(count) => forged(post, n, account, *count),
            Traffic::Stolen => stolen(post, n, account),
            Traffic::Enumeration => {
                // As a list of common extensions has them: most do not exist.
                let answered =
                    attackers.enter(|| enumerate(v4_of(91, n, 7), pbx(false), "REGISTER", 5000..6000, 50));
                cell(answered.to_string(), answered as f64)
            }
            Traffic::Crowd(crowd) => {
                let crowd = crowd(self.number);
                let is_v6 = crowd.phones.iter().any(|(from, _)| from.is_ipv6());
                served(phones.enter(|| crowd.run(pbx(is_v6))))
            }
            Traffic::Office => {
                served(phones.enter(|| office(v4_of(94, n, 7), pbx(false), account..account + 40, 3)))
            }
            Traffic::Flood => {
                let Cost { softirq, programs } = flood(post, n);
                cell(format!("{softirq:.2} + {programs:.2}"), softirq + programs)
            }
            Traffic::Lamps => served(phones.enter(|| busy_lamps(v4_of(94, n, 7), pbx(false), account, 130))),
        }
    }

    fn account(&self) -> u32 {
        FIRST + 20 * u32::from(self.number)
    }
}

fn served(count: usize) -> Cell {
    cell(count.to_string(), -(count as f64))
}

/// The password, or how many answers and until when.
fn guessed(figures: &Figures) -> Cell {
    let Figures { answered, found, last, .. } = figures;
    match found {
        // Worse than any number of answers.
        Some(at) => cell(format!("FOUND, {:.1} s", at.as_secs_f64()), 1e6),
        None if *answered == 0 => cell("0".to_owned(), 0.0),
        None => cell(format!("{answered}, {:.1} s", last.as_secs_f64()), f64::from(*answered)),
    }
}

fn svcrack(post: &Post, account: u32) -> Cell {
    let scratch = Scratch::new(post.site.scanner());
    let wrong: String = (0..WRONG).map(|n| format!("guess-{n}\n")).collect();
    let rest: String = (WRONG + 1..ALL).map(|n| format!("guess-{n}\n")).collect();
    let passwords = scratch.file("passwords", &format!("{wrong}{}\n{rest}", password(account)));
    let begun = Instant::now();
    let options = ["-u", &account.to_string(), "-d", &passwords, "--maximumtime=2"];
    let (said, received) = sipvicious(post, "svcrack", &options);
    let took = begun.elapsed().as_secs_f64();
    if said.contains(&password(account)) {
        return cell(format!("FOUND, {took:.1} s"), 1e6);
    }
    // Its first request has no credentials.
    let answered = received.saturating_sub(1);
    cell(answered.to_string(), answered as f64)
}

/// A phone in the network of that number, which has worked.
fn victim(post: &Post, n: usize, account: u32) -> Option<(Victim, SocketAddrV4)> {
    let victim = post.site.phones().enter(|| Victim::new(v4_of(94, n, 7), pbx(false), account))?;
    let address = victim.address()?;
    Some((victim, address))
}

fn forged(post: &Post, n: usize, account: u32, count: usize) -> Cell {
    let Some((mut victim, address)) = victim(post, n, account) else {
        return cell("none came in".to_owned(), 0.0);
    };
    let forgery = Forgery {
        // The attacker does not know the phone's port.
        victim: SocketAddrV4::new(*address.ip(), GUESSED_PORT),
        pbx: v4_pbx(),
        ports: 1,
        method: "REGISTER",
        credentials: Credentials::MadeUp,
        count,
        rate: (count as u32).div_ceil(2),
        account: None,
    };
    forgery.send(&Forger::new(post.site.attackers()));
    left(post, &mut victim, account)
}

fn stolen(post: &Post, n: usize, account: u32) -> Cell {
    let Some((mut victim, address)) = victim(post, n, account) else {
        return cell("none came in".to_owned(), 0.0);
    };
    let accomplice = v4_of(92, n, 7);
    post.ban(&accomplice.to_string());
    let (attackers, forger) = (post.site.attackers(), Forger::new(post.site.attackers()));
    // A bare carriage return hides the parameter from readers that split at line feeds.
    let hidden = Maddr { form: Form::BareCr, ..MADDR[0] };
    let nonce = |maddr| stolen_nonce(&forger, (attackers, accomplice), address, v4_pbx(), maddr);
    let stolen = nonce(hidden).or_else(|| nonce(MADDR[0]));
    let credentials = stolen.clone().map_or(Credentials::MadeUp, Credentials::Of);
    let forgery = Forgery {
        // He does not know the phone's port.
        victim: SocketAddrV4::new(*address.ip(), GUESSED_PORT),
        pbx: v4_pbx(),
        ports: 2,
        method: "MESSAGE",
        credentials,
        count: 60,
        rate: 33,
        account: None,
    };
    forgery.send(&forger);
    left(post, &mut victim, account)
}

fn left(post: &Post, victim: &mut Victim, account: u32) -> Cell {
    let left = post.site.phones().enter(|| victim.still_gets(2, account + 1));
    let (own, new) = (left.own, left.new);
    let text = match (own, new) {
        (2, 2) => "ok".to_owned(),
        _ => format!("phone {own} of 2, a new one there {new} of 2"),
    };
    cell(text, -f64::from(own + new))
}

fn v4_pbx() -> SocketAddrV4 {
    match pbx(false) {
        SocketAddr::V4(address) => address,
        SocketAddr::V6(_) => SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
    }
}

fn crowd(phones: impl Iterator<Item = IpAddr>) -> Crowd {
    Crowd {
        phones: phones.zip(FIRST + 1200..).collect(),
        method: "REGISTER",
        transport: Transport::Udp,
        spread: Duration::from_secs(4),
        within: Duration::from_secs(32),
    }
}

fn cgnat(number: u8) -> Crowd {
    crowd((0..200).map(move |phone: u8| v4_of(93, number.into(), 1 + phone % 64)))
}

fn mobile(number: u8) -> Crowd {
    let mut crowd = crowd((0..200).map(move |phone: u16| v6_of(0x94, number.into(), phone, 7)));
    for (_, account) in &mut crowd.phones {
        *account += 200;
    }
    crowd
}

/// A call from each, within twenty seconds.
fn carrier(number: u8) -> Crowd {
    let phones = crowd((1..=48).map(move |phone: u8| v4_of(93, number.into(), phone)));
    Crowd { method: "INVITE", spread: Duration::from_secs(20), ..phones }
}

fn tcp_office(number: u8) -> Crowd {
    let mut crowd = crowd((0..40).map(move |_: u8| v4_of(94, number.into(), 7)));
    for (_, account) in &mut crowd.phones {
        *account += 500;
    }
    Crowd { transport: Transport::Tcp, spread: Duration::from_secs(20), ..crowd }
}
