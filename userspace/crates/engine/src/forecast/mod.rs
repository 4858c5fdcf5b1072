//! Forecasts of the verdict on the next packet of each kind from an address: imagined packets, judged by the very code
//! that judges real ones, over what the filter knows now. An imagined packet costs nobody any budget.

pub mod frame;
mod kind;
mod sentence;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    time::Duration,
};

use xdp_prog::{
    abi::SuspensionKey,
    judge::Verdict,
    reason::{Action, Class, Reason},
};

pub use self::kind::Kind;
pub use self::kind::Ports;
use self::sentence::sentence;
use crate::replay::Memory;

/// The verdict that a packet of one kind would get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    pub kind: Kind,
    /// The action of the reason.
    pub action: Action,
    pub reason: Reason,
    /// The name of the signature that would match, where that is the reason.
    pub signature: Option<String>,
    /// False: monitor mode lets it pass all the same.
    pub enforced: bool,
    /// The port it would come from. Where new ones are refused, it is one that the source uses already.
    pub source_port: u16,
    /// `None`: no limit is near, or it is not a limit that objects.
    pub room: Option<Headroom>,
    /// When it would pass that a limit objects to, if nothing more is sent until then. In whole seconds.
    pub again_in: Option<Duration>,
    /// All of this for people.
    pub sentence: String,
}

/// The number of further packets of the same kind that would pass at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headroom {
    pub packets: u32,
    /// Of the packet after those.
    pub then: Reason,
}

/// More than this is not counted.
const ROOM_MAX: u32 = 1_000;
/// The longest windows are forgotten by then, in seconds.
const AGAIN_MAX: u64 = 2 * 86_400;
/// A phone's own port, and then the ports that systems hand out.
const FIRST_PORT: u16 = 5060;
const MORE_PORTS: RangeInclusive<u16> = 49_152..=65_535;
/// Ports that are tried to find one that the source uses already: 256 can be told apart, and it may be one of them.
const TRIED_FOR_USED: usize = 1_024;
/// The same for one that it does not use: at most three in four are in use.
const TRIED_FOR_NEW: usize = 64;

/// Forecasts by a filter in memory, for the kinds of packets that there are ports for. `names`: of its signatures.
pub fn forecasts(memory: &Memory, address: IpAddr, names: &[String]) -> Vec<Forecast> {
    let ports = Ports::of(memory.policy());
    let possible = |kind: &Kind| kind.frame(SocketAddr::new(address, 0), ports).is_some();
    Kind::ALL
        .into_iter()
        .filter(possible)
        .map(|kind| Oracle { memory, address, ports, kind }.forecast(names))
        .collect()
}

/// Asks the filter about one kind of packets.
struct Oracle<'a> {
    memory: &'a Memory,
    address: IpAddr,
    ports: Ports,
    kind: Kind,
}

impl Oracle<'_> {
    fn forecast(&self, names: &[String]) -> Forecast {
        let (source_port, verdict) = self.likely();
        let name = || names.get(usize::from(verdict.signature)).cloned();
        let mut forecast = Forecast {
            kind: self.kind,
            action: verdict.reason.action(),
            reason: verdict.reason,
            signature: if verdict.reason == Reason::Signature { name() } else { None },
            enforced: verdict.enforced,
            source_port,
            room: self.room(source_port),
            again_in: if is_limit(verdict.reason) { self.again_in(source_port) } else { None },
            sentence: String::new(),
        };
        forecast.sentence = sentence(&forecast);
        forecast
    }

    /// A port, and what a packet from there would get. Of a source with known flows, or whose flows are all taken, the
    /// next packet of a phone comes from one of them; only [`Kind::NewPort`] is about others.
    fn likely(&self) -> (u16, Verdict) {
        let first = self.first_port();
        let first = (first, self.judge(first));
        let refused = |verdict: Verdict| matches!(verdict.reason, Reason::Flows | Reason::FlowsPrefix);
        let wanted = |verdict: Verdict| refused(verdict) == (self.kind == Kind::NewPort);
        let tried = if self.kind == Kind::NewPort { TRIED_FOR_NEW } else { TRIED_FOR_USED };
        let more = MORE_PORTS.take(tried).map(|port| (port, self.judge(port)));
        std::iter::once(first).chain(more).find(|(_, verdict)| wanted(*verdict)).unwrap_or(first)
    }

    fn first_port(&self) -> u16 {
        let protocol = self.memory.headers(&self.frame(FIRST_PORT)).protocol;
        let flow = |port| SuspensionKey::flow(protocol, port);
        let known: BTreeSet<u64> = self.memory.known_flows(self.address).collect();
        if self.kind == Kind::NewPort {
            let mut ports = std::iter::once(FIRST_PORT).chain(MORE_PORTS);
            return ports.find(|port| !known.contains(&flow(*port))).unwrap_or(FIRST_PORT);
        }
        known.range(flow(0)..=flow(u16::MAX)).next().map_or(FIRST_PORT, |flow| *flow as u16)
    }

    /// One packet, before all others.
    fn judge(&self, port: u16) -> Verdict {
        self.memory.copy_for(self.address).judge(&self.frame(port)).0
    }

    /// The number of packets from there that would pass at once; of [`Kind::NewPort`], each from a port of its own.
    fn room(&self, port: u16) -> Option<Headroom> {
        let memory = self.memory.copy_for(self.address);
        let same = self.frame(port);
        let mut others = MORE_PORTS.filter(|other| *other != port);
        let mut next = same.clone();
        for packets in 0..=ROOM_MAX {
            let (verdict, _) = memory.judge(&next);
            match verdict.reason {
                Reason::Trusted => return None,
                then if then.action() == Action::Drop => {
                    return is_limit(then).then_some(Headroom { packets, then });
                }
                _ => {}
            }
            if self.kind == Kind::NewPort {
                next = self.frame(others.next()?);
            }
        }
        None
    }

    /// The fewest seconds after which no limit objects: with time alone there is only ever more room.
    fn again_in(&self, port: u16) -> Option<Duration> {
        let frame = self.frame(port);
        let refused_after = |seconds: u64| {
            let memory = self.memory.copy_for(self.address);
            memory.set_now(self.memory.now() + Duration::from_secs(seconds));
            is_limit(memory.judge(&frame).0.reason)
        };
        let (mut refused, mut passed) = (0, AGAIN_MAX);
        if refused_after(passed) {
            return None;
        }
        while passed - refused > 1 {
            let middle = refused.midpoint(passed);
            if refused_after(middle) {
                refused = middle;
            } else {
                passed = middle;
            }
        }
        Some(Duration::from_secs(passed))
    }

    fn frame(&self, port: u16) -> Vec<u8> {
        let from = SocketAddr::new(self.address, port);
        self.kind.frame(from, self.ports).expect("only kinds that have a port are asked about")
    }
}

/// True if time alone makes room again.
fn is_limit(reason: Reason) -> bool {
    let of_class = |class: Class| reason == class.over_source_rate() || reason == class.over_prefix_rate();
    matches!(reason, Reason::Flows | Reason::FlowsPrefix) || Class::ALL.into_iter().any(of_class)
}
