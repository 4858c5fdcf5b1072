//! From an Ethernet frame to what lies behind its UDP or TCP header.
//!
//! One short function per header. A length that a packet claims is believed only as far as the bytes go.

use crate::{
    abi::{Address, FragmentKey},
    bytes::Bytes,
    reason::Reason,
};

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_VLAN: u16 = 0x8100;
const ETHERTYPE_QINQ: u16 = 0x88a8;
const ETHERTYPE_QINQ_OLD: u16 = 0x9100;
const MAX_VLAN_TAGS: usize = 2;

pub const TCP: u8 = 6;
pub const UDP: u8 = 17;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
/// As many as fit into an Ethernet frame: a sender gains nothing by a long chain.
const MAX_EXTENSIONS: u32 = 192;

/// A packet whose ports are known.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    pub source: Address,
    pub destination: Address,
    /// Host order.
    pub source_port: u16,
    pub destination_port: u16,
    pub transport: Transport,
    /// From the first payload byte to the end of the frame, which may be later than the payload's.
    pub payload: Bytes<'a>,
    /// Where `payload` begins in the frame.
    pub offset: u32,
    /// Payload bytes that are really there.
    pub length: u32,
    /// The transport header claims what cannot be.
    pub malformed: bool,
    /// Of a first fragment: the id that its followers carry.
    pub fragment: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp {
        /// SYN without ACK: somebody wants a connection.
        connect: bool,
    },
}

impl Transport {
    #[inline(always)]
    pub const fn protocol(self) -> u8 {
        match self {
            Self::Udp => UDP,
            Self::Tcp { .. } => TCP,
        }
    }
}

#[derive(Debug)]
pub enum Frame<'a> {
    Packet(Packet<'a>),
    /// A fragment that is not the first: it shows no ports.
    LaterFragment(FragmentKey),
    /// Nothing that could be for a SIP port, so it passes.
    Foreign(Reason),
}

/// What the IP header says about what follows it.
struct Ip {
    source: Address,
    destination: Address,
    protocol: u8,
    /// Where the transport header begins, and how many bytes of IP payload there are from there.
    offset: usize,
    length: u32,
    fragment: Fragment,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fragment {
    Whole,
    First(u32),
    Later(u32),
}

/// Reads `frame`. `extensions` is [`extension_headers`] on this frame; the kernel calls it as a function
/// that is verified by itself.
#[inline(always)]
pub fn parse<'a>(frame: Bytes<'a>, extensions: impl Fn(u32, u8) -> u64) -> Frame<'a> {
    let Some((ethertype, offset)) = ethernet(frame) else { return Frame::Foreign(Reason::NotIp) };
    let ip = match ethertype {
        ETHERTYPE_IPV4 => ipv4(frame, offset),
        ETHERTYPE_IPV6 => ipv6(frame, offset, extensions),
        _ => return Frame::Foreign(Reason::NotIp),
    };
    // Pass: without a credible IP header nobody can say that this is for a SIP port, and the stack drops it.
    let Some(ip) = ip else { return Frame::Foreign(Reason::BadIp) };
    // Pass: SIP runs over UDP and TCP.
    if ip.protocol != UDP && ip.protocol != TCP {
        return Frame::Foreign(Reason::OtherPort);
    }
    if let Fragment::Later(id) = ip.fragment {
        return Frame::LaterFragment(FragmentKey {
            source: ip.source,
            destination: ip.destination,
            id,
            protocol: ip.protocol as u32,
        });
    }
    let packet = if ip.protocol == UDP { udp(frame, &ip) } else { tcp(frame, &ip) };
    match packet {
        Some(packet) => Frame::Packet(packet),
        // Pass: too short for a transport header; the stack drops it.
        None => Frame::Foreign(Reason::BadIp),
    }
}

#[inline(always)]
const fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

#[inline(always)]
const fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The EtherType behind at most two VLAN tags, and where its header begins.
#[inline(always)]
fn ethernet(frame: Bytes<'_>) -> Option<(u16, usize)> {
    let mut ethertype = be16(frame.chunk::<14>(0)?, 12);
    let mut offset = 14;
    let mut tags = 0;
    while tags < MAX_VLAN_TAGS {
        if !matches!(ethertype, ETHERTYPE_VLAN | ETHERTYPE_QINQ | ETHERTYPE_QINQ_OLD) {
            break;
        }
        ethertype = be16(frame.chunk::<4>(offset)?, 2);
        offset += 4;
        tags += 1;
    }
    Some((ethertype, offset))
}

#[inline(always)]
fn ipv4(frame: Bytes<'_>, offset: usize) -> Option<Ip> {
    let header = frame.chunk::<20>(offset)?;
    let header_length = ((header[0] & 15) as usize) << 2;
    let total = be16(header, 2) as usize;
    if header[0] >> 4 != 4 || header_length < 20 || total < header_length {
        return None;
    }
    // A packet that claims more bytes than arrived.
    if offset + total > frame.len() {
        return None;
    }
    let position = be16(header, 6);
    let id = be16(header, 4) as u32;
    let fragment = if position & 0x1fff != 0 {
        Fragment::Later(id)
    } else if position & 0x2000 != 0 {
        Fragment::First(id)
    } else {
        Fragment::Whole
    };
    Some(Ip {
        source: Address::v4(word(header, 12)),
        destination: Address::v4(word(header, 16)),
        protocol: header[9],
        offset: offset + header_length,
        length: (total - header_length) as u32,
        fragment,
    })
}

#[inline(always)]
fn ipv6(frame: Bytes<'_>, offset: usize, extensions: impl Fn(u32, u8) -> u64) -> Option<Ip> {
    let header = frame.chunk::<40>(offset)?;
    let end = offset + 40 + be16(header, 4) as usize;
    if header[0] >> 4 != 6 || end > frame.len() {
        return None;
    }
    let address = |at| Address([word(header, at), word(header, at + 4), word(header, at + 8), word(header, at + 12)]);
    let mut chain = Chain { protocol: header[6], offset: offset as u32 + 40, fragment: Fragment::Whole };
    if is_extension(chain.protocol) {
        chain = Chain::unpack(extensions(chain.offset, chain.protocol))?;
    }
    if chain.offset as usize > end {
        return None;
    }
    Some(Ip {
        source: address(8),
        destination: address(24),
        protocol: chain.protocol,
        offset: chain.offset as usize,
        length: end as u32 - chain.offset,
        fragment: chain.fragment,
    })
}

/// What stands at the end of a chain of extension headers.
#[derive(Clone, Copy)]
struct Chain {
    protocol: u8,
    offset: u32,
    fragment: Fragment,
}

const CHAIN_FIRST: u64 = 1 << 24;
const CHAIN_LATER: u64 = 1 << 25;
const CHAIN_VALID: u64 = 1 << 26;

impl Chain {
    /// In one word, because that is all a separately verified function may return.
    #[inline(always)]
    const fn pack(self) -> u64 {
        let fragment = match self.fragment {
            Fragment::Whole => 0,
            Fragment::First(id) => CHAIN_FIRST | (id as u64) << 32,
            Fragment::Later(id) => CHAIN_LATER | (id as u64) << 32,
        };
        CHAIN_VALID | fragment | ((self.offset & 0xffff) as u64) << 8 | self.protocol as u64
    }

    #[inline(always)]
    const fn unpack(word: u64) -> Option<Self> {
        if word & CHAIN_VALID == 0 {
            return None;
        }
        let id = (word >> 32) as u32;
        let fragment = if word & CHAIN_LATER != 0 {
            Fragment::Later(id)
        } else if word & CHAIN_FIRST != 0 {
            Fragment::First(id)
        } else {
            Fragment::Whole
        };
        Some(Self { protocol: word as u8, offset: (word >> 8) as u32 & 0xffff, fragment })
    }
}

#[inline(always)]
const fn is_extension(protocol: u8) -> bool {
    matches!(protocol, HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION_OPTIONS)
}

/// Follows the IPv6 extension headers from `offset`, where one of type `protocol` begins, to the transport
/// header or to a fragment that has none. Zero: the chain runs out of the packet.
#[inline(always)]
pub fn extension_headers(frame: Bytes<'_>, offset: u32, protocol: u8) -> u64 {
    let mut chain = Chain { protocol, offset, fragment: Fragment::Whole };
    let mut seen = 0;
    while seen < MAX_EXTENSIONS {
        if !is_extension(chain.protocol) {
            return chain.pack();
        }
        let at = chain.offset & 0xffff;
        let Some(header) = frame.chunk::<8>(at as usize) else { return 0 };
        let length = match chain.protocol {
            FRAGMENT => {
                let position = be16(header, 2);
                let id = word(header, 4);
                if position & 0xfff8 != 0 {
                    return Chain { protocol: header[0], offset: at + 8, fragment: Fragment::Later(id) }.pack();
                }
                // An atomic fragment (offset 0, no more to come) is a whole packet, RFC 6946.
                if position & 1 != 0 {
                    chain.fragment = Fragment::First(id);
                }
                8
            }
            AUTHENTICATION => (header[1] as u32 + 2) << 2,
            _ => (header[1] as u32 + 1) << 3,
        };
        chain.protocol = header[0];
        chain.offset = at + length;
        seen += 1;
    }
    0
}

#[inline(always)]
fn udp<'a>(frame: Bytes<'a>, ip: &Ip) -> Option<Packet<'a>> {
    if ip.length < 8 {
        return None;
    }
    let header = frame.chunk::<8>(ip.offset)?;
    let claimed = be16(header, 4) as u32;
    let fragmented = ip.fragment != Fragment::Whole;
    let there = if claimed < ip.length { claimed } else { ip.length };
    Some(Packet {
        source: ip.source,
        destination: ip.destination,
        source_port: be16(header, 0),
        destination_port: be16(header, 2),
        transport: Transport::Udp,
        payload: frame.skip(ip.offset + 8),
        offset: ip.offset as u32 + 8,
        length: there.saturating_sub(8),
        // The first fragment of a packet rightly claims more than it carries.
        malformed: claimed < 8 || (claimed > ip.length && !fragmented),
        fragment: first(ip.fragment),
    })
}

#[inline(always)]
fn tcp<'a>(frame: Bytes<'a>, ip: &Ip) -> Option<Packet<'a>> {
    if ip.length < 20 {
        return None;
    }
    let header = frame.chunk::<20>(ip.offset)?;
    let header_length = ((header[12] >> 4) as u32) << 2;
    let malformed = header_length < 20 || header_length > ip.length;
    let skipped = if malformed { 20 } else { header_length };
    const SYN: u8 = 0x02;
    const ACK: u8 = 0x10;
    Some(Packet {
        source: ip.source,
        destination: ip.destination,
        source_port: be16(header, 0),
        destination_port: be16(header, 2),
        transport: Transport::Tcp { connect: header[13] & (SYN | ACK) == SYN },
        payload: frame.skip(ip.offset + skipped as usize),
        offset: ip.offset as u32 + skipped,
        length: ip.length - skipped,
        malformed,
        fragment: first(ip.fragment),
    })
}

#[inline(always)]
const fn first(fragment: Fragment) -> Option<u32> {
    match fragment {
        Fragment::First(id) => Some(id),
        Fragment::Whole | Fragment::Later(_) => None,
    }
}
