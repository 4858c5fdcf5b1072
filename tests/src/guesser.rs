//! A guesser without the password, over UDP, from any address of its host.

use std::{
    net::UdpSocket,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::{
    caller::PHONE,
    message::{Request, status},
    namespace::{Namespace, v4},
};

/// The time limit for an answer, which on one wire is ample.
const PATIENCE: Duration = Duration::from_secs(1);

/// One port of one address.
#[derive(Debug)]
pub struct Guesser {
    socket: UdpSocket,
    via: String,
}

/// The answer of the PBX to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Of its challenge, if it is one.
    pub realm: String,
    pub nonce: String,
}

/// A request as it is written.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    pub method: &'a str,
    pub account: &'a str,
    pub agent: &'a str,
    /// The challenge that its credentials answer, if it has any. They are never right.
    pub challenge: Option<&'a Answer>,
}

impl Guesser {
    pub fn new(host: &Namespace, address: &str) -> Self {
        let socket = host.udp(&format!("{address}:0"));
        let pbx = format!("{}:5060", v4(1));
        socket.connect(&pbx).unwrap_or_else(|error| panic!("{address} to {pbx}: {error}"));
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout that is not zero");
        let via = socket.local_addr().expect("a bound socket").to_string();
        Self { socket, via }
    }

    /// A REGISTER without credentials, and one with such as are wrong: what the second is answered.
    pub fn guess(&self, account: &str) -> Option<Answer> {
        self.guess_by("REGISTER", account)
    }

    pub fn guess_by(&self, method: &str, account: &str) -> Option<Answer> {
        let challenge = self.ask(method, account)?;
        self.send(&Attempt { method, account, agent: PHONE, challenge: Some(&challenge) })
    }

    /// Without credentials.
    pub fn ask(&self, method: &str, account: &str) -> Option<Answer> {
        self.send(&Attempt { method, account, agent: PHONE, challenge: None })
    }

    /// Sends it. Returns the final answer, if there is one.
    pub fn send(&self, attempt: &Attempt<'_>) -> Option<Answer> {
        let number = another();
        self.say(&attempt.write(&self.via, number), number)
    }

    /// The same with another name in From than in the credentials.
    pub fn send_as(&self, from: &str, attempt: &Attempt<'_>) -> Option<Answer> {
        let number = another();
        let own = format!("From: <sip:{}@{}>", attempt.account, v4(1));
        let message = attempt.write(&self.via, number);
        assert!(message.contains(&own), "{message}");
        self.say(&message.replace(&own, &format!("From: <sip:{from}>")), number)
    }

    fn say(&self, message: &str, number: u64) -> Option<Answer> {
        self.socket.send(message.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", self.via));
        let id = format!("Call-ID: {number}\r\n");
        let mut buffer = [0; 4096];
        loop {
            let length = self.socket.recv(&mut buffer).ok()?;
            let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
            // Not the late answers to others.
            if answer.contains(&id) && !answer.starts_with("SIP/2.0 1") {
                return Some(read(&answer));
            }
        }
    }
}

/// A number that no other request of this process has.
pub fn another() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // Spread, so that they have nothing in common.
    NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Attempt<'_> {
    /// The request from `via`, an address with its port.
    pub fn write(&self, via: &str, number: u64) -> String {
        let Attempt { method, account, agent, challenge } = *self;
        let pbx = v4(1);
        let (uri, to) = match method {
            "REGISTER" => (format!("sip:{pbx}"), account),
            _ => (format!("sip:600@{pbx}"), "600"),
        };
        let credentials = challenge.map_or_else(String::new, |Answer { status, realm, nonce }| {
        let header = if *status == 407 { "Proxy-Authorization" } else { "Authorization" };
        format!(
            "{header}: Digest username=\"{account}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{number:032x}\", algorithm=MD5, cnonce=\"{number:x}\", qop=auth, nc=00000001\r\n"
        )
    });
        let request = Request {
            method,
            uri: &uri,
            sent_by: via,
            branch: &format!("z9hG4bK{number:x}"),
            from: &format!("<sip:{account}@{pbx}>"),
            tag: &format!("{number:x}"),
            to: &format!("<sip:{to}@{pbx}>"),
            call_id: &number.to_string(),
            sequence: if challenge.is_none() { 1 } else { 2 },
            contact: Some(&format!("<sip:{account}@{via}>")),
            headers: &format!("{credentials}User-Agent: {agent}\r\n"),
            ..Request::default()
        };
        request.write()
    }
}

fn read(answer: &str) -> Answer {
    let quoted = |name: &str| {
        let (_, rest) = answer.split_once(&format!("{name}=\""))?;
        Some(rest.split('"').next()?.to_owned())
    };
    Answer {
        status: status(answer).unwrap_or_else(|| panic!("no status: {answer}")),
        realm: quoted("realm").unwrap_or_default(),
        nonce: quoted("nonce").unwrap_or_default(),
    }
}
