//! Names that have an account and names that have none get the same answers, in the same time.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream, UdpSocket},
    time::{Duration, Instant},
};

use sipward_tests::{
    auth_pbx::PbxKind,
    length::is_long,
    message::Request,
    namespace::{Family, Namespace},
    sip_phone::{Edit, Transport},
    skipped::skipped,
    tcp::connect,
    wait::wait_until,
};

use crate::site::{CALLER, Hosts, Site};

const PBX: &str = "10.90.0.1:5060";
const PATIENCE: Duration = Duration::from_secs(20);
/// One has an account. The other is as long, and sounds as one that has.
const NAMES: [&str; 2] = ["201", "299"];

/// A socket from which both names are tried.
enum Line {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Line {
    fn open(host: &Namespace, transport: Transport, from: &str) -> Self {
        let (from, to): (SocketAddr, SocketAddr) =
            (format!("{from}:0").parse().expect("an address"), PBX.parse().expect("an address"));
        match transport {
            Transport::Udp => {
                let socket = host.udp(&from.to_string());
                socket.connect(to).expect("an address");
                Self::Udp(socket)
            }
            Transport::Tcp => {
                let stream = host.enter(|| connect(from, to, PATIENCE)).expect("a connection");
                stream.set_read_timeout(Some(PATIENCE)).expect("a timeout that is not zero");
                Self::Tcp(stream)
            }
        }
    }

    fn name(&self) -> (&str, SocketAddr) {
        match self {
            Self::Udp(socket) => ("UDP", socket.local_addr().expect("a bound socket")),
            Self::Tcp(stream) => ("TCP", stream.local_addr().expect("a bound socket")),
        }
    }

    /// The answer, and the time that it took.
    fn ask(&mut self, text: &str) -> (String, Duration) {
        let mut buffer = [0; 4_096];
        let begun = Instant::now();
        let length = match self {
            Self::Udp(socket) => {
                socket.send(text.as_bytes()).expect("a datagram");
                socket.recv(&mut buffer)
            }
            Self::Tcp(stream) => {
                stream.write_all(text.as_bytes()).expect("a connection");
                stream.read(&mut buffer)
            }
        };
        let took = begun.elapsed();
        let length = length.unwrap_or_else(|error| panic!("no answer: {error}\n{text}"));
        (String::from_utf8(buffer[..length].to_vec()).expect("text"), took)
    }

    /// The answers to a request without credentials and to one with a wrong password, and the time of the second.
    fn guess(&mut self, method: &str, name: &str, number: u32) -> ([String; 2], Duration) {
        let (challenge, _) = self.ask(&self.request(method, name, number, 1, ""));
        let nonce = quoted(&challenge, "nonce");
        let credentials = format!(
            "Authorization: Digest username=\"{name}\", realm=\"pbx\", nonce=\"{nonce}\", uri=\"sip:10.90.0.1\", \
             response=\"{number:032x}\", algorithm=MD5, cnonce=\"c\", qop=auth, nc=00000001\r\n"
        );
        let (refusal, took) = self.ask(&self.request(method, name, number, 2, &credentials));
        ([challenge, refusal], took)
    }

    fn request(&self, method: &str, name: &str, number: u32, sequence: u32, headers: &str) -> String {
        let (transport, local) = self.name();
        let own = format!("<sip:{name}@10.90.0.1>");
        let to = if method == "REGISTER" { &own[..] } else { "<sip:600@10.90.0.1>" };
        Request {
            method,
            uri: "sip:10.90.0.1",
            transport,
            sent_by: &local.to_string(),
            branch: &format!("z9hG4bK{number:08x}"),
            from: &own,
            tag: "f",
            to,
            call_id: &format!("{number:08x}"),
            sequence,
            contact: Some(&format!("<sip:{name}@{local}>")),
            headers,
            ..Request::default()
        }
        .write()
    }
}

fn quoted<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("no {name}: {text}"));
    rest.split('"').next().expect("a split has a first part")
}

/// Without what differs between any two answers.
fn anonymous(answer: &str, name: &str) -> String {
    let tag = answer.split("\r\nTo: ").nth(1).and_then(|to| to.split("tag=").nth(1)).unwrap_or_default();
    let tag = tag.split("\r\n").next().unwrap_or_default();
    answer
        .replace(quoted(answer, "nonce"), "NONCE")
        .replace(tag, "TAG")
        .replace(&format!("sip:{name}@"), "sip:NAME@")
}

#[test]
fn names_with_and_without_an_account_get_the_same_bytes() {
    let hosts = Hosts::new();
    for settings in ["", "challenge = 'both'\n", "algorithms = ['MD5', 'SHA-256']\n"] {
        let Some(_site) = Site::start(&hosts, PbxKind::EdgedKamailio, settings) else { return };
        for (transport, method) in [Transport::Udp, Transport::Tcp]
            .into_iter()
            .flat_map(|one| ["REGISTER", "INVITE", "OPTIONS"].map(|two| (one, two)))
        {
            let mut line = Line::open(hosts.host(CALLER), transport, "10.90.0.2");
            let [known, unknown] = NAMES.map(|name| {
                let (answers, _) = line.guess(method, name, 7);
                answers.map(|answer| (answer.len(), anonymous(&answer, name)))
            });
            assert_eq!(known, unknown, "{settings} {transport:?} {method}");
            assert!(known.iter().all(|(_, text)| text.starts_with("SIP/2.0 40")), "{known:?}");
        }
    }
}

/// The probability that a guess with an account takes longer than one without; 0.5 tells nothing.
fn area_under_the_curve(known: &[Duration], unknown: &[Duration]) -> f64 {
    let mut all: Vec<_> =
        known.iter().map(|took| (took, true)).chain(unknown.iter().map(|took| (took, false))).collect();
    all.sort_unstable();
    let (mut before, mut wins) = (0.0, 0.0);
    for same in all.chunk_by(|one, other| one.0 == other.0) {
        let of_known = same.iter().filter(|(_, is_known)| *is_known).count() as f64;
        let of_unknown = same.len() as f64 - of_known;
        wins += of_known * (before + of_unknown / 2.0);
        before += of_unknown;
    }
    wins / (known.len() as f64 * unknown.len() as f64)
}

#[test]
fn the_curve_tells_times_apart() {
    let times = |from: u64| (from..from + 100).map(Duration::from_micros).collect::<Vec<_>>();
    assert!((area_under_the_curve(&times(0), &times(0)) - 0.5).abs() < 1e-9);
    assert!((area_under_the_curve(&times(100), &times(0)) - 1.0).abs() < 1e-9);
    assert!(area_under_the_curve(&times(0), &times(10)) < 0.45);
}

#[test]
fn names_with_and_without_an_account_take_the_same_time() {
    const TIMES: u32 = 10_000;
    if !is_long() {
        return skipped("40,000 guesses take a minute: `cargo xtask test --long`");
    }
    let hosts = Hosts::new();
    let Some(_site) = Site::start(&hosts, PbxKind::EdgedKamailio, "") else { return };
    for transport in [Transport::Udp, Transport::Tcp] {
        // Over the loopback, where nothing else makes a difference.
        let mut line = Line::open(hosts.host(1), transport, "10.90.0.1");
        let mut took = [const { Vec::new() }; 2];
        for number in 0..2 * TIMES {
            // In pairs, and in no fixed order.
            let which = ((number >> 1).count_ones() + number) as usize % 2;
            took[which].push(line.guess("REGISTER", NAMES[which], number).1);
        }
        let area = area_under_the_curve(&took[0], &took[1]);
        println!("{transport:?}: {area:.3}");
        assert!((0.47..=0.53).contains(&area), "{transport:?}: {area}");
    }
}

/// The operator's refusals, which only whoever has the password is to know of.
const REFUSED: [(&str, &str, &str); 4] = [
    ("202", "status=locked", "locked"),
    ("203", "status=disabled", "disabled"),
    ("204", "expires=2020-01-01", "expired"),
    ("205", "from=192.0.2.0/24", "this address"),
];

#[test]
fn a_refused_account_looks_like_none_until_the_right_password_and_then_says_why() {
    let hosts = Hosts::new();
    let Some(site) = Site::start(&hosts, PbxKind::EdgedKamailio, "") else { return };
    let lines = REFUSED.map(|(account, options, _)| format!("{account} secret-{account} {options}\n"));
    site.state.file("accounts.txt", &lines.concat());
    for transport in [Transport::Udp, Transport::Tcp] {
        for (account, _, why) in REFUSED {
            let mut phone = hosts.phone(CALLER, transport, Family::V4, account.parse().expect("a number"));
            // The edge reads a changed file within a second or two.
            wait_until("it is refused", PATIENCE, || phone.register(60).statuses() == [401, 403]);
            let refused = phone.request("OPTIONS", "sip:600@10.90.0.1", Edit::none());
            assert_eq!(refused.statuses(), [401, 403], "{}", phone.transcript());
            let answer = refused.final_answer().expect("a final answer");
            let warning = answer.header("Warning").unwrap_or_default();
            assert!(warning.starts_with("399 pbx ") && warning.contains(why), "{account}: {answer:?}");
            let mut line = Line::open(hosts.host(CALLER), transport, "10.90.0.2");
            let [known, unknown] = [account, "299"].map(|name| {
                let (answers, _) = line.guess("REGISTER", name, 8);
                answers.map(|answer| anonymous(&answer, name))
            });
            assert_eq!(known, unknown, "{account} {transport:?}");
        }
    }
}
