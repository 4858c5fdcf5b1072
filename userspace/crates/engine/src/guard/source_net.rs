//! The networks that count as one source.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

const HOME: u8 = 64;
const LINE: u8 = 56;
const SITE: u8 = 48;

/// An IPv4 address, or an IPv6 /64: whoever has one address of that has them all. Or the /48 around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct SourceNet(IpNet);

impl SourceNet {
    pub(super) fn of(source: IpAddr) -> Self {
        Self(net(source, if source.is_ipv4() { 32 } else { HOME }))
    }

    /// Before all others.
    pub(super) fn first() -> Self {
        Self(net(IpAddr::from([0, 0, 0, 0]), 0))
    }

    /// `None`: it is neither of these.
    pub(super) fn new(net: IpNet) -> Option<Self> {
        let home = Self::of(net.network());
        [Some(home), home.wider()].into_iter().flatten().find(|source_net| source_net.0 == net)
    }

    /// The net that a customer may have with all of its /64s: in IPv6 alone, where he need not ask for another.
    pub(super) fn wider(self) -> Option<Self> {
        let is_home = self.0.addr().is_ipv6() && self.0.prefix_len() == HOME;
        is_home.then(|| Self(net(self.0.addr(), SITE)))
    }

    /// The widest net that one customer may have: an IPv4 address, or all of a /48.
    pub(super) fn widest(self) -> Self {
        self.wider().unwrap_or(self)
    }

    pub(super) fn is_wide(self) -> bool {
        self.0.prefix_len() == SITE
    }

    /// The first of it.
    pub(super) fn address(self) -> IpAddr {
        self.0.addr()
    }

    pub(super) const fn net(self) -> IpNet {
        self.0
    }

    pub(super) fn touches(self, other: IpNet) -> bool {
        let own = self.0;
        own.contains(&other) || other.contains(&own)
    }
}

/// The net of one subscriber: an IPv4 address, or an IPv6 /56.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line(IpNet);

impl Line {
    pub(super) fn of(source: IpAddr) -> Self {
        Self(net(source, if source.is_ipv4() { 32 } else { LINE }))
    }

    pub(super) const fn net(self) -> IpNet {
        self.0
    }
}

/// The addresses that are banned together once enough of them are banned: an IPv4 /24, or an IPv6 /64.
pub(super) fn neighbours_net(source: IpAddr) -> IpNet {
    net(source, if source.is_ipv4() { 24 } else { 64 })
}

/// `length` is one that the family has.
fn net(address: IpAddr, length: u8) -> IpNet {
    IpNet::new_assert(address, length).trunc()
}

/// The number of different values, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) enum Same<T> {
    #[default]
    None,
    One(T),
    Several,
}

impl<T: PartialEq> Same<T> {
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, other) => other,
            (this, Self::None) => this,
            (Self::One(this), Self::One(other)) if this == other => Self::One(this),
            _ => Self::Several,
        }
    }
}
