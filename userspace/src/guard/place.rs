//! What counts as one source.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

/// An IPv4 address, or an IPv6 /64 by its first address: whoever has one address of that has them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(IpAddr);

impl Place {
    pub(super) const fn of(source: IpAddr) -> Self {
        match source {
            IpAddr::V4(_) => Self(source),
            IpAddr::V6(address) => Self(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))),
        }
    }

    pub(super) fn net(self) -> IpNet {
        match self.0 {
            IpAddr::V4(address) => net(IpAddr::V4(address), 32),
            IpAddr::V6(address) => net(IpAddr::V6(address), 64),
        }
    }

    pub(super) fn touches(self, other: IpNet) -> bool {
        let own = self.net();
        own.contains(&other) || other.contains(&own)
    }
}

/// The addresses that share a fate where neighbours do: a /24 or a /64.
pub(super) fn neighbourhood(source: IpAddr) -> IpNet {
    net(source, if source.is_ipv4() { 24 } else { 64 })
}

/// `length` is one that the family has.
fn net(address: IpAddr, length: u8) -> IpNet {
    IpNet::new_assert(address, length).trunc()
}

/// How many different ones there were, as far as that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
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
