//! The headers of an Ethernet frame, up to the payload of UDP or TCP.
//!
//! One short function per header. A length that a packet claims is believed only as far as the bytes go.

use crate::{
    abi::{Address, FlowKey, FragmentKey, SuspensionKey},
    bytes::{Bytes, opaque},
    packed::{packed_enum, packed_newtype},
};

pub(crate) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(crate) const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_VLAN: u16 = 0x8100;
const ETHERTYPE_QINQ: u16 = 0x88a8;
const ETHERTYPE_QINQ_OLD: u16 = 0x9100;
/// Linux peels priority tags off one by one; no network has a fifth.
const MAX_VLAN_TAGS: usize = 4;

pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
const ACK: u8 = 0x10;
const URG: u8 = 0x20;

pub const TCP: u8 = 6;
pub const UDP: u8 = 17;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
pub(crate) const FRAGMENT: u8 = 44;
pub(crate) const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
/// As many as fit into an Ethernet frame: a sender gains nothing by a long chain.
const MAX_EXTENSIONS: u32 = 192;

/// No headers reach further than this into a frame that a driver hands over in one piece. The verifier wants
/// to see the bound.
pub const OFFSET_MAX: u32 = 0x3fff;

/// The content of the headers. Plain integers and no pointers: the kernel hands it from one separately verified
/// function to the next.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(8))]
pub struct Packet {
    pub source: Address,
    pub destination: Address,
    /// The beginning of the payload in the frame.
    pub offset: u32,
    /// Payload bytes that are really there.
    pub length: u32,
    /// For a fragment, the id that all parts of its packet carry.
    pub fragment_id: u32,
    /// For a fragment, the beginning of the next one in the packet. Zero: that is not known.
    pub fragment_end: u32,
    /// TCP: of the first byte of payload.
    pub sequence: u32,
    /// TCP, with [`flag::ACKNOWLEDGES`]: of the byte that it waits for.
    pub acknowledged: u32,
    /// Host order.
    pub source_port: u16,
    pub destination_port: u16,
    pub protocol: u8,
    /// A set of [`flag`]s.
    pub flags: u8,
    pub reserved: [u8; 2],
    /// Found on the way: the number of phones behind a known source (zero: a stranger), and the
    /// [`Place`](crate::segments::Place) of a TCP segment.
    pub phones: u32,
    pub place: u32,
}

pub mod flag {
    /// The transport header claims what cannot be.
    pub const MALFORMED: u8 = 1;
    /// More fragments follow.
    pub const FIRST_FRAGMENT: u8 = 2;
    /// TCP SYN without ACK: a request for a connection.
    pub const CONNECT: u8 = 4;
    /// TCP FIN or RST.
    pub const ENDS: u8 = 8;
    /// TCP ACK.
    pub const ACKNOWLEDGES: u8 = 16;
    /// TCP: the handshake of its connection was seen.
    pub const CONNECTED: u8 = 32;
    /// TCP: it completes that handshake.
    pub const OPENS: u8 = 64;
    /// TCP URG.
    pub const URGENT: u8 = 128;
}

impl Packet {
    #[inline(always)]
    pub const fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    #[inline(always)]
    pub const fn flow_key(&self) -> FlowKey {
        FlowKey { source: self.source, flow: SuspensionKey::flow(self.protocol, self.source_port) }
    }

    #[inline(always)]
    pub const fn fragment_key(&self) -> FragmentKey {
        FragmentKey {
            source: self.source,
            destination: self.destination,
            id: self.fragment_id,
            protocol: self.protocol as u32,
        }
    }
}

/// The depth up to which a frame could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Depth {
    /// All fields of the packet are set.
    Ports = 0,
    /// A fragment that is not the first: addresses, protocol, id and payload are set, there are no ports.
    LaterFragment = 1,
    /// Not IP.
    NotIp = 2,
    /// IP, but its header contradicts itself or the frame.
    BadIp = 3,
    /// IP, but neither UDP nor TCP.
    OtherProtocol = 4,
    /// The transport header is not in the first fragment (IPv6), or behind more headers than are followed. The addresses
    /// are set, but where there are too many VLAN tags.
    HiddenTransport = 5,
}

packed_enum!(Depth: Ports | LaterFragment | NotIp | BadIp | OtherProtocol | HiddenTransport, or BadIp);

/// The IP header's description of the packet's payload.
struct Ip {
    protocol: u8,
    /// The beginning of the transport header, and the number of bytes of IP payload from there.
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

/// Reads `frame` into `packet`. `extensions` is [`extension_headers`] on this frame; the kernel calls it as a
/// function that is verified by itself.
#[inline(always)]
pub fn parse(frame: Bytes<'_>, extensions: impl Fn(u32, u8) -> Extensions, packet: &mut Packet) -> Depth {
    let Some((ethertype, offset)) = ethernet(frame) else { return Depth::NotIp };
    let ip = match ethertype {
        ETHERTYPE_IPV4 => ipv4(frame, offset, packet),
        ETHERTYPE_IPV6 => match ipv6(frame, offset, extensions, packet) {
            Chained::Whole(ip) => Some(ip),
            Chained::Hidden => return Depth::HiddenTransport,
            Chained::Bad => None,
        },
        // Linux takes off any number of tags; what is behind the last one that is followed is not looked at.
        other if is_vlan(other) => return Depth::HiddenTransport,
        _ => return Depth::NotIp,
    };
    let Some(ip) = ip else { return Depth::BadIp };
    packet.protocol = ip.protocol;
    if ip.protocol != UDP && ip.protocol != TCP {
        return Depth::OtherProtocol;
    }
    match ip.fragment {
        Fragment::Whole => {}
        Fragment::First(id) => {
            packet.fragment_id = id;
            packet.flags |= flag::FIRST_FRAGMENT;
        }
        Fragment::Later(id) => {
            packet.fragment_id = id;
            packet.offset = ip.offset as u32;
            packet.length = ip.length;
            return Depth::LaterFragment;
        }
    }
    let transport = if ip.protocol == UDP { udp(frame, &ip, packet) } else { tcp(frame, &ip, packet) };
    match transport {
        Some(()) => Depth::Ports,
        // The rest of the transport header comes with another fragment, and the stack puts it behind this one.
        None if packet.is(flag::FIRST_FRAGMENT) => Depth::HiddenTransport,
        // Too short for a transport header.
        None => Depth::BadIp,
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

#[inline(always)]
pub(crate) const fn is_vlan(ethertype: u16) -> bool {
    matches!(ethertype, ETHERTYPE_VLAN | ETHERTYPE_QINQ | ETHERTYPE_QINQ_OLD)
}

/// The EtherType behind its VLAN tags, and where its header begins.
#[inline(always)]
fn ethernet(frame: Bytes<'_>) -> Option<(u16, usize)> {
    let mut ethertype = be16(frame.chunk::<14>(0)?, 12);
    let mut offset = 14;
    let mut tags = 0;
    while tags < MAX_VLAN_TAGS {
        if !is_vlan(ethertype) {
            break;
        }
        ethertype = be16(frame.chunk::<4>(offset)?, 2);
        offset += 4;
        tags += 1;
    }
    Some((ethertype, offset))
}

#[inline(always)]
fn ipv4(frame: Bytes<'_>, offset: usize, packet: &mut Packet) -> Option<Ip> {
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
    packet.source = Address::v4(word(header, 12));
    packet.destination = Address::v4(word(header, 16));
    packet.fragment_end = ((position & 0x1fff) as u32) * 8 + (total - header_length) as u32;
    Some(Ip {
        protocol: header[9],
        offset: offset + header_length,
        length: (total - header_length) as u32,
        fragment,
    })
}

#[inline(always)]
fn ipv6(
    frame: Bytes<'_>,
    offset: usize,
    extensions: impl Fn(u32, u8) -> Extensions,
    packet: &mut Packet,
) -> Chained {
    let Some(header) = frame.chunk::<40>(offset) else { return Chained::Bad };
    let length = be16(header, 4) as usize;
    // A jumbogram says its length elsewhere. Linux takes such a packet whether it is one or not.
    let end = if length == 0 && header[6] == HOP_BY_HOP { frame.len() } else { offset + 40 + length };
    if header[0] >> 4 != 6 || end > frame.len() {
        return Chained::Bad;
    }
    let address =
        |at| Address([word(header, at), word(header, at + 4), word(header, at + 8), word(header, at + 12)]);
    packet.source = address(8);
    // An IPv4 address cannot send IPv6 packets. Linux drops them since 5.4; here they would borrow its standing.
    if packet.source.is_v4() {
        return Chained::Bad;
    }
    packet.destination = address(24);
    let mut chain =
        Chain { protocol: header[6], offset: offset as u32 + 40, fragment: Fragment::Whole, behind: 0 };
    if is_extension(chain.protocol) {
        match extensions(chain.offset, chain.protocol) {
            Extensions::HIDDEN => return Chained::Hidden,
            word => match Chain::unpack(word) {
                Some(unpacked) => chain = unpacked,
                None => return Chained::Bad,
            },
        }
    }
    if chain.offset as usize > end {
        // Bytes of the frame behind the packet's end do not belong to the packet.
        return if matches!(chain.fragment, Fragment::First(_)) { Chained::Hidden } else { Chained::Bad };
    }
    packet.fragment_end = chain.fragment_end(frame, end as u32);
    Chained::Whole(Ip {
        protocol: chain.protocol,
        offset: chain.offset as usize,
        length: end as u32 - chain.offset,
        fragment: chain.fragment,
    })
}

/// An IPv6 header with those that follow it.
enum Chained {
    Whole(Ip),
    /// See [`Depth::HiddenTransport`].
    Hidden,
    Bad,
}

/// A chain of IPv6 extension headers, as far as it was followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Extensions(u64);

impl Extensions {
    /// The chain runs out of the packet.
    pub const CUT: Self = Self(0);
    /// The chain goes on in another fragment, or is longer than any that is followed.
    const HIDDEN: Self = Self(CHAIN_FIRST);
}

packed_newtype!(Extensions, u64);

/// The end of a chain of extension headers.
#[derive(Clone, Copy)]
struct Chain {
    protocol: u8,
    offset: u32,
    fragment: Fragment,
    /// Units of eight bytes between the fragment header and `offset`, or [`BEHIND_MAX`] or more.
    behind: u32,
}

const BEHIND_MAX: u32 = 31;
const CHAIN_FIRST: u64 = 1 << 24;
const CHAIN_LATER: u64 = 1 << 25;
const CHAIN_VALID: u64 = 1 << 26;
const CHAIN_BEHIND: u32 = 27;

impl Chain {
    #[inline(always)]
    const fn pack(self) -> Extensions {
        let fragment = match self.fragment {
            Fragment::Whole => 0,
            Fragment::First(id) => CHAIN_FIRST | (id as u64) << 32,
            Fragment::Later(id) => CHAIN_LATER | (id as u64) << 32,
        };
        let behind = if self.behind > BEHIND_MAX { BEHIND_MAX } else { self.behind };
        let place = ((self.offset & OFFSET_MAX) as u64) << 8 | (behind as u64) << CHAIN_BEHIND;
        Extensions(CHAIN_VALID | fragment | place | self.protocol as u64)
    }

    #[inline(always)]
    const fn unpack(Extensions(word): Extensions) -> Option<Self> {
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
        let (offset, behind) = ((word >> 8) as u32 & OFFSET_MAX, (word >> CHAIN_BEHIND) as u32 & BEHIND_MAX);
        Some(Self { protocol: word as u8, offset, fragment, behind })
    }

    /// The beginning of the next fragment in the packet, if this one ends at `end` in the frame.
    #[inline(always)]
    fn fragment_end(&self, frame: Bytes<'_>, end: u32) -> u32 {
        match self.fragment {
            Fragment::First(_) if self.behind < BEHIND_MAX => {
                end.saturating_sub(self.offset) + self.behind * 8
            }
            // The chain ends right behind the fragment header.
            Fragment::Later(_) => {
                let at = opaque(self.offset.saturating_sub(8) as usize) & OFFSET_MAX as usize;
                match frame.chunk::<8>(at) {
                    Some(header) => (be16(header, 2) & 0xfff8) as u32 + end.saturating_sub(self.offset),
                    None => 0,
                }
            }
            _ => 0,
        }
    }
}

#[inline(always)]
pub(crate) const fn is_extension(protocol: u8) -> bool {
    matches!(protocol, HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION_OPTIONS)
}

/// Follows the IPv6 extension headers from `offset`, where one of type `protocol` begins, to the transport
/// header or to a fragment that has none.
#[inline(always)]
pub fn extension_headers(frame: Bytes<'_>, offset: u32, protocol: u8) -> Extensions {
    extension_headers_with(offset, protocol, |chain| extension_header(frame, chain))
}

/// [`extension_headers`] with [`extension_header`] as the kernel calls it, as a separately verified function.
#[inline(always)]
pub fn extension_headers_with(
    offset: u32,
    protocol: u8,
    header: impl Fn(Extensions) -> Extensions,
) -> Extensions {
    let mut chain = Chain { protocol, offset, fragment: Fragment::Whole, behind: 0 }.pack();
    let mut seen = 0;
    while seen < MAX_EXTENSIONS {
        // At its end, in a later fragment, or out of the packet.
        if chain.0 & (CHAIN_VALID | CHAIN_LATER) != CHAIN_VALID || !is_extension(chain.0 as u8) {
            return chain;
        }
        chain = header(chain);
        seen += 1;
    }
    Extensions::HIDDEN
}

/// The chain behind its next header.
#[inline(always)]
pub fn extension_header(frame: Bytes<'_>, chain: Extensions) -> Extensions {
    let Some(mut chain) = Chain::unpack(chain) else { return Extensions::CUT };
    let at = chain.offset;
    let Some(header) = frame.chunk::<8>(at as usize) else {
        return if matches!(chain.fragment, Fragment::First(_)) {
            Extensions::HIDDEN
        } else {
            Extensions::CUT
        };
    };
    let length = match chain.protocol {
        FRAGMENT => {
            let position = be16(header, 2);
            let id = word(header, 4);
            if position & 0xfff8 != 0 {
                chain.fragment = Fragment::Later(id);
            } else if position & 1 != 0 {
                // An atomic fragment (offset 0, no more to come) is a whole packet, RFC 6946.
                chain.fragment = Fragment::First(id);
            }
            8
        }
        AUTHENTICATION => (header[1] as u32 + 2) << 2,
        _ => (header[1] as u32 + 1) << 3,
    };
    if matches!(chain.fragment, Fragment::First(_)) && chain.protocol != FRAGMENT {
        chain.behind += length.div_ceil(8);
    }
    chain.protocol = header[0];
    chain.offset = at + length;
    chain.pack()
}

#[inline(always)]
fn udp(frame: Bytes<'_>, ip: &Ip, packet: &mut Packet) -> Option<()> {
    if ip.length < 8 {
        return None;
    }
    let header = frame.chunk::<8>(ip.offset)?;
    let claimed = be16(header, 4) as u32;
    let there = if claimed < ip.length { claimed } else { ip.length };
    packet.source_port = be16(header, 0);
    packet.destination_port = be16(header, 2);
    packet.offset = ip.offset as u32 + 8;
    packet.length = there.saturating_sub(8);
    // The first fragment of a packet rightly claims more than it carries.
    if claimed < 8 || (claimed > ip.length && !packet.is(flag::FIRST_FRAGMENT)) {
        packet.flags |= flag::MALFORMED;
    }
    Some(())
}

#[inline(always)]
fn tcp(frame: Bytes<'_>, ip: &Ip, packet: &mut Packet) -> Option<()> {
    if ip.length < 20 {
        return ports_of_first_fragment(frame, ip, packet);
    }
    let header = frame.chunk::<20>(ip.offset)?;
    let claimed = ((header[12] >> 4) as u32) << 2;
    let mut length = claimed;
    if claimed < 20 || claimed > ip.length {
        packet.flags |= flag::MALFORMED;
        length = 20;
    }
    if header[13] & (SYN | ACK) == SYN {
        packet.flags |= flag::CONNECT;
    }
    tcp_stream(header, packet);
    packet.source_port = be16(header, 0);
    packet.destination_port = be16(header, 2);
    packet.offset = ip.offset as u32 + length;
    packet.length = ip.length - length;
    Some(())
}

/// The stream's numbers in the header.
#[inline(always)]
pub(crate) fn tcp_stream(header: &[u8; 20], packet: &mut Packet) {
    if header[13] & (FIN | RST) != 0 {
        packet.flags |= flag::ENDS;
    }
    if header[13] & ACK != 0 {
        packet.flags |= flag::ACKNOWLEDGES;
    }
    if header[13] & URG != 0 {
        packet.flags |= flag::URGENT;
    }
    // A SYN counts as one byte.
    packet.sequence = u32::from_be(word(header, 4)).wrapping_add((header[13] & SYN != 0) as u32);
    packet.acknowledged = u32::from_be(word(header, 8));
}

/// A first fragment may be cut within the TCP header, and the stack puts the rest behind it. It shows the ports, so the
/// rest must not pass unread.
#[inline(always)]
fn ports_of_first_fragment(frame: Bytes<'_>, ip: &Ip, packet: &mut Packet) -> Option<()> {
    if !packet.is(flag::FIRST_FRAGMENT) || ip.length < 4 {
        return None;
    }
    let ports = frame.chunk::<4>(ip.offset)?;
    packet.source_port = be16(ports, 0);
    packet.destination_port = be16(ports, 2);
    packet.offset = ip.offset as u32 + 4;
    packet.length = 0;
    Some(())
}
