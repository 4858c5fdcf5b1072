//! The cost of observing 5,000 registrations a second: the daemon's share of a core, and the packets it missed.
//!
//! `cargo bench -p sipward-tests --bench guard`, as root, with `sipward` built in release mode beside it. It prints and
//! never asserts a time. The cost of a packet in the kernel, with taps on and off, is in `kernel.rs`.

use std::{
    fs,
    io::ErrorKind,
    net::UdpSocket,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use sipward_tests::{
    auth_pbx::{ACCOUNTS, SIP},
    caller::PHONE,
    command::Sipward,
    daemon::Daemon,
    guesser::{Answer, Attempt, another},
    message,
    namespace::{Lan, Namespace, v4},
    report::{Case, Report, Unit},
    scratch::Scratch,
};

/// Registrations a second: each is a request, a challenge, a request with credentials, and its answer.
const RATES: [u32; 3] = [500, 5_000, 10_000];
const LASTS: Duration = Duration::from_secs(10);
/// Nothing is proven before.
const BLIND: Duration = Duration::from_millis(5_500);
/// For what is on its way at the end.
const LATE: Duration = Duration::from_millis(500);
/// Limits would drop what is to be watched.
const CONFIG: &str = "interface = 'eth0'\nmode = 'enforce'\nguesses = 'off'\n[rate]\nregister = 'off'\n[prefix_rate]\nregister = 'off'\n\
    [known_rate]\nregister = 'off'\n";
const REALM: &str = "pbx.example.com";

fn main() -> anyhow::Result<()> {
    let mut report = Report::new("guard");
    let lan = Lan::new(["pbx", "office"]);
    let [pbx, office] = lan.hosts();
    let scratch = Scratch::new(pbx);
    let sipward = Sipward::new(pbx);
    let daemon = Daemon::start(&sipward, &scratch.file("sipward.toml", CONFIG));
    let over = AtomicBool::new(false);
    let socket = pbx.udp(&format!("{}:{SIP}", v4(1)));
    thread::scope(|scope| {
        scope.spawn(|| answer(&socket, &over));
        thread::sleep(BLIND);
        for rate in RATES {
            measure(&mut report, &sipward, &daemon, office, rate);
        }
        over.store(true, Ordering::Relaxed);
    });
    report.end()
}

fn measure(report: &mut Report, sipward: &Sipward<'_>, daemon: &Daemon, office: &Namespace, rate: u32) {
    report.section("what the daemon keeps up with", &format!("{rate} registrations a second"));
    let (before, cpu) = (seen(sipward), cpu_time(daemon));
    let done = register(office, rate);
    let (lasted, used) = (LASTS.as_secs_f64(), cpu_time(daemon) - cpu);
    let mut registered = Case::new("registered", Unit::PerSecond);
    registered.round(0, done as f64 / lasted);
    let mut share = Case::new("the daemon's share of a core", Unit::Percent);
    share.round(0, 100.0 * used.as_secs_f64() / lasted);
    for ((what, before), (_, now)) in before.into_iter().zip(seen(sipward)) {
        share.count(what, now - before);
    }
    report.cases(&[registered, share], "");
}

/// The observer's counters: packets read, packets lost, and outcomes.
fn seen(sipward: &Sipward<'_>) -> [(&'static str, u64); 6] {
    let status = sipward.json("status").remove(0);
    let names = ["packets", "unseen_known", "unseen_strangers", "evidence", "unproven", "unjudged"];
    names.map(|name| {
        let count = status["guard"][name].as_u64();
        (name, count.unwrap_or_else(|| panic!("no {name}: {status}")))
    })
}

/// Of all its threads so far.
fn cpu_time(daemon: &Daemon) -> Duration {
    let path = format!("/proc/{}/stat", daemon.pid());
    let stat = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    // The name, in parentheses, may have blanks.
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    // SAFETY: no pointers.
    let a_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Duration::from_secs_f64(ticks as f64 / a_second as f64)
}

/// A PBX that asks for credentials and takes any.
fn answer(socket: &UdpSocket, over: &AtomicBool) {
    let mut buffer = [0; 4096];
    let mut nonce: u64 = 0;
    while !over.load(Ordering::Relaxed) {
        let Some((length, from)) = receive(|| socket.recv_from(&mut buffer)) else { continue };
        let request = String::from_utf8_lossy(&buffer[..length]);
        let answer = if message::header(&request, "Authorization").is_some() {
            let contact = message::header(&request, "Contact").unwrap_or_default();
            message::answer(&request, "200 OK", &format!("Contact: {contact};expires=300\r\n"))
        } else {
            nonce += 1;
            let challenge = format!("WWW-Authenticate: Digest realm=\"{REALM}\", nonce=\"{nonce:032x}\"\r\n");
            message::answer(&request, "401 Unauthorized", &challenge)
        };
        // The sender may have closed its socket.
        let _ = socket.send_to(answer.as_bytes(), from);
    }
}

/// Phones behind one address, at that rate if the machine can; how many were registered.
fn register(office: &Namespace, rate: u32) -> u64 {
    let socket = office.udp(&format!("{}:0", v4(2)));
    socket.connect(format!("{}:{SIP}", v4(1))).expect("an address on this wire");
    let via = socket.local_addr().expect("a bound socket").to_string();
    let accounts: Vec<String> = ACCOUNTS.map(|account| account.to_string()).collect();
    let (done, over) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| come_back(&socket, &via, &done, &over));
        let begun = Instant::now();
        for (sent, account) in accounts.iter().cycle().enumerate() {
            if begun.elapsed() > LASTS {
                break;
            }
            while sent as f64 > begun.elapsed().as_secs_f64() * f64::from(rate) {
                thread::sleep(Duration::from_micros(200));
            }
            let attempt = Attempt { method: "REGISTER", account, agent: PHONE, challenge: None };
            // A full queue is a packet less.
            let _ = socket.send(attempt.write(&via, another()).as_bytes());
        }
        thread::sleep(LATE);
        over.store(true, Ordering::Relaxed);
    });
    done.load(Ordering::Relaxed)
}

/// To each challenge with credentials; each acceptance counts.
fn come_back(socket: &UdpSocket, via: &str, done: &AtomicU64, over: &AtomicBool) {
    let mut buffer = [0; 4096];
    while !over.load(Ordering::Relaxed) {
        let Some(length) = receive(|| socket.recv(&mut buffer)) else { continue };
        let answer = String::from_utf8_lossy(&buffer[..length]);
        if answer.starts_with("SIP/2.0 200") {
            done.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let between = |begin, end| Some(answer.split_once(begin)?.1.split_once(end)?.0);
        let (Some(account), Some(nonce)) = (between("From: <sip:", "@"), between("nonce=\"", "\"")) else {
            panic!("no challenge: {answer}");
        };
        let challenge = Answer { status: 401, realm: REALM.to_owned(), nonce: nonce.to_owned() };
        let attempt = Attempt { method: "REGISTER", account, agent: PHONE, challenge: Some(&challenge) };
        let _ = socket.send(attempt.write(via, another()).as_bytes());
    }
}

/// `None`: nothing came for a while.
fn receive<T>(receive: impl FnOnce() -> std::io::Result<T>) -> Option<T> {
    match receive() {
        Ok(received) => Some(received),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => panic!("{error}"),
    }
}
