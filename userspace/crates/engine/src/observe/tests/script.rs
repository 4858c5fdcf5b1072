//! Transcripts as one would write them down, and the evidence that comes of them.
//!
//! Each packet begins with a line `TIME DIRECTION PEER`, with `>` for what comes to the PBX and `<` for what it sends;
//! `tcp` behind it makes it the next segment of that connection, `tcp@NUMBER` one with that number; what the PBX sends
//! acknowledges what was next before. `part` behind it makes it the first fragment of more, and `listed` one for who is banned or trusted. Times are seconds. The lines behind it are the message; `Via`, `From`, `To`, `Call-ID` and `CSeq` are short:
//!
//! ```text
//! 1.0 > 192.0.2.7:5062
//! REGISTER 100 branch=b1 call=c1 cseq=1
//! Authorization: Digest username="100", realm="pbx", nonce="0123456789", response="x"
//! 1.1 < 192.0.2.7:5062
//! 401 REGISTER 100 branch=b1 call=c1 cseq=1 tag=t1
//! WWW-Authenticate: Digest realm="pbx", nonce="0123456789"
//! ```

use std::time::Duration;
use std::{collections::HashMap, net::SocketAddr};

use sipward_testkit::message::Request;

use crate::observe::{Observer, Settings};
use sipward_types::{
    evidence::{Evidence, Kind, Proof},
    tapped::{Charged, Direction, Tapped, TcpSegment},
    time::KernelTime,
};

pub(super) const PBX: &str = "198.51.100.5:5060";
/// Stands for the next sequence number.
const NEXT: u32 = u32::MAX;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) at: KernelTime,
    pub(super) direction: Direction,
    pub(super) remote: SocketAddr,
    pub(super) sequence: Option<u32>,
    pub(super) acknowledged: Option<u32>,
    pub(super) part: bool,
    pub(super) charged: Option<Charged>,
    pub(super) listed: bool,
    pub(super) bytes: Vec<u8>,
}

impl Default for Packet {
    fn default() -> Self {
        Self {
            at: KernelTime::START,
            direction: Direction::In,
            remote: PBX.parse().unwrap(),
            sequence: None,
            acknowledged: None,
            part: false,
            charged: None,
            listed: false,
            bytes: Vec::new(),
        }
    }
}

impl Packet {
    pub(super) fn tapped(&self) -> Tapped<'_> {
        Tapped {
            at: self.at,
            direction: self.direction,
            remote: self.remote,
            local: PBX.parse().unwrap(),
            tcp: self.sequence.map(|sequence| TcpSegment {
                sequence,
                acknowledged: self.acknowledged,
                begins: false,
                ends: false,
            }),
            length: self.bytes.len() as u32,
            part: self.part,
            charged: self.charged,
            listed: self.listed,
            payload: &self.bytes,
        }
    }
}

pub(super) fn packets(script: &str) -> Vec<Packet> {
    let mut packets: Vec<(Packet, Vec<&str>)> = Vec::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match head(line) {
            Some(packet) => packets.push((packet, Vec::new())),
            None => packets.last_mut().expect("a packet begins with its time").1.push(line),
        }
    }
    let mut streams: HashMap<(SocketAddr, bool), u32> = HashMap::new();
    let finish = |(packet, lines): (Packet, Vec<&str>)| {
        let bytes = message(&lines);
        let is_in = packet.direction == Direction::In;
        let acknowledged = streams.get(&(packet.remote, true)).copied().filter(|_| !is_in);
        let next = streams.entry((packet.remote, is_in)).or_default();
        let sequence = packet.sequence.map(|sequence| match sequence {
            NEXT => {
                *next += bytes.len() as u32;
                *next - bytes.len() as u32
            }
            other => other,
        });
        Packet { bytes, sequence, acknowledged, ..packet }
    };
    packets.into_iter().map(finish).collect()
}

pub(super) fn at_second(seconds: f64) -> KernelTime {
    KernelTime::from_nanos((seconds * 1e9) as u64)
}

fn head(line: &str) -> Option<Packet> {
    let mut words = line.split_whitespace();
    let at = words.next()?.parse::<f64>().ok()?;
    let direction = match words.next()? {
        ">" => Direction::In,
        "<" => Direction::Out,
        _ => return None,
    };
    let remote = words.next()?.parse().ok()?;
    let mut packet = Packet { at: at_second(at), direction, remote, ..Packet::default() };
    for word in words {
        match word {
            "part" => packet.part = true,
            "listed" => packet.listed = true,
            "tcp" => packet.sequence = Some(NEXT),
            other => packet.sequence = Some(other.strip_prefix("tcp@")?.parse().expect("a sequence number")),
        }
    }
    Some(packet)
}

/// `METHOD USER names…` or `STATUS METHOD USER names…`, and further headers.
pub(super) fn message(lines: &[&str]) -> Vec<u8> {
    let mut words = lines[0].split_whitespace().peekable();
    let status = words.next_if(|word| word.parse::<u16>().is_ok());
    let method = words.next().expect("a method");
    let user = words.next().expect("a user");
    let mut names =
        HashMap::from([("branch", "b"), ("call", "c"), ("cseq", "1"), ("from", "f"), ("to", user)]);
    names.extend(words.map(|word| word.split_once('=').expect("name=value")));
    let tag = names.get("tag").map(|tag| format!(";tag={tag}")).unwrap_or_default();
    let request = Request {
        method,
        uri: "sip:pbx.example",
        sent_by: "10.0.0.7",
        branch: &format!("z9hG4bK{}", names["branch"]),
        from: &format!("<sip:{user}@pbx.example>"),
        tag: names["from"],
        to: &format!("<sip:{}@pbx.example>{tag}", names["to"]),
        call_id: names["call"],
        sequence: names["cseq"].parse().expect("a sequence number"),
        contact: None,
        headers: &lines[1..].iter().map(|line| format!("{line}\r\n")).collect::<String>(),
        body: "",
        ..Request::default()
    };
    let text = request.write();
    let text = match status {
        Some(status) => {
            let (_, headers) = text.split_once("\r\n").expect("a start line");
            format!("SIP/2.0 {status} Whatever\r\n{headers}")
        }
        None => text,
    };
    text.into_bytes()
}

/// All of it, with ticks between, and one long after.
pub(super) fn run(observer: &mut Observer, packets: &[Packet]) -> Vec<Evidence> {
    let mut emitted = Vec::new();
    for packet in packets {
        observer.tick(packet.at, &mut emitted);
        observer.see(&packet.tapped(), &mut emitted);
    }
    let end = packets.iter().map(|packet| packet.at).max().unwrap_or_default();
    observer.tick(end + Duration::from_secs(200), &mut emitted);
    emitted
}

/// The evidence of a transcript, a line each: `source account method kind proof`.
pub(super) fn emitted(script: &str) -> Vec<String> {
    run(&mut Observer::new(Settings::default()), &packets(script)).iter().map(line).collect()
}

pub(super) fn line(evidence: &Evidence) -> String {
    let kind = match evidence.kind {
        Kind::Challenged => "challenged".to_owned(),
        Kind::Failed { .. } => "failed".to_owned(),
        Kind::Named { .. } => "named".to_owned(),
        Kind::Accepted => "accepted".to_owned(),
        Kind::Stale => "stale".to_owned(),
        Kind::Refused => "refused".to_owned(),
        Kind::UnknownAccount => "unknown".to_owned(),
        Kind::Succeeded => "succeeded".to_owned(),
        Kind::Registered { until, .. } => format!("registered({})", until.since(evidence.at).as_secs()),
        Kind::Unregistered { phone: 0 } => "unregistered(all)".to_owned(),
        Kind::Unregistered { .. } => "unregistered".to_owned(),
        Kind::Qualified => "qualified".to_owned(),
        Kind::Charged { issued, refused } => {
            let budget = if issued { "issued" } else { "other" };
            format!("charged({budget}{})", if refused { ", refused" } else { "" })
        }
    };
    let proof = match evidence.proof {
        Proof::Proven => "proven",
        Proof::Unproven => "forgeable",
    };
    let account = evidence.account.as_ref().map_or("-", |account| account.as_str());
    let method = format!("{:?}", evidence.method).to_lowercase();
    format!("{}:{} {account} {method} {kind} {proof}", evidence.source, evidence.flow.port)
}
