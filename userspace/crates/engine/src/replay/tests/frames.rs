//! Packets for tests, from the payload outwards. Checksums are zero: the filter leaves them to the stack.

use std::net::SocketAddr;

pub(super) const UDP: u8 = 17;
pub(super) const TCP: u8 = 6;
pub(super) const SYN: u8 = 0x02;
pub(super) const ACK: u8 = 0x10;

pub(super) const PHONE: &str = "192.0.2.9:5070";
pub(super) const PBX: &str = "198.51.100.1:5060";
pub(super) const PHONE6: &str = "[2001:db8:1:2::9]:5070";
pub(super) const PBX6: &str = "[2001:db8:ff::1]:5060";

pub(super) fn request(method: &str) -> Vec<u8> {
    let text = format!(
        "{method} sip:pbx.example.com SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bKnashds7\r\n\
         From: <sip:alice@example.com>;tag=456248\r\n\
         To: <sip:bob@example.com>\r\n\
         Call-ID: 843817637684230@998sdasdh09\r\n\
         CSeq: 1826 {method}\r\n\
         Max-Forwards: 70\r\n\
         User-Agent: Softphone 1.0\r\n\
         Content-Length: 0\r\n\r\n"
    );
    text.into_bytes()
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// An IP packet around `payload`.
pub(super) fn ip(from: &str, to: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match (address(from), address(to)) {
        (SocketAddr::V4(from), SocketAddr::V4(to)) => {
            let total = (20 + payload.len()) as u16;
            let mut packet = vec![0x45, 0];
            packet.extend(total.to_be_bytes());
            packet.extend([0, 7, 0, 0, 64, protocol, 0, 0]);
            packet.extend(from.ip().octets());
            packet.extend(to.ip().octets());
            packet.extend(payload);
            packet
        }
        (SocketAddr::V6(from), SocketAddr::V6(to)) => {
            let mut packet = vec![0x60, 0, 0, 0];
            packet.extend((payload.len() as u16).to_be_bytes());
            packet.extend([protocol, 64]);
            packet.extend(from.ip().octets());
            packet.extend(to.ip().octets());
            packet.extend(payload);
            packet
        }
        _ => panic!("{from} and {to} are not of one family"),
    }
}

pub(super) fn udp_header(from: &str, to: &str, length: u16) -> Vec<u8> {
    let [from, to] = [address(from).port(), address(to).port()];
    [from, to, 8 + length, 0].iter().flat_map(|word| word.to_be_bytes()).collect()
}

pub(super) fn tcp_header(from: &str, to: &str, flags: u8) -> Vec<u8> {
    let [from, to] = [address(from).port(), address(to).port()];
    let mut header: Vec<u8> = [from, to].iter().flat_map(|port| port.to_be_bytes()).collect();
    header.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    header
}

/// An IP packet with a datagram.
pub(super) fn datagram(from: &str, to: &str, payload: &[u8]) -> Vec<u8> {
    let header = udp_header(from, to, payload.len() as u16);
    ip(from, to, UDP, &[&header, payload].concat())
}

/// An IP packet with a TCP segment.
pub(super) fn segment(from: &str, to: &str, flags: u8, payload: &[u8]) -> Vec<u8> {
    let header = tcp_header(from, to, flags);
    ip(from, to, TCP, &[&header, payload].concat())
}

/// `packet` behind an Ethernet header with VLAN tags of these types.
pub(super) fn tagged(tags: &[u16], packet: &[u8]) -> Vec<u8> {
    let ethertype: u16 = if packet[0] >> 4 == 6 { 0x86dd } else { 0x0800 };
    let mut frame = vec![2; 12];
    for tag in tags {
        frame.extend(tag.to_be_bytes());
        frame.extend([0, 5]);
    }
    frame.extend(ethertype.to_be_bytes());
    frame.extend(packet);
    frame
}

pub(super) fn ethernet(packet: &[u8]) -> Vec<u8> {
    tagged(&[], packet)
}

/// The fragments of an IPv4 packet, each with at most `size` bytes of its payload.
pub(super) fn fragments(packet: &[u8], size: usize) -> Vec<Vec<u8>> {
    assert_eq!(size % 8, 0);
    let (header, payload) = packet.split_at(20);
    let chunks: Vec<&[u8]> = payload.chunks(size).collect();
    let last = chunks.len() - 1;
    chunks
        .iter()
        .enumerate()
        .map(|(index, chunk)| {
            let mut fragment = [header, chunk].concat();
            let more = if index == last { 0 } else { 0x2000 };
            let position = (index * size / 8) as u16 | more;
            fragment[2..4].copy_from_slice(&((20 + chunk.len()) as u16).to_be_bytes());
            fragment[6..8].copy_from_slice(&position.to_be_bytes());
            fragment
        })
        .collect()
}

/// An IPv6 fragment header and what it carries, as the payload of an IPv6 packet of protocol 44.
pub(super) fn fragment6(protocol: u8, position: u16, more: bool, id: u32, part: &[u8]) -> Vec<u8> {
    let mut header = vec![protocol, 0];
    header.extend((position | u16::from(more)).to_be_bytes());
    header.extend(id.to_be_bytes());
    [&header, part].concat()
}
