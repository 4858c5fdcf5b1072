//! The report of a replay: a line for each packet as it comes, then the sums.

mod human;
mod json;
mod sums;

use std::{
    io::{self, Write},
    net::IpAddr,
    time::Duration,
};

use xdp_prog::{
    abi::Address,
    frame::{Packet, TCP, UDP},
    judge::Verdict,
    reason::{Action, Reason},
};

use self::sums::Sums;
use sipward_types::{address::from_key, printable::printable};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table.
    Human,
    /// One object a line.
    Json,
}

/// Why a packet passed or fell, as far as they are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    Reason(Reason),
    Signature(u16),
    /// This host sent it, so the filter would never have seen it.
    Outgoing,
}

impl Why {
    pub(super) fn of(verdict: Verdict) -> Self {
        match verdict.reason {
            Reason::Signature => Self::Signature(verdict.signature),
            reason => Self::Reason(reason),
        }
    }

    /// The action when it is enforced. A replay is how a policy is tried, so monitor mode makes no difference.
    const fn action(self) -> Action {
        match self {
            Self::Reason(reason) => reason.action(),
            Self::Signature(_) => Reason::Signature.action(),
            Self::Outgoing => Action::Pass,
        }
    }

    const fn verdict(self) -> &'static str {
        match self.action() {
            Action::Pass => "pass",
            Action::Drop => "drop",
        }
    }
}

/// One packet, judged.
#[derive(Debug)]
pub(super) struct JudgedPacket {
    /// From 1, over all packets of the capture.
    pub(super) number: u64,
    /// Since 1970.
    pub(super) at: Duration,
    pub(super) packet: Packet,
    pub(super) why: Why,
    /// The capture has less of it than was on the wire.
    pub(super) truncated: bool,
}

impl JudgedPacket {
    fn source(&self) -> Option<IpAddr> {
        self.is_ip().then(|| from_key(self.packet.source))
    }

    fn destination(&self) -> Option<IpAddr> {
        self.is_ip().then(|| from_key(self.packet.destination))
    }

    /// The headers could be read at least to the addresses; otherwise both are all zero.
    fn is_ip(&self) -> bool {
        self.packet.source != Address::default() || self.packet.destination != Address::default()
    }

    /// Of source and destination, where the packet shows them.
    fn ports(&self) -> Option<(u16, u16)> {
        let hidden = matches!(
            self.why,
            Why::Reason(Reason::Fragment | Reason::FragmentRest | Reason::BadIp | Reason::FormIpChain)
        );
        let there = matches!(self.packet.protocol, TCP | UDP) && !hidden;
        there.then_some((self.packet.source_port, self.packet.destination_port))
    }
}

/// The names of the reasons.
#[derive(Debug)]
struct Names {
    signatures: Vec<String>,
}

impl Names {
    fn of(&self, why: Why) -> &str {
        match why {
            Why::Reason(reason) => reason.name(),
            Why::Signature(id) => {
                self.signatures.get(usize::from(id)).map_or(Reason::Signature.name(), String::as_str)
            }
            Why::Outgoing => "outgoing",
        }
    }
}

#[derive(Debug)]
pub(super) struct Report<W> {
    output: W,
    format: Format,
    names: Names,
    sums: Sums,
}

impl<W: Write> Report<W> {
    /// `signatures`: the names, by number.
    pub(super) fn new(output: W, format: Format, signatures: &[String]) -> Self {
        // JSON escapes what a terminal must not get, so that programs have the name as it is.
        let shown = |name: &String| match format {
            Format::Human => printable(name.as_bytes()),
            Format::Json => name.clone(),
        };
        let signatures = signatures.iter().map(|name| format!("signature:{}", shown(name))).collect();
        Self { output, format, names: Names { signatures }, sums: Sums::default() }
    }

    pub(super) fn packet(&mut self, judged: &JudgedPacket) -> io::Result<()> {
        self.sums.add(judged);
        let name = self.names.of(judged.why);
        match self.format {
            Format::Human => human::line(&mut self.output, judged, name, self.sums.start()),
            Format::Json => json::line(&mut self.output, judged, name),
        }
    }

    /// The sums: the end of the report. `guesses`: they were judged.
    pub(super) fn finish(mut self, guesses: bool) -> io::Result<()> {
        match self.format {
            Format::Human => human::summary(&mut self.output, &self.sums, &self.names, guesses)?,
            Format::Json => json::summary(&mut self.output, &self.sums, &self.names, guesses)?,
        }
        self.output.flush()
    }
}
