//! The addresses that only probes use.

use std::net::IpAddr;

pub const NOBODY: [u16; 4] = [0x100, 0, 0, 0];

/// True if the address is one that only probes use.
pub fn is_probe(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.segments()[..4] == NOBODY)
}
