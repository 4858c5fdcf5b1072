//! Link layers, and the Ethernet frame that each packet would have been.

/// The link layer of a capture's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Ethernet,
    /// Linux "cooked", the captures of the interface `any`; version 1 and 2.
    Cooked,
    Cooked2,
    /// An IPv4 or IPv6 header.
    RawIp,
    RawIpv4,
    RawIpv6,
}

const ETHERNET_HEADER: usize = 14;
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
/// In a cooked header: sent by this host.
const OUTGOING: u8 = 4;
/// The longest IP packet behind the longest of the headers here.
const FRAME_MAX: usize = 65_535 + 20;

impl Link {
    /// As <https://www.tcpdump.org/linktypes.html> counts them.
    pub(super) const fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Ethernet),
            // The number of 101 on some systems, before it had a number.
            12 | 14 | 101 => Some(Self::RawIp),
            113 => Some(Self::Cooked),
            228 => Some(Self::RawIpv4),
            229 => Some(Self::RawIpv6),
            276 => Some(Self::Cooked2),
            _ => None,
        }
    }

    const fn header_length(self) -> usize {
        match self {
            Self::Ethernet => ETHERNET_HEADER,
            Self::Cooked => 16,
            Self::Cooked2 => 20,
            Self::RawIp | Self::RawIpv4 | Self::RawIpv6 => 0,
        }
    }

    /// True if the header says that this host sent the packet.
    pub(super) fn outgoing(self, packet: &[u8]) -> bool {
        match self {
            Self::Cooked => packet.starts_with(&[0, OUTGOING]),
            Self::Cooked2 => packet.get(10) == Some(&OUTGOING),
            Self::Ethernet | Self::RawIp | Self::RawIpv4 | Self::RawIpv6 => false,
        }
    }

    /// The EtherType of what follows the header.
    fn ethertype(self, packet: &[u8]) -> Option<[u8; 2]> {
        match self {
            Self::Ethernet => packet.get(12..14)?.try_into().ok(),
            Self::Cooked => packet.get(14..16)?.try_into().ok(),
            Self::Cooked2 => packet.get(..2)?.try_into().ok(),
            Self::RawIp => Some(if packet.first()? >> 4 == 6 { IPV6 } else { IPV4 }),
            Self::RawIpv4 => Some(IPV4),
            Self::RawIpv6 => Some(IPV6),
        }
    }

    /// The packet as an Ethernet frame of the `length` that it had on the wire. What the capture left out is
    /// zero: the filter then judges by what is there, as it would have, instead of finding lengths that
    /// contradict each other.
    pub(super) fn frame(self, packet: &[u8], length: usize) -> Vec<u8> {
        let mut frame = match self {
            Self::Ethernet => packet.to_vec(),
            _ => {
                // Too short for its own header: too short to tell what it is.
                let Some(ethertype) = self.ethertype(packet) else { return Vec::new() };
                let mut frame = vec![0; ETHERNET_HEADER - 2];
                frame.extend(ethertype);
                frame.extend(packet.iter().skip(self.header_length()));
                frame
            }
        };
        let missing = length.saturating_sub(packet.len());
        let full = (frame.len() + missing).min(FRAME_MAX.max(frame.len()));
        frame.resize(full, 0);
        frame
    }
}
