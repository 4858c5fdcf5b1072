//! Sources that have proven their address lately.

use std::net::{IpAddr, Ipv6Addr};

use super::recent::Recent;

/// IPv6 counts by /64: whoever has one address there has them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Neighbourhood(IpAddr);

impl Neighbourhood {
    pub(super) fn of(address: IpAddr) -> Self {
        Self(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        })
    }
}

/// Packets in the names of others do not get in here. The one that proved itself longest ago goes first.
#[derive(Debug)]
pub(super) struct Acquaintances(Recent<Neighbourhood, ()>);

impl Acquaintances {
    pub(super) fn new(capacity: usize) -> Self {
        Self(Recent::new(capacity))
    }

    pub(super) fn met(&mut self, address: IpAddr) {
        self.0.insert(Neighbourhood::of(address), ());
    }

    pub(super) fn find(&self, address: IpAddr) -> Option<Neighbourhood> {
        let neighbourhood = Neighbourhood::of(address);
        self.0.get(&neighbourhood).map(|()| neighbourhood)
    }
}
