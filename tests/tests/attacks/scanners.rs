//! SIPVicious, and scanners with names from the Internet, at both PBXs, for twenty seconds or an hour.

use std::{
    fmt::Write as _,
    thread,
    time::{Duration, Instant},
};

use sipward_tests::{
    attack::{Accounts, Attack, Attacker, Figures, Nonce, PLAIN, SCANNER, Site, pbx, v4_of},
    auth_pbx::{AuthPbx, PbxKind, password},
    command::Done,
    cpu::go_ahead,
    length::{by_length, hour},
    namespace::v4,
    scratch::Scratch,
    tool::tool,
};

use crate::site::Guarded;

/// As they call themselves.
const AGENTS: [&str; 17] = [
    "friendly-scanner",
    "friendly-request",
    "sipvicious",
    "sipcli/v1.8",
    "pplsip",
    "sundayddr",
    "sip-scan",
    "SIPScan",
    "iWar",
    "sivus",
    "siparmyknife",
    "VaxSIPUserAgent/3.5",
    // These take the names of phones.
    "Linksys-SPA942",
    "Cisco-SIPGateway/IOS-12.x",
    "PolycomVVX-VVX_411-UA/5.9.3.2857",
    "eyeBeam release 3006o stamp 17551",
    "Asterisk PBX",
];
/// Wrong guesses before the right one.
const WRONG: u32 = 40;
const FIRST: u32 = 1000;
const PASSWORDS: usize = 10_000;

#[test]
fn scanners_learn_nothing_of_an_asterisk() {
    scanned(PbxKind::OpenAsterisk);
}

#[test]
fn scanners_learn_nothing_of_a_kamailio() {
    scanned(PbxKind::DebianKamailio);
}

fn scanned(make: PbxKind) {
    go_ahead();
    let lasts = by_length(Duration::from_secs(20), hour());
    let site = Site::default();
    let Some(_auth_pbx) = AuthPbx::start_with(make, site.pbx(), FIRST..=FIRST + 1000) else { return };
    let guarded = Guarded::start(&site, "");
    let (tools, figures) = thread::scope(|scope| {
        let tools = scope.spawn(|| sipvicious(&site, lasts));
        let run = |n: usize| {
            let site = &site;
            scope.spawn(move || site.attackers().enter(|| attacker(n, lasts).run()))
        };
        let running: Vec<_> = (0..2 * AGENTS.len()).map(run).collect();
        let figures: Vec<_> = running.into_iter().map(|one| one.join().expect("a scanner")).collect();
        (tools.join().expect("SIPVicious"), figures)
    });
    let mut table = format!("{:<60} {:>6} {:>9} {:>7}\n", "scanner", "sent", "answered", "found s");
    for (n, Figures { sent, answered, found, .. }) in figures.iter().enumerate() {
        let name = attack(n).to_string();
        let found = found.map_or_else(|| "no".to_owned(), |at| at.as_secs().to_string());
        // Infallible: a string.
        let _ = writeln!(table, "{name:<60} {sent:>6} {answered:>9} {found:>7}");
    }
    println!(
        "{make:?}, {} s:\n{table}{}\npackets by reason: {:?}",
        lasts.as_secs(),
        tools.said,
        guarded.reasons()
    );
    assert!(!tools.has_found, "{}", tools.said);
    // Twelve in ten minutes, and twenty in an hour.
    let most = by_length(12, 20);
    for (n, figures) in figures.iter().enumerate() {
        assert!(figures.found.is_none() && figures.answered <= most, "{}: {figures:?}", attack(n));
    }
}

/// Each name guesses repeatedly at one account, and once at each account.
fn attack(n: usize) -> Attack {
    let agent = AGENTS[n / 2];
    let attack = Attack { agent, rate: 20, ..PLAIN };
    if n.is_multiple_of(2) {
        attack
    } else {
        Attack { method: "INVITE", nonce: Nonce::MadeUp, accounts: Accounts::Many(20), ..attack }
    }
}

fn attacker(n: usize, lasts: Duration) -> Attacker {
    Attacker {
        attack: attack(n),
        from: vec![v4_of(91, n, 7)],
        accomplice: v4_of(92, n, 7),
        pbx: pbx(false),
        account: FIRST + 20 * u32::try_from(n).expect("few scanners"),
        wrong: WRONG,
        lasts,
        stops: true,
    }
}

/// The results of the tools of SIPVicious.
struct Tools {
    said: String,
    has_found: bool,
}

fn sipvicious(site: &Site, lasts: Duration) -> Tools {
    let (host, begun) = (site.scanner(), Instant::now());
    let home = Scratch::new(host);
    let wrong: String = (0..PASSWORDS).map(|n| format!("guess-{n}\n")).collect();
    let passwords = home.file("passwords", &format!("{wrong}{}\n", password(FIRST)));
    let account = FIRST.to_string();
    let lines: [(&str, Vec<&str>); 3] = [
        ("svmap", vec![]),
        ("svwar", vec!["--force", "-e", "1000-1500"]),
        ("svcrack", vec!["-u", &account, "-d", &passwords, "--maximumtime=5"]),
    ];
    let before = host.datagrams_received();
    let (mut rounds, mut has_found) = (0, false);
    while rounds == 0 || begun.elapsed() < lasts {
        rounds += 1;
        for (program, options) in &lines {
            let mut command = host.command("timeout");
            command.arg("60").arg(tool(program)).env("HOME", &home.0).args(["-x", &v4(SCANNER)]);
            let Done { stdout, stderr, .. } = Done::of(command.args(options).arg(v4(1)));
            has_found |= ["| Asterisk", "kamailio", "| 1000 ", &password(FIRST)]
                .iter()
                .any(|found| (stdout.clone() + &stderr).contains(found));
        }
    }
    let answered = host.datagrams_received() - before;
    Tools { said: format!("svmap, svwar, svcrack: {rounds} rounds, {answered} answers"), has_found }
}
