//! One builder of frames for all tests: `udp().from("198.51.100.7:5060").carrying(message).build()`.
//!
//! Checksums are zero, because the filter does not read them; [`Frame::checksummed`] is for packets that a host is to
//! accept.

use std::net::{IpAddr, SocketAddr};

/// One frame to be built. Everything that a hostile sender could set can be set.
#[derive(Clone, Debug)]
pub struct Frame {
    source: SocketAddr,
    destination: SocketAddr,
    transport: Transport,
    payload: Vec<u8>,
    vlan: Vec<u16>,
    ip_options: usize,
    extensions: Vec<Extension>,
    fragment: Option<Fragment>,
    udp_length: Option<u16>,
    no_ip_length: bool,
    has_checksum: bool,
    tcp_flags: u8,
    sequence: u32,
    acknowledged: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Udp,
    Tcp,
    /// Another protocol by its number: the payload follows the IP header.
    Other(u8),
}

#[derive(Clone, Copy, Debug)]
struct Extension {
    kind: u8,
    /// In bytes.
    length: usize,
}

#[derive(Clone, Copy, Debug)]
struct Fragment {
    id: u32,
    offset: u16,
    more: bool,
}

pub const UDP: u8 = 17;
pub const TCP: u8 = 6;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const ACK: u8 = 0x10;
pub const PSH: u8 = 0x08;

/// A UDP packet from a stranger to the PBX.
pub fn udp() -> Frame {
    frame(Transport::Udp)
}

/// A TCP segment from a stranger to the PBX, in the middle of a connection.
pub fn tcp() -> Frame {
    frame(Transport::Tcp)
}

/// An IP packet of another protocol, or of one whose header is part of the payload, from a stranger to the PBX.
pub fn other(protocol: u8) -> Frame {
    frame(Transport::Other(protocol))
}

fn frame(transport: Transport) -> Frame {
    Frame {
        source: "198.51.100.7:40000".parse().expect("an address"),
        destination: "203.0.113.1:5060".parse().expect("an address"),
        transport,
        payload: Vec::new(),
        vlan: Vec::new(),
        ip_options: 0,
        extensions: Vec::new(),
        fragment: None,
        udp_length: None,
        no_ip_length: false,
        has_checksum: false,
        tcp_flags: ACK | PSH,
        sequence: 1,
        acknowledged: 1,
    }
}

impl Frame {
    /// From `address`; the destination follows its family.
    pub fn from(mut self, address: &str) -> Self {
        self.source = match address.parse::<SocketAddr>() {
            Ok(address) => address,
            Err(_) => SocketAddr::new(address.parse().expect("an address"), self.source.port()),
        };
        if self.source.is_ipv6() && self.destination.is_ipv4() {
            self.destination.set_ip("2001:db8:ffff::1".parse().expect("an address"));
        }
        self
    }

    /// To an address and port of the source's family.
    pub fn to(mut self, address: &str) -> Self {
        self.destination = address.parse().expect("an address and a port");
        self
    }

    /// Both ends at once, of one family.
    pub fn between(mut self, source: SocketAddr, destination: SocketAddr) -> Self {
        (self.source, self.destination) = (source, destination);
        self
    }

    /// Unchanged, as the counterpart of [`v6`](Self::v6).
    pub fn v4(self) -> Self {
        self
    }

    /// From the `index`th of many strangers, each in a network of its own.
    pub fn stranger(self, index: usize) -> Self {
        let (high, low) = (index / 256, index % 256);
        let v4 = self.source.is_ipv4();
        self.from(&if v4 { format!("100.{high}.{low}.7") } else { format!("2001:db8:{index:x}::7") })
    }

    /// From a stranger with an IPv6 address.
    pub fn v6(self) -> Self {
        self.from("2001:db8:7::7")
    }

    pub fn source_port(mut self, port: u16) -> Self {
        self.source.set_port(port);
        self
    }

    pub fn to_port(mut self, port: u16) -> Self {
        self.destination.set_port(port);
        self
    }

    pub fn carrying(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.payload = payload.as_ref().to_vec();
        self
    }

    /// Inside another VLAN tag, the outermost first.
    pub fn vlan(mut self, ethertype: u16) -> Self {
        self.vlan.push(ethertype);
        self
    }

    /// With `words` four-byte words of IPv4 options.
    pub fn ip_options(mut self, words: usize) -> Self {
        self.ip_options = words * 4;
        self
    }

    /// With an IPv6 extension header of `length` bytes.
    pub fn extension(mut self, kind: u8, length: usize) -> Self {
        self.extensions.push(Extension { kind, length });
        self
    }

    pub fn claiming_udp_length(mut self, length: u16) -> Self {
        self.udp_length = Some(length);
        self
    }

    /// An IPv6 payload length of zero.
    pub fn claiming_no_length(mut self) -> Self {
        self.no_ip_length = true;
        self
    }

    /// With the UDP checksum, which hosts require over IPv6.
    pub fn checksummed(mut self) -> Self {
        self.has_checksum = true;
        self
    }

    /// As the fragment at `offset`, a multiple of eight, of a larger packet.
    pub fn fragment(mut self, id: u32, offset: u16, more: bool) -> Self {
        self.fragment = Some(Fragment { id, offset, more });
        self
    }

    pub fn flags(mut self, flags: u8) -> Self {
        self.tcp_flags = flags;
        self
    }

    /// TCP: the number of the first byte.
    pub fn sequence(mut self, number: u32) -> Self {
        self.sequence = number;
        self
    }

    pub const fn next(&self) -> u32 {
        self.sequence
    }

    /// TCP: the next segment of the other end, which continues where this one acknowledges.
    pub fn answer(&self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            sequence: self.acknowledged,
            acknowledged: self.sequence,
            payload: Vec::new(),
            ..self.clone()
        }
    }

    /// TCP: consecutive segments, cut at these offsets of the payload.
    pub fn segments(&self, cuts: &[usize]) -> Vec<Vec<u8>> {
        let ends = cuts.iter().copied().chain([self.payload.len()]);
        let starts = [0].into_iter().chain(cuts.iter().copied());
        let segment = |(start, end): (usize, usize)| {
            let sequence = self.sequence.wrapping_add(u32::try_from(start).expect("a segment"));
            self.clone().sequence(sequence).carrying(&self.payload[start..end]).build()
        };
        starts.zip(ends).map(segment).collect()
    }

    pub fn acknowledging(mut self, number: u32) -> Self {
        self.acknowledged = number;
        self
    }

    pub fn is_tcp(&self) -> bool {
        self.transport == Transport::Tcp
    }

    /// The whole frame.
    pub fn build(&self) -> Vec<u8> {
        tagged(&self.vlan, &self.packet())
    }

    /// The IP packet, without the Ethernet header.
    pub fn packet(&self) -> Vec<u8> {
        self.packet_of(&self.ip_payload(), self.fragment)
    }

    /// The packet in fragments whose payloads have at most `size` bytes (a multiple of eight), a frame each.
    pub fn fragments(&self, id: u32, size: usize) -> Vec<Vec<u8>> {
        let segment = self.ip_payload();
        let count = segment.len().div_ceil(size);
        let piece = |(index, piece): (usize, &[u8])| {
            let offset = u16::try_from(index * size).expect("a packet");
            let fragment = Fragment { id, offset, more: index + 1 < count };
            tagged(&self.vlan, &self.packet_of(piece, Some(fragment)))
        };
        segment.chunks(size).enumerate().map(piece).collect()
    }

    /// Transport header and payload.
    pub fn ip_payload(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(20 + self.payload.len());
        if !matches!(self.transport, Transport::Other(_)) {
            bytes.extend(self.source.port().to_be_bytes());
            bytes.extend(self.destination.port().to_be_bytes());
        }
        match self.transport {
            Transport::Udp => {
                let length = u16::try_from(8 + self.payload.len()).expect("a packet");
                bytes.extend(self.udp_length.unwrap_or(length).to_be_bytes());
                bytes.extend([0, 0]);
            }
            Transport::Tcp => {
                bytes.extend(self.sequence.to_be_bytes());
                bytes.extend(self.acknowledged.to_be_bytes());
                bytes.extend([5 << 4, self.tcp_flags, 0xff, 0xff, 0, 0, 0, 0]);
            }
            Transport::Other(_) => {}
        }
        bytes.extend(&self.payload);
        if self.has_checksum {
            assert_eq!(self.transport, Transport::Udp, "only UDP has a checksum here");
            let checksum = self.checksum(&bytes);
            bytes[6..8].copy_from_slice(&checksum.to_be_bytes());
        }
        bytes
    }

    /// The checksum of a UDP datagram, over the pseudo header of its family.
    fn checksum(&self, datagram: &[u8]) -> u16 {
        let mut summed = match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => [source.octets(), destination.octets()].concat(),
            (IpAddr::V6(source), IpAddr::V6(destination)) => [source.octets(), destination.octets()].concat(),
            (source, destination) => panic!("{source} and {destination} are of different families"),
        };
        summed.extend(u32::try_from(datagram.len()).expect("a datagram").to_be_bytes());
        summed.extend([0, 0, 0, UDP]);
        summed.extend(datagram);
        let word = |pair: &[u8]| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
        let mut sum: u32 = summed.chunks(2).map(word).sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        match !(sum as u16) {
            // Zero means that there is no checksum.
            0 => 0xffff,
            checksum => checksum,
        }
    }

    fn packet_of(&self, segment: &[u8], fragment: Option<Fragment>) -> Vec<u8> {
        match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.ipv4(source.octets(), destination.octets(), segment, fragment)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                self.ipv6(source.octets(), destination.octets(), segment, fragment)
            }
            (source, destination) => panic!("{source} and {destination} are of different families"),
        }
    }

    const fn protocol(&self) -> u8 {
        match self.transport {
            Transport::Udp => UDP,
            Transport::Tcp => TCP,
            Transport::Other(protocol) => protocol,
        }
    }

    fn ipv4(
        &self,
        source: [u8; 4],
        destination: [u8; 4],
        segment: &[u8],
        fragment: Option<Fragment>,
    ) -> Vec<u8> {
        let header = 20 + self.ip_options;
        let total = u16::try_from(header + segment.len()).expect("a packet");
        let mut bytes = vec![0x40 | u8::try_from(header / 4).expect("a header"), 0];
        bytes.extend(total.to_be_bytes());
        let Fragment { id, offset, more } = fragment.unwrap_or(Fragment { id: 0, offset: 0, more: false });
        bytes.extend(u16::try_from(id).expect("an IPv4 id").to_be_bytes());
        bytes.extend(((offset / 8) | (u16::from(more) << 13)).to_be_bytes());
        bytes.extend([64, self.protocol(), 0, 0]);
        bytes.extend(source);
        bytes.extend(destination);
        bytes.extend(vec![1; self.ip_options]);
        bytes.extend(segment);
        bytes
    }

    fn ipv6(
        &self,
        source: [u8; 16],
        destination: [u8; 16],
        segment: &[u8],
        fragment: Option<Fragment>,
    ) -> Vec<u8> {
        let mut chain = self.extensions.clone();
        if fragment.is_some() {
            chain.push(Extension { kind: FRAGMENT, length: 8 });
        }
        let mut following = Vec::new();
        for (index, &Extension { kind, length }) in chain.iter().enumerate() {
            let next = chain.get(index + 1).map_or(self.protocol(), |next| next.kind);
            let mut header = vec![0; length];
            header[0] = next;
            if let (FRAGMENT, Some(fragment)) = (kind, fragment) {
                header[2..4].copy_from_slice(&(fragment.offset | u16::from(fragment.more)).to_be_bytes());
                header[4..8].copy_from_slice(&fragment.id.to_be_bytes());
            } else if kind == AUTHENTICATION {
                header[1] = u8::try_from(length / 4 - 2).expect("a length");
            } else if kind != FRAGMENT {
                header[1] = u8::try_from(length / 8 - 1).expect("a length");
            }
            following.extend(header);
        }
        following.extend(segment);
        let mut bytes = vec![0x60, 0, 0, 0];
        let length = if self.no_ip_length { 0 } else { following.len() };
        bytes.extend(u16::try_from(length).expect("a packet").to_be_bytes());
        bytes.extend([chain.first().map_or(self.protocol(), |next| next.kind), 64]);
        bytes.extend(source);
        bytes.extend(destination);
        bytes.extend(following);
        bytes
    }
}

/// An IP packet behind an Ethernet header.
pub fn ethernet(packet: &[u8]) -> Vec<u8> {
    tagged(&[], packet)
}

/// An IP packet behind an Ethernet header with VLAN tags of these types, the outermost first.
pub fn tagged(tags: &[u16], packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    for (number, ethertype) in (1_u16..).zip(tags) {
        frame.extend(ethertype.to_be_bytes());
        frame.extend(number.to_be_bytes());
    }
    frame.extend(if packet[0] >> 4 == 6 { [0x86, 0xdd] } else { [0x08, 0x00] });
    frame.extend(packet);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_are_pieces_of_the_packet() {
        for frame in [udp().carrying([7; 100]), udp().v6().carrying([7; 100]).extension(60, 8)] {
            let headers = frame.packet().len() - frame.ip_payload().len();
            let behind = 14 + headers + if frame.source.is_ipv6() { 8 } else { 0 };
            let pieces: Vec<Vec<u8>> =
                frame.fragments(1, 48).iter().map(|piece| piece[behind..].to_vec()).collect();
            assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [48, 48, 12]);
            assert_eq!(pieces.concat(), frame.ip_payload());
        }
    }

    /// Computed independently.
    #[test]
    fn checksums_cover_the_pseudo_header() {
        let checksum = |frame: Frame| frame.checksummed().ip_payload()[6..8].to_vec();
        assert_eq!(checksum(udp().carrying("odd")), [0x16, 0x32]);
        assert_eq!(checksum(udp().v6().carrying("even")), [0x29, 0x6c]);
    }
}
