//! Sources that have proven their address lately.

use std::net::{IpAddr, Ipv6Addr};

use sipward_types::fifo_map::FifoMap;

/// IPv6 counts by /64: whoever has one address there has them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct VerifiedNet(IpAddr);

impl VerifiedNet {
    pub(super) fn of(address: IpAddr) -> Self {
        Self(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        })
    }
}

/// Packets in the names of others do not get in here. The one that proved itself longest ago goes first.
#[derive(Debug)]
pub(super) struct VerifiedSources(FifoMap<VerifiedNet, ()>);

impl VerifiedSources {
    pub(super) fn new(capacity: usize) -> Self {
        Self(FifoMap::new(capacity))
    }

    pub(super) fn met(&mut self, address: IpAddr) {
        self.0.insert(VerifiedNet::of(address), ());
    }

    pub(super) fn find(&self, address: IpAddr) -> Option<VerifiedNet> {
        let net = VerifiedNet::of(address);
        self.0.get(&net).map(|()| net)
    }
}
