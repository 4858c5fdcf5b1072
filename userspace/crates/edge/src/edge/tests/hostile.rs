//! Whatever arrives, on whichever side: nothing panics, one message makes at most one, and the PBX gets nothing from whom
//! the edge does not know.

use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;

/// Bytes by which an answer may be longer than its request: the tag of To, received and rport, the status line and the
/// length, which a request may leave out or write shorter.
const LONGER: usize = 110;
/// The same for a challenge of one line, which is the least that a phone needs.
const CHALLENGE: usize = 180;

/// Messages that are as they should be, with the link that each comes from.
struct Seeds {
    messages: Vec<(Link, Vec<u8>)>,
    /// Right responses, each in the request with this method that it is for.
    responses: Vec<(String, String)>,
    /// Routes that the edge has signed, with their Call-IDs.
    routes: Vec<(String, String)>,
}

fn seeds() -> &'static Seeds {
    static SEEDS: OnceLock<Seeds> = OnceLock::new();
    SEEDS.get_or_init(Seeds::collect)
}

fn tcp(peer: &str) -> Link {
    Link { listener: 1, transport: Transport::Tcp, connection: 5, ..udp(peer) }
}

fn line<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("\r\n{name}: ")).unwrap_or_else(|| panic!("{name} in {text}"));
    rest.split("\r\n").next().unwrap()
}

impl Seeds {
    /// Registrations, calls in both directions, and all that belongs to them.
    fn collect() -> Self {
        let mut seeds = Self { messages: Vec::new(), responses: Vec::new(), routes: Vec::new() };
        let mut desk = TestEdge::new();
        for link in [udp(PHONE), tcp(PHONE)] {
            for (number, method) in (1..).zip(["REGISTER", "INVITE", "OPTIONS", "MESSAGE", "SUBSCRIBE"]) {
                let number = number + 10 * u32::from(link.listener);
                seeds.transaction(&mut desk, link, &Request { method, account: "201", number });
            }
        }
        seeds
    }

    fn add(&mut self, desk: &mut TestEdge, link: Link, text: &str) -> Option<String> {
        self.messages.push((link, text.as_bytes().to_vec()));
        let received = desk.receive(link, text);
        received.sends.into_iter().next().map(|sent| String::from_utf8(sent.bytes).unwrap())
    }

    fn transaction(&mut self, desk: &mut TestEdge, link: Link, request: &Request<'_>) {
        let by = if link.transport == Transport::Tcp { "SIP/2.0/TCP" } else { "SIP/2.0/UDP" };
        let text = |more: &str| request.text(more).replace("SIP/2.0/UDP", by);
        let inner = Link { listener: link.listener, transport: link.transport, ..pbx() };
        let challenge = self.add(desk, link, &text("")).unwrap();
        let wrong = request.credentials(&challenge, "wrong");
        self.add(desk, link, &text(&wrong));
        let right = request.credentials(&challenge, PASSWORD);
        self.responses.push((request.method.to_owned(), parameter(&right, "response").to_owned()));
        let sent = self.add(desk, link, &text(&right)).unwrap();
        let (_, head) = sent.split_once("\r\n").unwrap();
        let to = line(&sent, "To");
        let head = head.replace(&format!("To: {to}"), &format!("To: {to};tag=pbx"));
        for status in ["180 Ringing", "200 OK", "486 Busy Here", "503 Service Unavailable"] {
            self.add(desk, inner, &format!("SIP/2.0 {status}\r\n{head}"));
        }
        match request.method {
            "INVITE" => self.dialog(desk, (link, inner), request, &sent),
            "REGISTER" => self.call_to(desk, (link, inner), &sent),
            _ => {}
        }
    }

    /// ACK, CANCEL, re-INVITE and BYE of the phone, and a BYE of the PBX.
    fn dialog(
        &mut self,
        desk: &mut TestEdge,
        (link, inner): (Link, Link),
        request: &Request<'_>,
        sent: &str,
    ) {
        let (to_pbx, to_phone) = line(sent, "Record-Route").split_once(',').unwrap();
        let route = format!("Route: {to_phone}\r\nRoute: {to_pbx}\r\n");
        let token = to_pbx.strip_prefix("<sip:").unwrap().split('@').next().unwrap();
        self.routes.push((token.to_owned(), format!("201-{}", request.number)));
        for (method, route) in [
            ("ACK", ""),
            ("CANCEL", ""),
            ("ACK", &route[..]),
            ("INVITE", &route),
            ("BYE", &route),
            ("BYE", ""),
        ] {
            let text = Request { method, ..*request }
                .text(route)
                .replace("To: <sip:600@192.0.2.1>", "To: <sip:600@192.0.2.1>;tag=pbx");
            let by = if link.transport == Transport::Tcp { "SIP/2.0/TCP" } else { "SIP/2.0/UDP" };
            self.add(desk, link, &text.replace("SIP/2.0/UDP", by));
        }
        let route = format!("Route: {to_pbx},{to_phone}\r\n");
        self.add(desk, inner, &Request { method: "BYE", ..*request }.text(&route));
    }

    /// The PBX calls the phone by its binding, and the phone answers.
    fn call_to(&mut self, desk: &mut TestEdge, (link, inner): (Link, Link), sent: &str) {
        let contact = line(sent, "Contact").strip_prefix('<').unwrap().split('>').next().unwrap();
        let call = Request { method: "INVITE", account: "202", number: 77 + u32::from(link.listener) };
        let by = if link.transport == Transport::Tcp { "SIP/2.0/TCP" } else { "SIP/2.0/UDP" };
        let text =
            call.text("").replace("sip:192.0.2.1 SIP", &format!("{contact} SIP")).replace("SIP/2.0/UDP", by);
        let invite = self.add(desk, inner, &text).unwrap();
        let (_, head) = invite.split_once("\r\n").unwrap();
        self.add(
            desk,
            link,
            &format!(
                "SIP/2.0 200 OK\r\n{}",
                head.replace("To: <sip:600@192.0.2.1>", "To: <sip:600@192.0.2.1>;tag=p")
            ),
        );
    }
}

#[derive(Clone, Debug)]
enum Change {
    Replace(usize, Vec<u8>),
    Insert(usize, Vec<u8>),
    Cut(usize, usize),
    /// A line again, elsewhere.
    Repeat(usize, usize),
    /// A line of another seed in the place of one.
    Borrow(usize, usize, usize),
    Truncate(usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len().max(1);
        let lines = |bytes: &[u8]| {
            bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>()
        };
        match self {
            Self::Replace(at, new) => {
                for (place, byte) in new.iter().enumerate() {
                    if let Some(old) = bytes.get_mut(at % length + place) {
                        *old = *byte;
                    }
                }
            }
            Self::Insert(at, new) => {
                let at = (at % length).min(bytes.len());
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Cut(at, count) => {
                let at = (at % length).min(bytes.len());
                bytes.drain(at..(at + count).min(bytes.len()));
            }
            Self::Repeat(line, at) => {
                let mut all = lines(bytes);
                if let Some(again) = all.get(line % all.len().max(1)).cloned() {
                    all.insert(at % all.len(), again);
                    *bytes = all.concat();
                }
            }
            Self::Borrow(seed, line, at) => {
                let other = lines(&seeds().messages[seed % seeds().messages.len()].1);
                let mut all = lines(bytes);
                if !all.is_empty() {
                    let at = at % all.len();
                    all[at].clone_from(&other[line % other.len()]);
                    *bytes = all.concat();
                }
            }
            Self::Truncate(at) => bytes.truncate(at % length),
        }
    }
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: [&str; 22] = [
        "\r\n",
        "\r",
        "\n",
        "\0",
        " ",
        "\t",
        ":",
        ";",
        ",",
        "\"",
        "<",
        ">",
        "@",
        "%00",
        "tag=",
        "\r\n ",
        "Via: ",
        "To: <sip:1@x>\r\n",
        "Content-Length: 9\r\n",
        "Max-Forwards: 0\r\n",
        "Route: <sip:192.0.2.1;lr>\r\n",
        "\u{e9}",
    ];
    prop_oneof![
        prop::sample::select(&WORDS[..]).prop_map(|word| word.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 1..8),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let place = || 0..4_096_usize;
    prop_oneof![
        (place(), bytes()).prop_map(|(at, new)| Change::Replace(at, new)),
        (place(), bytes()).prop_map(|(at, new)| Change::Insert(at, new)),
        (place(), 1..60_usize).prop_map(|(at, count)| Change::Cut(at, count)),
        (place(), place()).prop_map(|(line, at)| Change::Repeat(line, at)),
        (place(), place(), place()).prop_map(|(seed, line, at)| Change::Borrow(seed, line, at)),
        place().prop_map(Change::Truncate),
    ]
}

/// A link, and what comes from there.
fn arrival() -> impl Strategy<Value = (Link, Vec<u8>)> {
    let mutated = || {
        (0..seeds().messages.len(), prop::collection::vec(change(), 0..4)).prop_map(|(seed, changes)| {
            let (link, mut bytes) = seeds().messages[seed].clone();
            changes.iter().for_each(|change| change.apply(&mut bytes));
            (link, bytes)
        })
    };
    let link = prop::sample::select(vec![
        udp(PHONE),
        udp(OTHER),
        tcp(PHONE),
        tcp(OTHER),
        pbx(),
        Link { peer: "127.0.0.2:5080".parse().unwrap(), ..pbx() },
        Link { listener: 9, ..udp(PHONE) },
    ]);
    let elsewhere = (mutated(), link.clone()).prop_map(|((_, bytes), link)| (link, bytes));
    let random = (link, prop::collection::vec(any::<u8>(), 0..200));
    prop_oneof![6 => mutated(), 3 => elsewhere, 1 => random]
}

/// The sender's proof: a right digest, a route of its dialog, or nothing but a request that has to follow another.
fn is_entitled(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let method = text.trim_start().split(' ').next().unwrap_or_default().to_owned();
    let is_answer = method == "SIP/2.0";
    let has = |(one, other): &(String, String)| text.contains(one) && text.contains(other);
    is_answer
        || matches!(&method[..], "ACK" | "CANCEL")
        || seeds().responses.iter().any(|response| response.0 == method && has(response))
        || has_route(bytes)
}

fn has_route(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    seeds().routes.iter().any(|(token, call_id)| text.contains(token) && text.contains(call_id))
}

fn judge(desk: &mut TestEdge, from: Link, bytes: &[u8]) -> Result<(), TestCaseError> {
    let carrier = if from.transport == Transport::Udp { Carrier::Datagram } else { Carrier::Stream };
    let received = desk.edge.receive(from, carrier, bytes, desk.now());
    prop_assert!(received.sends.len() <= 1, "{received:?}");
    for sent in &received.sends {
        let text = String::from_utf8_lossy(&sent.bytes);
        let is_challenge = text.starts_with("SIP/2.0 401") || text.starts_with("SIP/2.0 407");
        if from.side == Side::Outer && sent.to.side == Side::Outer {
            prop_assert_eq!(sent.to.peer.ip(), from.peer.ip(), "an answer to somebody else: {}", text);
            let most = bytes.len() + LONGER + if is_challenge { CHALLENGE } else { 0 };
            prop_assert!(
                from.transport == Transport::Tcp || sent.bytes.len() <= most,
                "{} bytes for {}:\n{}\n{}",
                sent.bytes.len(),
                bytes.len(),
                text,
                String::from_utf8_lossy(bytes)
            );
        }
        if from.side == Side::Outer && sent.to.side == Side::Inner {
            prop_assert!(is_entitled(bytes), "{}\n{}", String::from_utf8_lossy(bytes), text);
            prop_assert!(!text.contains("X-Sipward-Source: x"), "{}", text);
            let says_something = Message::read(&sent.bytes, Carrier::Datagram)
                .is_ok_and(|sent| sent.method() == Some(b"ACK") && !sent.body().is_empty());
            prop_assert!(!says_something || has_route(bytes), "{}", text);
        }
        if from.side == Side::Inner {
            prop_assert_eq!(from.peer.ip(), desk.edge.settings.pbx.ip());
        }
    }
    Ok(())
}

/// The long form takes more than an hour.
fn cases() -> u32 {
    if std::env::var_os("SIPWARD_LONG").is_some() { 10_000_000 } else { 5_000 }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2_000, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn whatever_arrives_nobody_reaches_the_pbx_without_a_right(arrivals in prop::collection::vec(arrival(), 1..6)) {
        let mut desk = TestEdge::new();
        for (from, bytes) in arrivals {
            judge(&mut desk, from, &bytes)?;
        }
    }
}

#[test]
fn the_seeds_are_right_and_the_rule_can_be_broken() {
    let mut desk = TestEdge::new();
    let mut sent_on = 0;
    for (link, bytes) in &seeds().messages {
        judge(&mut desk, *link, bytes).unwrap_or_else(|error| panic!("{error}"));
        let mut other = TestEdge::new();
        let carrier = if link.transport == Transport::Udp { Carrier::Datagram } else { Carrier::Stream };
        sent_on += usize::from(is_sent_on(&other.edge.receive(*link, carrier, bytes, other.now())));
    }
    assert!(sent_on >= 20, "{sent_on} of {}", seeds().messages.len());
    assert!(!is_entitled(Request::register("201").text("").as_bytes()));
}
