//! The cost of a flood for the machine. The guardians have turns, because there is only one machine.

use std::{
    fs,
    net::{SocketAddr, SocketAddrV4},
    os::unix::fs::MetadataExt as _,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use sipward_tests::{
    attack::{Form, Request, pbx, v4_of},
    caller::SCANNER,
    forge::{Forged, Forger},
};

use crate::guardian::Post;

const RATE: u32 = 20_000;
const LASTS: Duration = Duration::from_secs(5);
/// The PBX may be busy with it for longer.
const AFTER: Duration = Duration::from_secs(1);

/// Seconds of CPU time: of the kernel's soft interrupts, and of all programs on the PBX's host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) softirq: f64,
    pub(crate) programs: f64,
}

/// Of OPTIONS from a scanner that sends from one address.
pub(crate) fn flood(post: &Post, n: usize) -> Cost {
    static MACHINE: Mutex<()> = Mutex::new(());
    let _alone = MACHINE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (SocketAddr::V4(from), SocketAddr::V4(to)) = ((v4_of(91, n, 7), 5060).into(), pbx(false)) else {
        unreachable!("both are IPv4 addresses")
    };
    let packets: Vec<_> = (0..1_000).map(|number| packet(from, to, number)).collect();
    let forger = Forger::new(post.site.attackers());
    let before = cost(post);
    let (begun, mut sent) = (Instant::now(), 0);
    for burst in packets.chunks(50).cycle() {
        if begun.elapsed() >= LASTS {
            break;
        }
        sent += forger.send(burst);
        let due = Duration::from_secs_f64(sent as f64 / f64::from(RATE));
        thread::sleep(due.saturating_sub(begun.elapsed()));
    }
    thread::sleep(AFTER);
    let after = cost(post);
    Cost { softirq: after.softirq - before.softirq, programs: after.programs - before.programs }
}

fn packet(from: SocketAddrV4, to: SocketAddrV4, number: u64) -> Forged {
    let request = Request {
        method: "OPTIONS",
        account: "100",
        agent: SCANNER,
        form: Form::Plain,
        from: from.into(),
        to: to.into(),
        is_tcp: false,
        number,
        sequence: 1,
        guess: None,
        more: "",
    };
    Forged { source: from, destination: to, payload: request.write().into_bytes() }
}

fn cost(post: &Post) -> Cost {
    // Ticks are hundredths of a second on every machine that Linux runs on today.
    let seconds = |ticks: u64| ticks as f64 / 100.0;
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let softirq = stat.lines().next().and_then(|all| all.split_whitespace().nth(7));
    Cost {
        softirq: seconds(softirq.and_then(|ticks| ticks.parse().ok()).unwrap_or_default()),
        programs: seconds(programs_ticks(post)),
    }
}

/// Of those in the PBX's namespace, with their children that have ended.
fn programs_ticks(post: &Post) -> u64 {
    let inode = |path: &str| fs::metadata(path).map(|file| file.ino()).ok();
    let here = inode(&format!("/run/netns/{}", post.site.pbx().name()));
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| here.is_some() && inode(&format!("/proc/{pid}/ns/net")) == here)
        .filter_map(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let (_, fields) = stat.rsplit_once(") ")?;
            let fields: Vec<_> = fields.split(' ').collect();
            // User and system time, its own and its children's.
            fields.get(11..15)?.iter().map(|ticks| ticks.parse::<u64>().ok()).sum::<Option<u64>>()
        })
        .sum()
}
