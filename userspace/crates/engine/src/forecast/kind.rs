//! The packets that are imagined: one of each kind that the filter tells apart.

use std::net::SocketAddr;

use xdp_prog::abi::{Policy, PortSet};

use super::frame::{ACK, PSH, SYN, tcp, udp};

/// A kind of packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Register,
    Invite,
    Options,
    /// One within a call.
    Dialog,
    /// A request that is none of these.
    Other,
    Response,
    Keepalive,
    NotSip,
    /// To a port that speaks SIP in the clear.
    Connect,
    ConnectTls,
    /// A request over UDP from a port that the source has not used lately: its ports are counted, too.
    NewPort,
}

impl Kind {
    pub const ALL: [Self; 11] = [
        Self::Register,
        Self::Invite,
        Self::Options,
        Self::Dialog,
        Self::Other,
        Self::Response,
        Self::Keepalive,
        Self::NotSip,
        Self::Connect,
        Self::ConnectTls,
        Self::NewPort,
    ];

    /// As in the names of the rates, where there is one for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Invite => "invite",
            Self::Options => "options",
            Self::Dialog => "dialog",
            Self::Other => "other",
            Self::Response => "response",
            Self::Keepalive => "keepalive",
            Self::NotSip => "not-sip",
            Self::Connect => "connect",
            Self::ConnectTls => "connect-tls",
            Self::NewPort => "new-port",
        }
    }

    /// The beginning of a sentence about it.
    pub(super) const fn subject(self) -> &'static str {
        match self {
            Self::Register => "a REGISTER",
            Self::Invite => "an INVITE",
            Self::Options => "an OPTIONS",
            Self::Dialog => "an ACK or a BYE",
            Self::Other => "a SUBSCRIBE",
            Self::Response => "a response",
            Self::Keepalive => "a keepalive",
            Self::NotSip => "a datagram that is no SIP",
            Self::Connect => "a TCP connection",
            Self::ConnectTls => "a TLS connection",
            Self::NewPort => "a request from a new port",
        }
    }

    /// A packet of this kind; `None` where no port is open to it.
    pub fn frame(self, from: SocketAddr, ports: Ports) -> Option<Vec<u8>> {
        match self {
            Self::Register => message(from, ports, &request("REGISTER")),
            Self::Invite => message(from, ports, &request("INVITE")),
            Self::Options => message(from, ports, &request("OPTIONS")),
            Self::Dialog => message(from, ports, &request("BYE")),
            Self::Other => message(from, ports, &request("SUBSCRIBE")),
            Self::Response => message(from, ports, &answer()),
            Self::Keepalive => message(from, ports, "\r\n\r\n"),
            Self::NotSip => Some(udp(from, ports.udp?, b"\x80 no SIP")),
            Self::Connect => Some(tcp(from, ports.tcp?, SYN, b"")),
            Self::ConnectTls => Some(tcp(from, ports.tls?, SYN, b"")),
            Self::NewPort => Some(udp(from, ports.udp?, request("INVITE").as_bytes())),
        }
    }
}

/// A SIP port of each transport.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    udp: Option<u16>,
    tcp: Option<u16>,
    tls: Option<u16>,
}

impl Ports {
    /// The lowest of each.
    pub fn of(policy: &Policy) -> Self {
        let lowest = |set: &PortSet| (0..=u16::MAX).find(|&port| set.has(port));
        Self { udp: lowest(&policy.udp), tcp: lowest(&policy.tcp), tls: lowest(&policy.tls) }
    }
}

/// The carrier of SIP: a datagram where there is a port for it, else a piece of a stream.
fn message(from: SocketAddr, ports: Ports, text: &str) -> Option<Vec<u8>> {
    match ports {
        Ports { udp: Some(port), .. } => Some(udp(from, port, text.as_bytes())),
        Ports { tcp: Some(port), .. } => Some(tcp(from, port, ACK | PSH, text.as_bytes())),
        Ports { udp: None, tcp: None, .. } => None,
    }
}

fn request(method: &str) -> String {
    format!("{method} sip:pbx.invalid SIP/2.0\r\n{}", headers(method))
}

fn answer() -> String {
    format!("SIP/2.0 200 OK\r\n{}", headers("OPTIONS"))
}

/// The headers that every message must have, and nothing in which a signature could see more.
fn headers(method: &str) -> String {
    format!(
        "Via: SIP/2.0/UDP phone.invalid;branch=z9hG4bK0;rport\r\nMax-Forwards: 70\r\nFrom: <sip:phone@pbx.invalid>;tag=0\r\n\
         To: <sip:pbx.invalid>\r\nCall-ID: 0@phone.invalid\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    )
}
