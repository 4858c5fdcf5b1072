//! Packets that leave: their headers as the stack sends them, and their meaning for the guard.

use crate::{
    abi::{Address, Policy},
    frame::{self, Packet, SYN, TCP, UDP, flag},
    reason::Class,
    sip::{self, Kind},
};

/// A packet that may lie in pieces. Reads past its end give `None`.
pub trait Pieces {
    fn read<const N: usize>(&self, offset: u32) -> Option<Chunk<N>>;
    /// The length of the whole packet. It may consist of many segments, which the interface takes apart later.
    fn length(&self) -> u32;
}

/// A packet that lies in one piece.
impl Pieces for &[u8] {
    fn read<const N: usize>(&self, offset: u32) -> Option<Chunk<N>> {
        let bytes = crate::bytes::Bytes::of(self);
        bytes.chunk::<N>(offset as usize).map(|chunk| Chunk(*chunk))
    }

    fn length(&self) -> u32 {
        self.len() as u32
    }
}

/// On the kernel's stack whole words are read, and have to lie as such.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub struct Chunk<const N: usize>(pub [u8; N]);

impl<const N: usize> Chunk<N> {
    #[inline(always)]
    const fn be16(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.0[at], self.0[at + 1]])
    }

    #[inline(always)]
    const fn word(&self, at: usize) -> u32 {
        u32::from_ne_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }
}

/// Reads the headers of a packet. `None`: it is no UDP or TCP, or not the beginning of one.
#[inline(always)]
pub fn parse(pieces: &impl Pieces, packet: &mut Packet) -> Option<()> {
    let (ethertype, offset) = ethernet(pieces)?;
    let (protocol, offset) = match ethertype {
        frame::ETHERTYPE_IPV4 => ipv4(pieces, offset, packet)?,
        frame::ETHERTYPE_IPV6 => ipv6(pieces, offset, packet)?,
        _ => return None,
    };
    packet.protocol = protocol;
    match protocol {
        UDP => udp(pieces, offset, packet),
        TCP => tcp(pieces, offset, packet),
        _ => None,
    }
}

/// Tags that the interface does not add by itself.
const MAX_VLAN_TAGS: u32 = 2;

#[inline(always)]
fn ethernet(pieces: &impl Pieces) -> Option<(u16, u32)> {
    let mut ethertype = pieces.read::<2>(12)?.be16(0);
    let mut offset = 14;
    let mut tags = 0;
    while tags < MAX_VLAN_TAGS {
        if !frame::is_vlan(ethertype) {
            break;
        }
        ethertype = pieces.read::<4>(offset)?.be16(2);
        offset += 4;
        tags += 1;
    }
    Some((ethertype, offset))
}

#[inline(always)]
fn ipv4(pieces: &impl Pieces, offset: u32, packet: &mut Packet) -> Option<(u8, u32)> {
    let header = pieces.read::<20>(offset)?;
    let length = ((header.0[0] & 15) as u32) << 2;
    if length < 20 || header.be16(6) & 0x1fff != 0 {
        return None;
    }
    packet.source = Address::v4(header.word(12));
    packet.destination = Address::v4(header.word(16));
    Some((header.0[9], offset + length))
}

/// The stack itself writes no more than these.
const MAX_EXTENSIONS: u32 = 4;

#[inline(always)]
fn ipv6(pieces: &impl Pieces, offset: u32, packet: &mut Packet) -> Option<(u8, u32)> {
    let header = pieces.read::<40>(offset)?;
    packet.source = Address([header.word(8), header.word(12), header.word(16), header.word(20)]);
    packet.destination = Address([header.word(24), header.word(28), header.word(32), header.word(36)]);
    let mut protocol = header.0[6];
    let mut offset = offset + 40;
    let mut seen = 0;
    while seen < MAX_EXTENSIONS {
        if !frame::is_extension(protocol) {
            return Some((protocol, offset));
        }
        let extension = pieces.read::<8>(offset)?;
        let length = match protocol {
            // Not the beginning.
            frame::FRAGMENT if extension.be16(2) & 0xfff8 != 0 => return None,
            frame::FRAGMENT => 8,
            frame::AUTHENTICATION => (extension.0[1] as u32 + 2) << 2,
            _ => (extension.0[1] as u32 + 1) << 3,
        };
        protocol = extension.0[0];
        offset += length;
        seen += 1;
    }
    None
}

#[inline(always)]
fn udp(pieces: &impl Pieces, offset: u32, packet: &mut Packet) -> Option<()> {
    let header = pieces.read::<8>(offset)?;
    ports(packet, &header);
    packet.offset = offset + 8;
    let there = pieces.length().checked_sub(packet.offset)?;
    let claimed = (header.be16(4) as u32).checked_sub(8)?;
    if claimed > there {
        // The stack cuts packets before they come here.
        packet.flags |= flag::FIRST_FRAGMENT;
    }
    packet.length = if claimed < there { claimed } else { there };
    Some(())
}

#[inline(always)]
fn tcp(pieces: &impl Pieces, offset: u32, packet: &mut Packet) -> Option<()> {
    let header = pieces.read::<20>(offset)?;
    ports(packet, &header);
    if header.0[13] & SYN != 0 {
        packet.flags |= flag::CONNECT;
    }
    frame::tcp_stream(&header.0, packet);
    packet.offset = offset + (((header.0[12] >> 4) as u32) << 2);
    packet.length = pieces.length().checked_sub(packet.offset)?;
    Some(())
}

#[inline(always)]
const fn ports<const N: usize>(packet: &mut Packet, header: &Chunk<N>) {
    packet.source_port = header.be16(0);
    packet.destination_port = header.be16(2);
}

/// True: the packet leaves a SIP port.
#[inline(always)]
pub const fn is_from_sip_port(packet: &Packet, policy: &Policy) -> bool {
    let port = packet.source_port;
    if packet.protocol == TCP { policy.tcp.has(port) || policy.tls.has(port) } else { policy.udp.has(port) }
}

/// True: the PBX says something that cannot be read here: over TLS, or a challenge on a connection that it has opened
/// itself, as Kamailio does for callers who hang up before the answer.
#[inline(always)]
pub fn is_hidden(pieces: &impl Pieces, packet: &Packet, policy: &Policy) -> bool {
    if packet.protocol != TCP || packet.length == 0 || policy.tcp.has(packet.source_port) {
        return false;
    }
    if policy.tls.has(packet.source_port) {
        return true;
    }
    let Some(head) = pieces.read::<{ sip::SHORTEST }>(packet.offset) else { return false };
    matches!(sip::known(&head.0), Some(Kind::Response)) && head.0[8] == b'4'
}

/// True: the PBX sends it by SIP, and the guard uses it: a final answer, a request that a trunk has to answer, or any
/// part of a TCP stream whose connection is open. Answers to forged segments are of no use.
#[inline(always)]
pub fn is_wanted(pieces: &impl Pieces, packet: &Packet, policy: &Policy) -> bool {
    if packet.protocol == TCP {
        let tells = packet.length != 0 || packet.is(flag::ENDS);
        return tells && packet.is(flag::CONNECTED);
    }
    if !policy.udp.has(packet.source_port) || packet.length < sip::SHORTEST as u32 {
        return false;
    }
    let Some(head) = pieces.read::<{ sip::SHORTEST }>(packet.offset) else { return false };
    match sip::known(&head.0) {
        Some(Kind::Response) => head.0[8] != b'1',
        Some(Kind::Request(class)) => matches!(class, Class::Options | Class::Register),
        _ => false,
    }
}

/// Bytes of a challenge in which its nonces are looked for.
pub const CHALLENGE_MAX: u32 = 2048;

/// True: it is a response with a nonce for the other side, 401 or 407. (A nonce that a success brings along,
/// `nextnonce`, is for an account that has just worked.)
#[inline(always)]
pub fn is_challenge(pieces: &impl Pieces, packet: &Packet) -> bool {
    if packet.length < sip::SHORTEST as u32 {
        return false;
    }
    let Some(Chunk(head)) = pieces.read::<{ sip::SHORTEST }>(packet.offset) else { return false };
    let challenges = head[8] == b'4' && head[9] == b'0' && (head[10] == b'1' || head[10] == b'7');
    challenges && matches!(sip::known(&head), Some(Kind::Response))
}
