//! Ethernet frames around a payload, as a network would deliver them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use xdp_prog::frame::{TCP, UDP};

pub const SYN: u8 = 0x02;
pub const ACK: u8 = 0x10;
pub const PSH: u8 = 0x08;

/// Whom they are for: the filter does not look at that. Documentation has these addresses.
const HERE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const HERE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// A frame with a datagram to `port`.
pub fn udp(from: SocketAddr, port: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    datagram.extend(from.port().to_be_bytes());
    datagram.extend(port.to_be_bytes());
    datagram.extend((8 + payload.len() as u16).to_be_bytes());
    // The filter leaves checksums to the stack.
    datagram.extend([0, 0]);
    datagram.extend(payload);
    frame(from.ip(), UDP, &datagram)
}

/// A frame with a TCP segment to `port`.
pub fn tcp(from: SocketAddr, port: u16, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(from.port().to_be_bytes());
    segment.extend(port.to_be_bytes());
    segment.extend([0, 0, 0, 1, 0, 0, 0, 1, 5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(payload);
    frame(from.ip(), TCP, &segment)
}

fn frame(from: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u16;
    // From one host of the link to another.
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    match from.to_canonical() {
        IpAddr::V4(from) => {
            frame.extend([0x08, 0x00, 0x45, 0]);
            frame.extend((20 + length).to_be_bytes());
            frame.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
            frame.extend(from.octets());
            frame.extend(HERE_V4.octets());
        }
        IpAddr::V6(from) => {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(length.to_be_bytes());
            frame.extend([protocol, 64]);
            frame.extend(from.octets());
            frame.extend(HERE_V6.octets());
        }
    }
    frame.extend(payload);
    frame
}
