//! The reading of a request and its answer by the observer, the kernel's walk and the kernel's verdict, in process.

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock},
};

use sipward_engine::{
    observe::{Observer, Settings},
    policy::Config,
    replay::Memory,
};
use sipward_signature::SignatureSet;
use sipward_tests::{
    filter_pair::opening,
    frame::{tcp, udp},
};
use sipward_types::time::KernelTime;
use sipward_types::{
    evidence::{Evidence, Kind},
    tapped::{Direction, Tapped, TcpSegment},
};
use xdp_prog::{
    abi::{Policy, Signatures, TAP_MAX},
    account::{MORE, NOTHING, Walk, Wanted, hash},
    bytes::{Bytes, Whole},
    frame::Packet,
    judge::Verdict,
    reason::{Action, Reason},
    tap,
};

const PBX: &str = "10.90.0.1:5060";
const SENDER: &str = "10.90.0.2";
const SECOND: u64 = 1_000_000_000;
/// Of a datagram, in the first fragment of its packet.
const FIRST_FRAGMENT: usize = 1472;

static SHIPPED: LazyLock<Arc<Signatures>> =
    LazyLock::new(|| SignatureSet::shipped().compile().expect("the shipped signatures").tables.into());
static POLICY: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let config = Config::parse("mode = \"enforce\"\n", "campaign").expect("a configuration");
    config.resolve().expect("a configuration").policy.into()
});

/// A request with its answer, and before it a challenge with the nonce that it answers to.
#[derive(Clone, Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) challenge: (&'a [u8], &'a [u8]),
    pub(crate) request: &'a [u8],
    /// The lengths of the segments of a stream. A datagram has none.
    pub(crate) pieces: &'a [usize],
    /// Of a stream: all that came back.
    pub(crate) answer: &'a [u8],
    pub(crate) port: u16,
}

#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// The account that the observer names, if the request is tapped, with the kind of its evidence.
    pub(crate) told: Vec<(Option<String>, &'static str)>,
    /// The request and its answer were found to belong together.
    pub(crate) joined: bool,
    /// Of the credentials that the kernel's walk finds, by their hashes.
    pub(crate) names: Vec<u64>,
    /// There may be others.
    pub(crate) uncertain: bool,
    /// The kernel charges it where no account has worked.
    is_charged: bool,
    /// The kernel's reason under the default policy.
    pub(crate) reason: Reason,
    /// There is something to guess with. Where there is nothing, the kernel has nothing to charge.
    pub(crate) has_credentials: bool,
    /// Only the beginning came in one packet, or was handed over of the answer.
    pub(crate) fragmented: bool,
}

impl Reading {
    pub(crate) fn of(exchange: &Exchange<'_>) -> Self {
        let is_stream = !exchange.pieces.is_empty();
        let Fate { reason, is_tapped, is_charged } =
            if is_stream { Fate::of_stream(exchange) } else { Fate::of(exchange.request, exchange.port) };
        let whole = if is_stream { exchange.request } else { first(exchange.request) };
        let (names, uncertain) = names(whole, is_stream);
        // A message in several packets is charged without its names.
        let uncertain =
            uncertain || exchange.pieces.len() > 1 || whole.len() < exchange.request.len() && is_charged;
        let before = observe(exchange, false);
        let (told, joined) = observe(exchange, is_tapped);
        let told = told[before.0.len()..].iter();
        let told = told.map(|evidence| (evidence.account.as_ref().map(ToString::to_string), kind(evidence)));
        Self {
            told: told.collect(),
            joined: joined > before.1,
            names,
            uncertain,
            is_charged,
            reason,
            has_credentials: exchange
                .request
                .to_ascii_lowercase()
                .windows(13)
                .any(|name| name == b"authorization"),
            fragmented: whole.len() < exchange.request.len() || is_stream && exchange.answer.len() > TAP_MAX,
        }
    }

    /// Named beside another is enough only where the kernel, too, says that it cannot tell.
    pub(crate) fn is_attributed(&self, account: &str) -> bool {
        let counts = |kind: &str| kind != "named" || self.uncertain;
        self.told.iter().any(|(named, kind)| is(named.as_deref(), account) && counts(kind))
    }

    /// The observer has evidence of a success.
    pub(crate) fn is_let_in(&self, account: &str) -> bool {
        let kinds = ["succeeded", "registered", "unregistered", "accepted"];
        self.told.iter().any(|(named, kind)| is(named.as_deref(), account) && kinds.contains(kind))
    }

    /// The kernel charges a guess at that account, even where all other accounts have worked.
    pub(crate) fn is_charged(&self, account: &str) -> bool {
        self.is_charged && (self.uncertain || self.names.contains(&hash(account.as_bytes())))
    }

    /// Strangers do not get through with it.
    pub(crate) fn is_refused(&self) -> bool {
        self.reason.action() == Action::Drop
    }
}

/// Of long names only the beginning counts, and Asterisk shows less of them. Asterisk decodes escapes in the user of From, Kamailio does not, and sipward
/// leaves them as they are: nobody guesses by that name.
fn is(named: Option<&str>, account: &str) -> bool {
    let account = decoded(account);
    let Some(named) = named.map(decoded) else { return false };
    let is_long = account.len().min(named.len()) >= SHOWN && account[..SHOWN] == named[..SHOWN];
    !account.is_empty() && (named == account || is_long)
}

/// Without `%` escapes, up to where a string of C would end.
fn decoded(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = name.as_bytes();
    while let [first, behind @ ..] = rest {
        let escaped = behind.first_chunk::<2>().filter(|_| *first == b'%');
        let escaped =
            escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &behind[2..] } else { behind };
    }
    bytes.split(|&byte| byte == 0).next().unwrap_or_default().to_vec()
}

/// The part of the request in the first packet.
fn first(request: &[u8]) -> &[u8] {
    &request[..request.len().min(FIRST_FRAGMENT)]
}

/// Observes the challenge, and then the request. Returns the evidence, and the number of answers that were matched.
fn observe(exchange: &Exchange<'_>, all: bool) -> (Vec<Evidence>, u64) {
    let room = 64;
    let settings = Settings {
        transactions: room,
        nonces: room,
        verified_sources: room,
        connections: room,
        histories: room,
    };
    let mut observer = Observer::new(settings);
    let mut told = Vec::new();
    let (challenged, challenge) = exchange.challenge;
    let mut packets =
        vec![datagram(Direction::In, challenged, 40_000), datagram(Direction::Out, challenge, 40_000)];
    if all && exchange.pieces.is_empty() {
        packets.push(datagram(Direction::In, exchange.request, exchange.port));
        packets.push(datagram(Direction::Out, exchange.answer, exchange.port));
    } else if all {
        packets.extend(stream(exchange));
    }
    for (number, packet) in packets.iter().enumerate() {
        observer.see(
            &Tapped { at: KernelTime::from_nanos(SECOND + number as u64 * 1_000_000), ..*packet },
            &mut told,
        );
    }
    observer.tick(KernelTime::from_nanos(200 * SECOND), &mut told);
    (told, observer.counters().joined)
}

fn tapped(direction: Direction, port: u16, payload: &[u8]) -> Tapped<'_> {
    Tapped {
        at: KernelTime::START,
        direction,
        remote: SocketAddr::new(SENDER.parse().expect("an address"), port),
        local: PBX.parse().expect("an address"),
        tcp: None,
        length: payload.len() as u32,
        part: false,
        charged: None,
        listed: false,
        payload: &payload[..payload.len().min(TAP_MAX)],
    }
}

fn datagram(direction: Direction, bytes: &[u8], port: u16) -> Tapped<'_> {
    let part = direction == Direction::In && bytes.len() > FIRST_FRAGMENT;
    let seen = if part { first(bytes) } else { bytes };
    Tapped { part, ..tapped(direction, port, seen) }
}

/// A connection from its beginning, with what was sent in its pieces, each acknowledged, and then all of the answers.
fn stream<'a>(exchange: &Exchange<'a>) -> Vec<Tapped<'a>> {
    let (theirs, ours) = (1_000, 9_000);
    let segment = |direction, sequence: u32, acknowledged, payload| {
        let segment = TcpSegment { sequence, acknowledged, begins: false, ends: false };
        Tapped { tcp: Some(segment), ..tapped(direction, exchange.port, payload) }
    };
    let begins = |direction, sequence, acknowledged| {
        let segment = TcpSegment { sequence, acknowledged, begins: true, ends: false };
        Tapped { tcp: Some(segment), ..tapped(direction, exchange.port, &[]) }
    };
    let mut packets = vec![begins(Direction::In, theirs, None), begins(Direction::Out, ours, Some(theirs))];
    let mut at = 0;
    for piece in pieces(exchange) {
        packets.push(segment(Direction::In, theirs + at, Some(ours), piece));
        at += piece.len() as u32;
        packets.push(segment(Direction::Out, ours, Some(theirs + at), &[]));
    }
    packets.push(segment(Direction::Out, ours, Some(theirs + at), exchange.answer));
    packets
}

fn pieces<'a>(exchange: &Exchange<'a>) -> Vec<&'a [u8]> {
    let mut rest = exchange.request;
    let piece = |length: &usize| {
        let (piece, behind) = rest.split_at(*length.min(&rest.len()));
        rest = behind;
        piece
    };
    exchange.pieces.iter().map(piece).collect()
}

fn kind(evidence: &Evidence) -> &'static str {
    match evidence.kind {
        Kind::Challenged => "challenged",
        Kind::Failed { .. } => "failed",
        Kind::Stale => "stale",
        Kind::Refused => "refused",
        Kind::UnknownAccount => "unknown-account",
        Kind::Succeeded => "succeeded",
        Kind::Registered { .. } => "registered",
        Kind::Unregistered { .. } => "unregistered",
        Kind::Qualified => "qualified",
        Kind::Named { .. } => "named",
        Kind::Accepted => "accepted",
        Kind::Charged { .. } => "charged",
    }
}

/// Bytes of a name that Asterisk shows.
const SHOWN: usize = 32;
/// The names of the credentials, by their hashes, and whether the kernel is uncertain of any: then it charges the request
/// whoever it is from.
fn names(message: &[u8], is_stream: bool) -> (Vec<u64>, bool) {
    let length = message.len() as u32;
    let mut walk = Walk::new(0, length, Wanted::Credentials, is_stream);
    let message = Whole { payload: Bytes::of(message), length };
    let (mut names, mut uncertain) = (Vec::new(), false);
    loop {
        let named = message.next(&mut walk);
        if named.kind == NOTHING {
            return (names, uncertain);
        }
        uncertain |= !named.is_certain();
        if named.kind == MORE {
            return (names, true);
        }
        names.push(named.name);
    }
}

/// The kernel's treatment of a stranger's request under the default policy.
struct Fate {
    reason: Reason,
    /// The observer gets to see it.
    is_tapped: bool,
    is_charged: bool,
}

impl Fate {
    /// Of a connection from its handshake on.
    fn of_stream(exchange: &Exchange<'_>) -> Self {
        let memory = Self::memory();
        let segments = tcp().from(&format!("{SENDER}:{}", exchange.port)).to(PBX).carrying(exchange.request);
        let ends = exchange.pieces.iter().scan(0, |at, length| {
            *at += length;
            Some(*at)
        });
        let cuts: Vec<_> = ends.filter(|end| *end < exchange.request.len()).collect();
        memory.judge(&opening(&memory, &segments));
        let verdicts: Vec<_> = segments.segments(&cuts).iter().map(|frame| memory.judge(frame)).collect();
        Self::of_verdicts(&verdicts)
    }

    fn memory() -> Memory {
        let mut memory = Memory::new(Arc::clone(&POLICY), Arc::clone(&SHIPPED));
        memory.judge_guesses();
        memory.set_now(KernelTime::from_nanos(100 * SECOND));
        memory
    }

    fn of_verdicts(verdicts: &[(Verdict, Packet)]) -> Self {
        let (first, packet) = &verdicts[0];
        let dropped = verdicts.iter().find(|(verdict, _)| verdict.reason.action() == Action::Drop);
        Self {
            reason: dropped.map_or(first.reason, |(verdict, _)| verdict.reason),
            is_tapped: tap::is_wanted(first.reason, packet, || true),
            is_charged: verdicts.iter().any(|(verdict, _)| verdict.charged.is_some()),
        }
    }

    fn of(request: &[u8], port: u16) -> Self {
        let memory = Self::memory();
        let frame = udp().from(&format!("{SENDER}:{port}")).to(PBX).carrying(request);
        let frames = if request.len() > FIRST_FRAGMENT {
            frame.fragments(7, FIRST_FRAGMENT + 8)
        } else {
            vec![frame.build()]
        };
        Self::of_verdicts(&frames.iter().map(|frame| memory.judge(frame)).collect::<Vec<_>>())
    }
}
