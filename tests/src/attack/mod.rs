//! Password guessing in all its shapes, as values that print as sentences, and the results.

mod channel;
mod crowd;
mod enumeration;
mod forgery;
mod fragments;
mod message;
mod run;
mod site;
mod subscriber;

use std::fmt;

pub use self::{
    channel::Channel,
    crowd::{Crowd, busy_lamps, office},
    enumeration::enumerate,
    forgery::{Credentials, Forgery, Left, MADDR, Maddr, Victim, stolen_nonce},
    message::{Challenge, Guess, Request, challenge},
    run::{Attacker, Figures},
    site::{SCANNER, Site, pbx, v4_of, v6_of},
    subscriber::{Registration, Subscriber},
};
use crate::caller::PHONE;

/// The method of one attacker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attack {
    pub method: &'static str,
    pub nonce: Nonce,
    pub transport: Transport,
    pub accounts: Accounts,
    pub agent: &'static str,
    pub form: Form,
    /// Guesses a second, as long as they are answered.
    pub rate: u32,
}

/// Whose challenge the credentials answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nonce {
    /// The one that the attacker was sent last, from that very port.
    Right,
    /// One that the PBX never issued.
    MadeUp,
    /// A nonce that the attacker received before, and never renews.
    Old,
    /// One that was sent to an accomplice.
    Foreign,
    /// The attacker's own, after an accomplice was challenged in the same second: some PBXs give both the same.
    Shared,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Udp,
    /// Each guess from another port.
    UdpPorts,
    UdpV6,
    /// Each guess from the next /64 of one /60.
    UdpV6Networks,
    /// Each packet in two fragments, the first of which has not all of the header chain.
    UdpV6Fragments,
    Tcp,
    /// Each request in two segments, cut after so many bytes.
    TcpCut(usize),
    /// Each request in two segments, cut so many bytes further on than the last.
    TcpCutOnward(usize),
    /// So many requests in one segment.
    TcpPipelined(usize),
    /// The guess is the second request of its segment; the first has no credentials.
    TcpSecond,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accounts {
    One,
    /// So many in turn.
    Many(u32),
}

/// The spelling of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Plain,
    /// Lines end with a carriage return alone.
    BareCr,
    /// `SIP / 2.0`
    SpacedVersion,
    /// The start line is folded before the version.
    FoldedStart,
    /// A line of one blank after the start line.
    BlankLine,
    /// Nine other user names before the one that counts.
    Decoys,
    /// The same, and before all other headers.
    EarlyDecoys,
    /// Credentials before all other headers, the user name behind two thousand bytes.
    LateName,
    /// The caller has another name, of another domain.
    FromNobody,
    /// Each behind a twin with the same credentials, which the PBX refuses for another reason.
    Twin,
}

pub const PLAIN: Attack = Attack {
    method: "REGISTER",
    nonce: Nonce::Right,
    transport: Transport::Udp,
    accounts: Accounts::One,
    agent: PHONE,
    form: Form::Plain,
    rate: 10,
};

impl Transport {
    pub const fn is_tcp(self) -> bool {
        matches!(
            self,
            Self::Tcp | Self::TcpCut(_) | Self::TcpCutOnward(_) | Self::TcpPipelined(_) | Self::TcpSecond
        )
    }

    pub const fn is_v6(self) -> bool {
        matches!(self, Self::UdpV6 | Self::UdpV6Networks | Self::UdpV6Fragments)
    }

    /// Guesses that are sent at once.
    pub const fn at_once(self) -> usize {
        match self {
            Self::TcpPipelined(requests) => requests,
            _ => 1,
        }
    }
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, nonce, transport, accounts, agent, form, rate } = self;
        write!(f, "{method}, {nonce}, {transport}")?;
        if let Accounts::Many(accounts) = accounts {
            write!(f, ", {accounts} accounts")?;
        }
        if *form != Form::Plain {
            write!(f, ", {form}")?;
        }
        if *agent != PHONE {
            write!(f, ", {agent}")?;
        }
        write!(f, ", {rate}/s")
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Right => "right nonces",
            Self::MadeUp => "made-up nonce",
            Self::Old => "old nonce",
            Self::Foreign => "accomplice's nonce",
            Self::Shared => "shared nonces",
        })
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp => f.write_str("UDP"),
            Self::UdpPorts => f.write_str("UDP from a new port each"),
            Self::UdpV6 => f.write_str("IPv6"),
            Self::UdpV6Networks => f.write_str("IPv6 from the /64s of a /60"),
            Self::UdpV6Fragments => f.write_str("IPv6 in two fragments"),
            Self::Tcp => f.write_str("TCP"),
            Self::TcpCut(at) => write!(f, "TCP cut at {at}"),
            Self::TcpCutOnward(by) => write!(f, "TCP cut {by} further on each time"),
            Self::TcpPipelined(requests) => write!(f, "TCP, {requests} a segment"),
            Self::TcpSecond => f.write_str("TCP, second of its segment"),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::BareCr => "bare CR",
            Self::SpacedVersion => "SIP / 2.0",
            Self::FoldedStart => "folded start line",
            Self::BlankLine => "line of a blank",
            Self::Decoys => "nine decoys",
            Self::EarlyDecoys => "nine decoys before From",
            Self::LateName => "name after 2,000 bytes",
            Self::FromNobody => "From another domain",
            Self::Twin => "behind a twin without hops",
        })
    }
}
