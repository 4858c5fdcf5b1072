//! From the first hostile packet to silence: how much of an attack reaches a PBX, and for how long, with fail2ban and with
//! this filter.
//!
//! `cargo bench -p sipward-tests --bench react`, as root, with `sipward` built in release mode beside it, and an Asterisk
//! in `SIPWARD_ASTERISK`; `cargo xtask bench react` sees to both. It prints and never asserts a time.

use std::{
    fs,
    os::unix::fs::symlink,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use sipward_tests::{
    command::{Done, Sipward},
    daemon::Daemon,
    exchange::{Exchange, Make},
    namespace::{Lan, Namespace, v4},
    report::{Case, Report},
    scratch::Scratch,
    signatures,
    tool::{Running, tool},
};

const ROUNDS: usize = 3;
const ATTACKER: usize = 2;
/// Of svcrack, five milliseconds apart.
const GUESSES: usize = 1_000;
const LOOK: Duration = Duration::from_millis(100);
/// In which the daemon believes no evidence, after its start.
const BLIND: Duration = Duration::from_secs(6);

/// What stands before the PBX.
#[derive(Clone, Copy)]
enum Guardian {
    Nothing,
    /// As Debian ships it, with its filter for Asterisk: five failures within ten minutes.
    Fail2ban,
    Sipward,
    /// Without signatures and rates, so that only what the PBX answers counts: an attacker who looks like a phone, from
    /// where an office might be.
    SipwardByEvidence,
}

const GUARDIANS: [Guardian; 4] =
    [Guardian::Sipward, Guardian::SipwardByEvidence, Guardian::Fail2ban, Guardian::Nothing];

/// What keeps a guardian in its place.
#[expect(dead_code, reason = "kept for their drops")]
enum Post<'a> {
    Nothing,
    Fail2ban(Running),
    Sipward(Daemon, Sipward<'a>),
}

impl Guardian {
    const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Fail2ban => "fail2ban",
            Self::Sipward => "sipward",
            Self::SipwardByEvidence => "sipward, by evidence alone",
        }
    }

    fn start<'a>(
        self,
        host: &'a Namespace,
        exchange: &Exchange,
        scratch: &Scratch,
    ) -> anyhow::Result<Post<'a>> {
        let rules = match self {
            Self::Nothing => return Ok(Post::Nothing),
            Self::Fail2ban => return Ok(Post::Fail2ban(fail2ban(host, exchange, scratch)?)),
            Self::Sipward => String::new(),
            Self::SipwardByEvidence => {
                scratch.file("none.toml", &signatures::none());
                BY_EVIDENCE.to_owned()
            }
        };
        let config = scratch.file("sipward.toml", &format!("interface = 'eth0'\nmode = 'enforce'\n{rules}"));
        let sipward = Sipward::new(host);
        let daemon = Daemon::start(&sipward, &config);
        thread::sleep(BLIND);
        Ok(Post::Sipward(daemon, sipward))
    }
}

const BY_EVIDENCE: &str = "signatures = 'none.toml'\n[flows]\nper_source = 'off'\nper_prefix = 'off'\n\
    [rate]\nregister = 'off'\n[prefix_rate]\nregister = 'off'\n[known_rate]\nregister = 'off'\n";

fn fail2ban(host: &Namespace, exchange: &Exchange, scratch: &Scratch) -> anyhow::Result<Running> {
    for part in ["filter.d", "action.d"] {
        symlink(format!("/etc/fail2ban/{part}"), scratch.0.join(part))?;
    }
    let place = |name: &str| scratch.0.join(name).display().to_string();
    let (socket, pid, log) = (place("socket"), place("pid"), place("fail2ban.log"));
    scratch.file(
        "fail2ban.conf",
        &format!(
            "[Definition]\nloglevel = INFO\nlogtarget = {log}\nsyslogsocket = auto\nsocket = {socket}\n\
             pidfile = {pid}\ndbfile = None\ndbpurgeage = 1d\n"
        ),
    );
    scratch.file(
        "jail.conf",
        &format!(
            "[asterisk]\nenabled = true\nfilter = asterisk\nlogpath = {}\nbackend = auto\nusedns = no\n\
             maxretry = 5\nfindtime = 600\nbantime = 3600\n\
             action = iptables[name=asterisk, type=multiport, port=5060, protocol=udp]\n",
            exchange.messages().display()
        ),
    );
    let mut server = host.command(tool("fail2ban-server"));
    let directory = scratch.0.display().to_string();
    server.args(["-f", "-c", &directory, "-s", &socket, "-p", &pid, "start"]);
    let mut running = Running::start(&mut server, &scratch.0.join("out"));
    running.wait_until("fail2ban watches", || {
        fs::read_to_string(&log).is_ok_and(|log| log.contains("Jail 'asterisk' started"))
    });
    Ok(running)
}

fn main() -> anyhow::Result<()> {
    let mut report = Report::new("react");
    report.section("svcrack at an account of Asterisk: requests that reached it");
    let mut requests: Vec<_> = GUARDIANS.map(|guardian| Case::in_unit(guardian.name(), "requests")).into();
    let mut seconds: Vec<_> = GUARDIANS.map(|guardian| Case::in_unit(guardian.name(), "s")).into();
    for round in 0..ROUNDS {
        for (index, guardian) in GUARDIANS.into_iter().enumerate() {
            let Some(reaction) = react(guardian)? else { return report.end() };
            requests[index].round(round, reaction.requests as f64);
            seconds[index].round(round, reaction.until_silence.as_secs_f64());
        }
    }
    report.cases(&requests, Guardian::Fail2ban.name());
    report.section("the same: seconds until the last of them");
    report.cases(&seconds, Guardian::Fail2ban.name());
    report.end()
}

struct Reaction {
    requests: usize,
    until_silence: Duration,
}

/// `None`: there is no Asterisk here.
fn react(guardian: Guardian) -> anyhow::Result<Option<Reaction>> {
    let lan = Lan::new(["pbx", "attacker"]);
    let [pbx, attacker] = lan.hosts();
    let Some(exchange) = Exchange::start(Make::Asterisk, pbx) else { return Ok(None) };
    let scratch = Scratch::new(pbx);
    let _post = guardian.start(pbx, &exchange, &scratch)?;
    let begun = Instant::now();
    let over = AtomicBool::new(false);
    let (mut requests, mut until_silence) = (0, Duration::ZERO);
    thread::scope(|scope| {
        scope.spawn(|| {
            attack(attacker);
            over.store(true, Ordering::Relaxed);
        });
        loop {
            // First: what has come until the attack was over is counted.
            let is_last = over.load(Ordering::Relaxed);
            let heard = exchange.heard(&v4(ATTACKER));
            if heard > requests {
                (requests, until_silence) = (heard, begun.elapsed());
            }
            if is_last {
                break;
            }
            thread::sleep(LOOK);
        }
    });
    Ok(Some(Reaction { requests, until_silence }))
}

fn attack(host: &Namespace) {
    let scratch = Scratch::new(host);
    let passwords =
        scratch.file("passwords", &(0..GUESSES).map(|n| format!("guess-{n}\n")).collect::<String>());
    let mut svcrack = host.command(tool("svcrack"));
    svcrack.env("HOME", &scratch.0).args(["-x", &v4(ATTACKER), "-u", "201", "-d", &passwords]);
    Done::of(svcrack.args(["--maximumtime=5", &v4(1)]));
}
