//! The egress program taps all that a PBX's sockets send, in pieces and segments of any size, over both ways in which the
//! program can be attached, and for as long as a daemon reads the ring.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use sipward_engine::policy::Config;
use sipward_kernel::{
    EgressHook, EgressTap, Filter, LoadOptions, Pins, Tables, Tap, TapLosses, Tapping, Taps,
};
use sipward_tests::{
    command::{Done, Sipward},
    message::answer_to_our_options as answer,
    namespace::{Lan, Namespace, v4, v6},
    wait::wait_until,
};
use sipward_types::time::KernelTime;
use sipward_types::{flow::Transport, tapped::Direction};
use xdp_prog::{abi::TAP_MAX, account::nonce_hash};

const HOOKS: [EgressHook; 2] = [EgressHook::Tcx, EgressHook::Clsact];
/// For what takes no time on a quiet machine.
const SOON: Duration = Duration::from_secs(5);
const PBX: usize = 1;
const PHONE: usize = 2;

/// A PBX with pinned maps, of which nothing filters: only what it sends counts here.
struct Site<'a> {
    pbx: &'a Namespace,
    phone: &'a Namespace,
    pins: Pins,
    tables: Tables,
    taps: Taps,
    // Removes what is pinned.
    _sipward: Sipward<'a>,
}

impl<'a> Site<'a> {
    fn new([pbx, phone]: [&'a Namespace; 2]) -> Self {
        let sipward = Sipward::new(pbx);
        let pins = Pins::at(sipward.pins());
        let lock = pins.claim().unwrap();
        let mut filter = Filter::load(&LoadOptions { pins: Some(pins.clone()), max_sources: None }).unwrap();
        filter.set_policy(&Config::parse("", "the test").unwrap().resolve().unwrap().policy).unwrap();
        filter.persist().unwrap();
        drop(lock);
        let mut tables = Tables::open(&pins).unwrap();
        tables.set_tapping(Some(Tapping { strangers_per_second: 1_000_000 })).unwrap();
        let taps = tables.taps().unwrap();
        Self { pbx, phone, pins, tables, taps, _sipward: sipward }
    }

    fn attach(&self, hook: EgressHook) -> EgressTap {
        let tap = self.pbx.enter(|| EgressTap::attach_to(&self.pins, "eth0", hook).unwrap());
        assert_eq!(tap.hook(), hook);
        tap
    }

    /// Where its namespace is: a filter is found by its interface.
    fn detach(&self, tap: EgressTap) {
        self.pbx.enter(|| drop(tap));
    }

    /// The taps so far.
    fn taken(&mut self) -> Vec<Tap> {
        self.taps.wait(Duration::ZERO).unwrap();
        let mut all = Vec::new();
        self.taps.drain(KernelTime::FOREVER, usize::MAX, |tap| all.push(tap.clone()));
        all
    }

    /// Sends these from the PBX to the phone, whose socket gets them all: by then they were seen as they left.
    fn send(&mut self, from: &str, to: &str, payloads: &[&str]) -> Vec<Tap> {
        let (pbx, phone) = (self.pbx.udp(from), self.phone.udp(to));
        for payload in payloads {
            pbx.send_to(payload.as_bytes(), to).unwrap();
            let mut buffer = [0; 2_000];
            let length = phone.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], payload.as_bytes(), "it arrives as it was sent");
        }
        self.taken()
    }
}

fn ends() -> [(String, String); 2] {
    [
        (format!("{}:5060", v4(PBX)), format!("{}:40000", v4(PHONE))),
        (format!("[{}]:5060", v6(PBX)), format!("[{}]:40000", v6(PHONE))),
    ]
}

#[test]
fn the_answers_of_a_pbx_are_handed_over_and_nothing_else() {
    let lan = Lan::new(["pbx", "phone"]);
    let mut site = Site::new(lan.hosts());
    for hook in HOOKS {
        let tap = site.attach(hook);
        for (from, to) in ends() {
            let refusal = answer("401 Unauthorized");
            let taken = site.send(&from, &to, &[&answer("100 Trying"), &refusal, "\r\n\r\n"]);
            let [tap] = taken.as_slice() else { panic!("{hook:?} {from}: {taken:?}") };
            let tapped = tap.tapped();
            assert_eq!((tapped.direction, tapped.transport()), (Direction::Out, Transport::Udp));
            assert_eq!(tapped.remote, to.parse::<SocketAddr>().unwrap());
            assert_eq!(tapped.local, from.parse::<SocketAddr>().unwrap());
            assert_eq!(tapped.payload, refusal.as_bytes());
            let elsewhere = from.replace(":5060", ":5080");
            assert_eq!(site.send(&elsewhere, &to, &[&refusal]), []);
        }
        site.detach(tap);
        let [(from, to), _] = ends();
        assert_eq!(site.send(&from, &to, &[&answer("401 Unauthorized")]), [], "{hook:?} was detached");
    }
}

/// The stream of one side, assembled by sequence number. Gaps are zero.
fn assembled(taken: &[Tap], length: usize) -> Vec<u8> {
    let mut stream = vec![0; length];
    let mut start = None;
    for tap in taken {
        let tapped = tap.tapped();
        let segment = tapped.tcp.unwrap();
        let start = *start.get_or_insert(segment.sequence);
        let at = segment.sequence.wrapping_sub(start) as usize;
        stream[at..at + tapped.payload.len()].copy_from_slice(tapped.payload);
    }
    stream
}

#[test]
fn a_stream_is_handed_over_from_its_beginning_to_its_end() {
    let lan = Lan::new(["pbx", "phone"]);
    let mut site = Site::new(lan.hosts());
    for (hook, (from, _)) in HOOKS.into_iter().zip(ends()) {
        let tap = site.attach(hook);
        let listener = site.pbx.enter(|| TcpListener::bind(&from).unwrap());
        let mut phone = site.phone.enter(|| TcpStream::connect(&from).unwrap());
        let (mut pbx, remote) = listener.accept().unwrap();
        pbx.set_nodelay(true).unwrap();
        let message = answer("401 Unauthorized");
        let (first, rest) = message.split_at(100);
        let long = "x".repeat(60_000);
        for piece in [first, rest, &long] {
            pbx.write_all(piece.as_bytes()).unwrap();
            phone.read_exact(&mut vec![0; piece.len()]).unwrap();
        }
        drop(pbx);
        phone.read_to_end(&mut Vec::new()).unwrap();

        let taken = site.taken();
        assert!(taken.iter().all(|tap| {
            let tapped = tap.tapped();
            (tapped.remote, tapped.direction) == (remote, Direction::Out)
        }));
        let segments: Vec<_> = taken.iter().map(|tap| tap.tapped().tcp.unwrap()).collect();
        // That a connection begins is said of the end of its handshake, which comes in.
        assert!(!segments.iter().any(|segment| segment.begins), "{segments:?}");
        assert!(segments.last().unwrap().ends, "{segments:?}");
        assert_eq!(&assembled(&taken[..2], message.len()), message.as_bytes(), "{hook:?}");
        let length: u32 = taken.iter().map(|tap| tap.tapped().length).sum();
        assert!(length as usize >= message.len() + long.len(), "nothing was left out");
        for tapped in taken.iter().map(Tap::tapped) {
            assert_eq!(tapped.payload.len(), TAP_MAX.min(tapped.length as usize));
        }
        assert!(
            taken.iter().any(|tap| tap.tapped().length as usize > TAP_MAX),
            "the stack sends much at once"
        );
        site.detach(tap);
    }
    assert_eq!(site.tables.tap_losses().unwrap(), TapLosses::default());
}

/// Even without a reader, because the filter needs them.
#[test]
fn the_nonces_that_leave_are_remembered_with_the_address_they_are_sent_to() {
    let lan = Lan::new(["pbx", "phone"]);
    let mut site = Site::new(lan.hosts());
    let challenge = |status: &str, header: &str| {
        answer(status).replace("User-Agent: friendly-scanner", &format!("User-Agent: x\r\n{header}"))
    };
    let long = "x".repeat(900);
    for hook in HOOKS {
        let tap = site.attach(hook);
        for tapping in [true, false] {
            site.tables.set_tapping(tapping.then_some(Tapping { strangers_per_second: 1_000_000 })).unwrap();
            for (n, (from, to)) in ends().into_iter().enumerate() {
                let nonce = |kind: &str| format!("{kind} {hook:?} {tapping} {n}");
                let has = |site: &Site<'_>, kind: &str| {
                    let to = to.parse::<SocketAddr>().unwrap().ip();
                    site.tables.was_issued(to, nonce_hash(nonce(kind).as_bytes())).unwrap()
                };
                let digest =
                    |kind: &str| format!("Digest realm=\"pbx\",nonce=\"{}\",opaque=\"x\"", nonce(kind));
                let two = format!(
                    "WWW-Authenticate: {}\r\nWWW-Authenticate: {},algorithm=SHA-256",
                    digest("one"),
                    digest("two")
                );
                site.send(
                    &from,
                    &to,
                    &[
                        &challenge("401 Unauthorized", &two),
                        &challenge(
                            "407 Proxy Authentication Required",
                            &format!("proxy-authenticate : {}", digest("proxy")),
                        ),
                        &challenge(
                            "401 Unauthorized",
                            &format!("X: {long}\r\nWWW-Authenticate:\r\n {}", digest("long")),
                        ),
                        &challenge("403 Forbidden", &format!("WWW-Authenticate: {}", digest("no"))),
                        &challenge("401 Unauthorized", &format!("Authorization: {}", digest("echoed"))),
                    ],
                );
                let kinds = ["one", "two", "proxy", "long", "no", "echoed"];
                let seen = kinds.map(|kind| has(&site, kind));
                assert_eq!(seen, [true, true, true, true, false, false], "{hook:?} {tapping} {to}");
                let elsewhere = from.parse::<SocketAddr>().unwrap().ip();
                assert!(!site.tables.was_issued(elsewhere, nonce_hash(nonce("one").as_bytes())).unwrap());
            }
        }
        site.detach(tap);
    }
}

#[test]
fn the_filter_of_a_holder_that_was_killed_is_replaced() {
    let lan = Lan::new(["pbx", "phone"]);
    let mut site = Site::new(lan.hosts());
    let [(from, to), _] = ends();
    let refusal = answer("401 Unauthorized");
    let killed = site.attach(EgressHook::Clsact);
    // As after a kill: the filter stays attached.
    std::mem::forget(killed);
    for hook in [EgressHook::Clsact, EgressHook::Tcx] {
        let tap = site.attach(hook);
        assert_eq!(site.send(&from, &to, &[&refusal]).len(), 1, "{hook:?}: once, and not twice");
        site.detach(tap);
        // A test beside this one may just be starting a program, which has the link until it begins.
        wait_until("it is gone", SOON, || site.send(&from, &to, &[&refusal]).is_empty());
    }
    let filters = Done::of(site.pbx.command("tc").args(["filter", "show", "dev", "eth0", "egress"]));
    assert_eq!((filters.code, filters.stdout.trim()), (Some(0), ""));
}

#[test]
fn one_of_the_ways_is_found_and_a_qdisc_that_is_there_is_used() {
    let lan = Lan::new(["pbx", "phone"]);
    let mut site = Site::new(lan.hosts());
    site.pbx.run("tc qdisc add dev eth0 clsact");
    let [(from, to), _] = ends();
    for hook in [None, Some(EgressHook::Clsact)] {
        let attach = || match hook {
            Some(hook) => EgressTap::attach_to(&site.pins, "eth0", hook).unwrap(),
            None => EgressTap::attach(&site.pins, "eth0").unwrap(),
        };
        let tap = site.pbx.enter(attach);
        assert_eq!(site.send(&from, &to, &[&answer("401 Unauthorized")]).len(), 1);
        site.detach(tap);
    }
    let error = site.pbx.enter(|| EgressTap::attach(&site.pins, "eth7").unwrap_err());
    assert!(error.to_string().contains("eth7"), "{error}");
}
