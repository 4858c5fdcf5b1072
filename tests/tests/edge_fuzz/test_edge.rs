//! An edge with a phone before it and a PBX behind it, which write what is right.

use std::{fmt, ops::AddAssign, sync::Arc, time::Duration};

use sipward_edge::{
    account::{Account, AccountName, Accounts, Password, Secret as AccountSecret},
    digest::{HashFunction, Realm},
    edge::{Cause, Edge, Now},
    forward::{Forwarded, Reach},
    keys::Keys,
    link::{Link, Side},
    message::{Carrier, Frame, StreamFraming},
    settings::{Challenge, Listen, Settings},
};
use sipward_tests::{
    digest::{Algorithm, Asked, Secret, response},
    message::{Request, header},
    rng::Rng,
};
use sipward_types::{
    flow::Transport,
    time::{KernelTime, WallSeconds},
};

use crate::lenient;

/// The account whose password the phone has.
pub(crate) const OWN: &str = "201";
/// Another one, which the phone must not be taken for.
pub(crate) const OTHER: &str = "240";
const PASSWORD: &str = "correct horse";
pub(crate) const REALM: &str = "pbx";
const PHONE: &str = "198.51.100.7:5060";
const PBX: &str = "127.0.0.1:5080";
const URI: &str = "sip:192.0.2.1";

/// A message, and where it comes from.
pub(crate) struct Sent {
    pub(crate) from: Link,
    pub(crate) bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) messages: u64,
    /// To the PBX.
    pub(crate) sent_on: u64,
    answered: u64,
    unclear: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.sent_on += other.sent_on;
        self.answered += other.answered;
        self.unclear += other.unclear;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, sent_on, answered, unclear } = self;
        write!(f, "{messages} messages: {sent_on} sent on to the PBX, {answered} answered, {unclear} unclear")
    }
}

pub(crate) struct TestEdge {
    edge: Edge,
    transport: Transport,
    /// Of the last call that the phone began, as the PBX has it.
    invite: String,
    /// Of the last registration, likewise.
    register: String,
    number: u64,
    pub(crate) tally: Tally,
}

impl TestEdge {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let settings = settings(rng);
        let account = |name| {
            let password = Password::new(PASSWORD).expect("a password");
            Account::new(AccountName::new(name).expect("a name"), AccountSecret::Password(password))
        };
        let accounts = Accounts::new([OWN, OTHER].map(account), &settings.realm, &settings.algorithms);
        let accounts = accounts.expect("two names");
        let transport = *rng.pick(&[Transport::Udp, Transport::Tcp]);
        let mut edge = Self {
            edge: Edge::new(settings, Keys::new([7; 32], None), Arc::new(accounts), 1),
            transport,
            invite: String::new(),
            register: String::new(),
            number: 0,
            tally: Tally::default(),
        };
        edge.register = edge.let_in("REGISTER");
        edge.invite = edge.let_in("INVITE");
        edge
    }

    fn link(&self, side: Side) -> Link {
        let (peer, connection) = match side {
            Side::Outer => (PHONE, 5),
            Side::Inner => (PBX, 9),
        };
        Link {
            side,
            listener: u8::from(self.transport == Transport::Tcp),
            transport: self.transport,
            peer: peer.parse().expect("an address"),
            connection: if self.transport == Transport::Tcp { connection } else { 0 },
        }
    }

    /// Milliseconds pass, so that nothing ends while it is in use, and tables forget.
    fn now(&self) -> Now {
        let milliseconds = 1_000_000_000 + self.number;
        Now {
            kernel: KernelTime::from_nanos(milliseconds * 1_000_000),
            wall: WallSeconds::new(milliseconds / 1_000),
        }
    }

    /// The text of a request that the phone sends, with these headers more.
    fn request(&self, method: &str, headers: &str) -> String {
        let own = format!("<sip:{OWN}@192.0.2.1>");
        let to = if method == "REGISTER" { &own[..] } else { "<sip:600@192.0.2.1>" };
        Request {
            method,
            uri: URI,
            transport: if self.transport == Transport::Tcp { "TCP" } else { "UDP" },
            sent_by: PHONE,
            branch: &format!("z9hG4bK{}", self.number),
            from: &own,
            to,
            call_id: &format!("c{}", self.number % 5_000),
            sequence: 1,
            contact: Some(&format!("<sip:{OWN}@{PHONE}>")),
            headers,
            ..Request::default()
        }
        .write()
    }

    /// The same with a right answer to a fresh challenge.
    fn with_credentials(&mut self, method: &str) -> String {
        self.number += 1;
        let asked = self.receive(self.link(Side::Outer), self.request(method, "").as_bytes());
        let [Forwarded { bytes, .. }] = &asked[..] else { panic!("no challenge: {asked:?}") };
        let challenge = String::from_utf8_lossy(bytes).into_owned();
        let (name, value) = match header(&challenge, "WWW-Authenticate") {
            Some(value) => ("Authorization", value),
            None => ("Proxy-Authorization", header(&challenge, "Proxy-Authenticate").expect("a challenge")),
        };
        let nonce = value.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a nonce");
        let secret = Secret { username: OWN.as_bytes(), realm: REALM.as_bytes(), password: PASSWORD };
        let response = response(
            &secret,
            &Asked {
                algorithm: Algorithm::Md5,
                method: method.as_bytes(),
                uri: URI.as_bytes(),
                nonce: nonce.as_bytes(),
                count: b"00000001",
                cnonce: b"c",
                qop: b"auth",
            },
        );
        let line = format!(
            "{name}: Digest username=\"{OWN}\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"{URI}\", \
             response=\"{response}\", algorithm=MD5, cnonce=\"c\", nc=00000001, qop=auth\r\n"
        );
        self.request(method, &line)
    }

    /// The request as the PBX gets it.
    fn let_in(&mut self, method: &str) -> String {
        let text = self.with_credentials(method);
        let sent = self.receive(self.link(Side::Outer), text.as_bytes());
        let [Forwarded { to: Link { side: Side::Inner, .. }, bytes }] = &sent[..] else {
            panic!("not let in: {sent:?}\n{text}")
        };
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// One that is right.
    pub(crate) fn message(&mut self, rng: &mut Rng) -> Sent {
        self.number += 1;
        let (outer, inner) = (self.link(Side::Outer), self.link(Side::Inner));
        let (from, text) = match rng.below(10) {
            0..=2 => (outer, self.with_credentials("REGISTER")),
            3..=4 => (outer, self.with_credentials("INVITE")),
            5 => (outer, self.with_credentials(rng.pick::<&str>(&["OPTIONS", "MESSAGE", "SUBSCRIBE"]))),
            6..=7 => (outer, self.in_dialog(rng.pick::<&str>(&["ACK", "BYE", "INFO", "INVITE"]))),
            8 => (inner, self.of_pbx(rng.pick::<&str>(&["200 OK", "180 Ringing", "503 Unavailable"]), rng)),
            _ => (inner, self.call_of_pbx()),
        };
        Sent { from, bytes: text.into_bytes() }
    }

    fn in_dialog(&self, method: &str) -> String {
        let routes = header(&self.invite, "Record-Route").expect("the edge's routes");
        let (inner, outer) = routes.split_once(',').expect("two of them");
        let call_id = header(&self.invite, "Call-ID").expect("a Call-ID");
        let own = header(&self.request(method, ""), "Call-ID").map(str::to_owned).expect("a Call-ID");
        self.request(method, &format!("Route: {outer},{inner}\r\n"))
            .replace("To: <sip:600@192.0.2.1>", "To: <sip:600@192.0.2.1>;tag=pbx")
            .replace(&format!("Call-ID: {own}"), &format!("Call-ID: {call_id}"))
    }

    fn of_pbx(&self, status: &str, rng: &mut Rng) -> String {
        let request = *rng.pick(&[&self.invite, &self.register]);
        let (_, head) = request.split_once("\r\n").expect("a start line");
        format!("SIP/2.0 {status}\r\n{head}")
    }

    /// By the binding of the phone.
    fn call_of_pbx(&self) -> String {
        let contact = header(&self.register, "Contact").expect("a Contact");
        let target = contact.trim_start_matches('<').split('>').next().expect("a URI");
        self.request("INVITE", "").replace(&format!("INVITE {URI} "), &format!("INVITE {target} "))
    }

    fn receive(&mut self, from: Link, bytes: &[u8]) -> Vec<Forwarded> {
        let carrier = if self.transport == Transport::Udp { Carrier::Datagram } else { Carrier::Stream };
        let now = self.now();
        let received = self.edge.receive(from, carrier, bytes, now);
        self.tally.messages += 1;
        self.tally.unclear += u64::from(received.cause == Some(Cause::Unclear));
        received.sends
    }

    /// Delivers it, in pieces where it is a stream. Returns what should not have happened.
    pub(crate) fn judge(&mut self, message: &Sent, rng: &mut Rng) -> Option<String> {
        let Sent { from, bytes } = message;
        if self.transport == Transport::Udp {
            let sends = self.receive(*from, bytes);
            return self.judge_sends(*from, &sends);
        }
        let mut framing = StreamFraming::default();
        for piece in bytes.chunks(1 + rng.below(400)) {
            framing.push(piece);
            loop {
                let frame = match framing.next_frame() {
                    Some(Ok(Frame::Message(frame))) => frame.to_vec(),
                    Some(Ok(Frame::Ping)) => continue,
                    Some(Err(_)) => return None,
                    None => break,
                };
                let sends = self.receive(*from, &frame);
                if let Some(found) = self.judge_sends(*from, &sends) {
                    return Some(found);
                }
            }
        }
        None
    }

    fn judge_sends(&mut self, from: Link, sends: &[Forwarded]) -> Option<String> {
        if sends.len() > 1 {
            return Some(format!("more than one message: {sends:?}"));
        }
        let sent = sends.first()?;
        match (from.side, sent.to.side) {
            (Side::Outer, Side::Inner) => {
                self.tally.sent_on += 1;
                lenient::finding(&sent.bytes)
            }
            (Side::Outer, Side::Outer) => {
                self.tally.answered += 1;
                let is_elsewhere = sent.to.peer.ip() != from.peer.ip();
                is_elsewhere.then(|| format!("an answer to somebody else: {sent:?}"))
            }
            (Side::Inner, _) => None,
        }
    }
}

fn settings(rng: &mut Rng) -> Settings {
    let listen = |transport| Listen {
        transport,
        address: "192.0.2.1:5060".parse().expect("an address"),
        advertised: "192.0.2.1".to_owned(),
    };
    Settings {
        listen: vec![listen(Transport::Udp), listen(Transport::Tcp)],
        inner: "127.0.0.1:5070".parse().expect("an address"),
        pbx: PBX.parse().expect("an address"),
        realm: Realm::new(REALM).expect("a realm"),
        challenge: *rng.pick(&[Challenge::Unauthorized, Challenge::ProxyAuthentication, Challenge::Both]),
        is_silent: false,
        algorithms: vec![HashFunction::Md5, HashFunction::Sha256],
        nonce_lifetime: Duration::from_secs(300),
        reach: *rng.pick(&[Reach::Contact, Reach::Path, Reach::PathAlways]),
        accounts: None,
    }
}
