//! A phone that a test drives step by step, and that keeps all it sees for the test to assert on.
//!
//! It behaves as RFC 3261 wants: transactions, dialogs with their route sets, `rport`, digests. A test changes its
//! [`Settings`], or [edits](Edit) a message before it is sent, for everything else: other habits, faults, attacks.
//! Whatever a server does that a phone could not work with is in its [complaints](Phone::complaints).
//!
//! The phone has no thread of its own. It answers while it is [polled](Phone::poll), which all functions do that wait:
//! [`wait`](Phone::wait) for one phone, [`drive`] for several that talk to each other.

mod call;
mod client;
mod credentials;
mod draft;
mod message;
mod outcome;
mod register;
mod rude;
mod server;
mod socket;
mod uri;

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

pub use self::{
    call::{Call, CallId, Dialog, State},
    credentials::{Challenge, Claims, Credentials, CredentialsHeader, Quality},
    draft::{Draft, Edit},
    message::Message,
    outcome::{Outcome, RequestId},
    socket::Transport,
    uri::{Uri, addressed, header_parameter},
};
use self::{outcome::Timer, register::Registration, server::Answered, socket::Sockets};
use crate::{
    caller::PHONE,
    namespace::{Entrance, Namespace},
};

/// One turn of a phone that is driven together with others.
const TURN: Duration = Duration::from_millis(2);

#[derive(Clone, Debug)]
pub struct Settings {
    pub account: String,
    pub credentials: Credentials,
    pub on_challenge: OnChallenge,
    /// Requests carry credentials for the last challenge before they are asked for any.
    pub keeps_challenge: bool,
    /// The part of From, To and Request-URI after the `@`.
    pub domain: String,
    /// The place that all requests outside of calls go to.
    pub server: SocketAddr,
    pub transport: Transport,
    /// Via asks for `rport`.
    pub sends_rport: bool,
    pub contact: ContactAddress,
    /// Lines that all requests have.
    pub headers: Vec<(String, String)>,
    pub incoming: Incoming,
    /// INVITE has no session, and ACK has the answer to that of the callee.
    pub offers_late: bool,
    /// Addresses of names that routes and contacts have.
    pub names: Vec<(String, IpAddr)>,
    /// The longest that a function waits.
    pub patience: Duration,
}

impl Settings {
    /// An ordinary phone at a server whose domain is its address.
    pub fn new(transport: Transport, server: SocketAddr, account: &str, password: &str) -> Self {
        Self {
            account: account.to_owned(),
            credentials: Credentials::new(account, password),
            on_challenge: OnChallenge::Answer,
            keeps_challenge: false,
            domain: uri::host_of(server.ip()),
            server,
            transport,
            sends_rport: true,
            contact: ContactAddress::Own,
            headers: vec![("User-Agent".to_owned(), PHONE.to_owned())],
            incoming: Incoming::Ring,
            offers_late: false,
            names: Vec::new(),
            patience: Duration::from_secs(10),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnChallenge {
    /// Once, and once more for each challenge that calls the nonce stale.
    Answer,
    /// The challenge is the end of the request.
    Ignore,
    /// Whatever the server says, up to so many requests.
    Repeat(usize),
}

/// The address in Contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContactAddress {
    Own,
    /// The one that the server saw, once the phone knows it.
    Seen,
}

/// The first answer to a call that comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// 180. The test decides how it goes on.
    Ring,
    /// 200.
    Accept,
    Refuse(u16),
    /// None.
    Ignore,
}

#[derive(Debug)]
pub struct Phone {
    pub settings: Settings,
    inside: Entrance,
    sockets: Sockets,
    /// The CSeq of its last request.
    sequence: u32,
    registration: Registration,
    outcomes: Vec<Outcome>,
    calls: Vec<Call>,
    answered: Vec<Answered>,
    /// Uses of each nonce.
    uses: HashMap<String, u32>,
    kept: Vec<Challenge>,
    /// The address that the server has seen.
    seen: Option<SocketAddr>,
    received: Vec<Message>,
    transcript: Vec<String>,
    complaints: Vec<String>,
    /// It has sent bytes of a test, and the answers to them belong to no request.
    has_sent_raw: bool,
}

impl Phone {
    /// At this address of the host. Port 0 is any.
    pub fn start(host: &Namespace, local: SocketAddr, settings: Settings) -> Self {
        let inside = host.entrance();
        let sockets = open(&inside, local, &settings);
        Self {
            settings,
            inside,
            sockets,
            sequence: 0,
            registration: Registration::new(),
            outcomes: Vec::new(),
            calls: Vec::new(),
            answered: Vec::new(),
            uses: HashMap::new(),
            kept: Vec::new(),
            seen: None,
            received: Vec::new(),
            transcript: Vec::new(),
            complaints: Vec::new(),
            has_sent_raw: false,
        }
    }

    /// The address of its socket.
    pub const fn local(&self) -> SocketAddr {
        self.sockets.local()
    }

    /// The address that the server saw, by its answers.
    pub const fn seen(&self) -> Option<SocketAddr> {
        self.seen
    }

    /// False: its server has closed the connection, and the phone has seen that in a poll.
    pub fn is_connected(&self) -> bool {
        self.sockets.reaches(self.settings.server)
    }

    /// All messages that it received, in order, retransmissions included.
    pub fn received(&self) -> &[Message] {
        &self.received
    }

    /// Everything that a server did to it and should not have done.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// The start lines of all that was sent and received, for the message of a test that fails.
    pub fn transcript(&self) -> String {
        self.transcript.join("\n")
    }

    /// Takes one message, if there is one within that time, and does what follows from it. Sends again what is due.
    pub fn poll(&mut self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        loop {
            self.send_due();
            let until = self.next_timer().map_or(end, |timer| timer.min(end));
            if let Some((bytes, from)) = self.sockets.receive(until) {
                self.take(&bytes, from);
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
        }
    }

    /// Polls until it is so. False: it is not so within the phone's patience.
    pub fn wait_until(&mut self, is_so: impl Fn(&Self) -> bool) -> bool {
        let end = Instant::now() + self.settings.patience;
        while !is_so(self) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.poll(left);
        }
        true
    }

    fn take(&mut self, bytes: &[u8], from: SocketAddr) {
        let Some(message) = Message::parse(bytes, from) else {
            // Keepalives consist of line ends.
            if !bytes.trim_ascii().is_empty() {
                self.complain(format!("no SIP message: {}", String::from_utf8_lossy(bytes)));
            }
            return;
        };
        self.transcript.push(format!("{} <- {from} {}", self.settings.account, message.start()));
        self.check_length(&message);
        self.received.push(message.clone());
        if message.status().is_some() {
            self.on_answer(message);
        } else {
            self.on_request(message);
        }
    }

    fn check_length(&mut self, message: &Message) {
        let (length, body) = (message.header("Content-Length"), message.body().len());
        let is_right = match length {
            Some(length) => length.parse() == Ok(body),
            None => !self.settings.transport.is_reliable(),
        };
        if !is_right {
            self.complain(format!("{length:?} as the length of {body} bytes: {message:?}"));
        }
    }

    fn complain(&mut self, complaint: String) {
        self.complaints.push(complaint);
    }

    fn send_bytes(&mut self, bytes: &[u8], to: SocketAddr) {
        let start = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let start = String::from_utf8_lossy(start).into_owned();
        self.transcript.push(format!("{} -> {to} {start}", self.settings.account));
        if let Err(error) = self.connect(to).and_then(|()| self.sockets.send(bytes, to)) {
            self.complain(format!("{start} to {to}: {error}"));
        }
    }

    /// Does nothing where a connection is there already, or none is needed.
    fn connect(&mut self, to: SocketAddr) -> io::Result<()> {
        let Self { inside, sockets, .. } = self;
        if sockets.reaches(to) { Ok(()) } else { inside.enter(|| sockets.connect(to)) }
    }

    /// The address of a URI that a server has written. The transport of the URI has to be the phone's own.
    fn resolve(&mut self, uri: &str) -> SocketAddr {
        let server = self.settings.server;
        let Some(parts) = Uri::parse(uri) else {
            self.complain(format!("no SIP URI: {uri}"));
            return server;
        };
        let (transport, own) =
            (parts.parameter("transport").unwrap_or("udp"), self.settings.transport.name());
        if !transport.eq_ignore_ascii_case(own) {
            self.complain(format!("{own} leads to {uri}"));
        }
        let names = &self.settings.names;
        let named = || names.iter().find(|(name, _)| *name == parts.host).map(|(_, ip)| *ip);
        match parts.ip().or_else(named) {
            Some(ip) => SocketAddr::new(ip, parts.port.unwrap_or(5060)),
            None => {
                self.complain(format!("no address for {uri}"));
                server
            }
        }
    }

    fn next_timer(&self) -> Option<Instant> {
        let requests = self.outcomes.iter().filter_map(|outcome| outcome.timer);
        let answers =
            self.calls.iter().filter_map(|call| call.unacknowledged.as_ref()).map(|(_, _, timer)| *timer);
        requests.chain(answers).map(|timer| timer.at).min()
    }

    fn send_due(&mut self) {
        let now = Instant::now();
        let is_due = |timer: &Timer| timer.at <= now;
        let mut due = Vec::new();
        for outcome in &mut self.outcomes {
            if let Some(timer) = outcome.timer.as_mut().filter(|timer| is_due(timer)) {
                timer.advance(outcome.method == "INVITE");
                outcome.repeated += 1;
                due.push((outcome.last_sent().to_vec(), outcome.to));
            }
        }
        for call in &mut self.calls {
            if let Some((bytes, to, timer)) =
                call.unacknowledged.as_mut().filter(|(_, _, timer)| is_due(timer))
            {
                timer.advance(false);
                due.push((bytes.clone(), *to));
            }
        }
        for (bytes, to) in due {
            self.send_bytes(&bytes, to);
        }
    }
}

fn open(inside: &Entrance, local: SocketAddr, settings: &Settings) -> Sockets {
    let Settings { transport, server, .. } = *settings;
    let opened = inside.enter(|| Sockets::open(transport, local, server));
    opened.unwrap_or_else(|error| panic!("{transport:?} from {local} to {server}: {error}"))
}

/// Polls these phones in turn until it is so; panics with `what` and their transcripts if it is not in time.
pub fn drive<const N: usize>(
    what: &str,
    mut phones: [&mut Phone; N],
    is_so: impl Fn(&[&mut Phone; N]) -> bool,
) {
    let patience = phones.iter().map(|phone| phone.settings.patience).max().unwrap_or_default();
    let end = Instant::now() + patience;
    while !is_so(&phones) {
        if Instant::now() >= end {
            let transcripts: Vec<_> = phones.iter().map(|phone| phone.transcript()).collect();
            panic!("not within {patience:?}: {what}\n{}", transcripts.join("\n\n"));
        }
        for phone in &mut phones {
            phone.poll(TURN);
        }
    }
}
