//! The attacker, and the count of its requests that reach the PBX.

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use sipward_tests::{
    auth_pbx::PbxKind,
    namespace::{Namespace, v4},
    scratch::Scratch,
    tool::tool,
    wait::wait_until,
};

use crate::Site;

/// Of each attack, five milliseconds apart.
const TRIES: usize = 1_000;
const LOOK: Duration = Duration::from_millis(20);
/// In which an attacker's program begins.
const START: Duration = Duration::from_secs(30);
/// After so long a silence nothing comes any more.
const SILENCE: Duration = Duration::from_secs(2);
/// Time for the PBX to log the last requests after the attacker has ended.
const LATE: Duration = Duration::from_millis(300);

pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) make: PbxKind,
    /// Its number on the LAN: each comes from an address of its own.
    attacker: usize,
    program: &'static str,
    aim: fn(&mut Command, &Scratch),
}

pub(crate) const ATTACKS: [Attack; 4] = [
    Attack {
        name: "svcrack at an account of Asterisk",
        make: PbxKind::Asterisk,
        attacker: 2,
        program: "svcrack",
        aim: guess,
    },
    Attack { name: "svwar at Asterisk", make: PbxKind::Asterisk, attacker: 3, program: "svwar", aim: walk },
    Attack {
        name: "svcrack at an account of Kamailio",
        make: PbxKind::TalkativeKamailio,
        attacker: 2,
        program: "svcrack",
        aim: guess,
    },
    Attack {
        name: "svwar at Kamailio",
        make: PbxKind::TalkativeKamailio,
        attacker: 3,
        program: "svwar",
        aim: walk,
    },
];

/// Forced: it would not begin where accounts that do not exist are answered as others are. (There it ends soon: of
/// Asterisk's answers it makes nothing.)
fn walk(svwar: &mut Command, _: &Scratch) {
    svwar.args(["--force", "-e", &format!("1000-{}", 999 + TRIES)]);
}

fn guess(svcrack: &mut Command, scratch: &Scratch) {
    let passwords: String = (0..TRIES).map(|n| format!("guess-{n}\n")).collect();
    svcrack.args(["-u", "201", "-d", &scratch.file("passwords", &passwords)]);
}

/// Of a PBX and its guardian.
pub(crate) struct Reaction {
    pub(crate) requests: usize,
    /// From the first hostile packet to the last request that got through.
    pub(crate) lasted: Duration,
}

impl Attack {
    pub(crate) fn at(&self, site: &Site) -> anyhow::Result<Reaction> {
        let hosts: [&Namespace; 3] = site.lan.hosts();
        let host = hosts[self.attacker - 1];
        let scratch = Scratch::new(host);
        let from = v4(self.attacker);
        let mut program = host.command(tool(self.program));
        program.env("HOME", &scratch.0).args(["-x", &from]).stdout(Stdio::null()).stderr(Stdio::null());
        (self.aim)(&mut program, &scratch);
        let quiet = sent(host)?;
        let mut program = program.arg(v4(1)).spawn()?;
        wait_until("the attack begins", START, || sent(host).is_ok_and(|sent| sent > quiet));
        let begun = Instant::now();
        let (mut requests, mut last) = (0, begun);
        loop {
            let patience = if program.try_wait()?.is_some() { LATE } else { SILENCE };
            let heard = site.auth_pbx.heard(&from);
            if heard > requests {
                (requests, last) = (heard, Instant::now());
            }
            if last.elapsed() > patience {
                break;
            }
            thread::sleep(LOOK);
        }
        // It may have ended by itself.
        let _ = program.kill();
        program.wait()?;
        Ok(Reaction { requests, lasted: last - begun })
    }
}

/// Packets that have left a host.
fn sent(host: &Namespace) -> anyhow::Result<u64> {
    let table = host.enter(|| fs::read_to_string("/proc/thread-self/net/dev"))?;
    let line = table.lines().find_map(|line| line.trim().strip_prefix("eth0:")).context("eth0")?;
    // After the eight columns of what was received, and the bytes.
    line.split_whitespace().nth(9).and_then(|packets| packets.parse().ok()).context("packets")
}
