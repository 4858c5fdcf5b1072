//! The class of a packet, before any limit.

use super::World;
use crate::{
    frame::{Packet, TCP, flag},
    packed::Packed,
    reason::{Class, Reason},
    segments::{self, Place},
    sip::{self, Kind},
};

/// The class of a packet, before any limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketClass {
    pub kind: Kind,
    pub class: Class,
    /// Why it passes if no rule objects.
    pub pass: Reason,
    /// It may open a flow.
    pub opens: bool,
    /// It has a message that signatures may be in.
    pub message: bool,
    /// It is part of a TCP stream that can be read.
    pub followed: bool,
}

impl Packed for PacketClass {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        let flags = self.opens as u32 | (self.message as u32) << 1 | (self.followed as u32) << 2;
        self.kind.pack() | (self.class as u32) << 8 | (self.pass as u32) << 16 | flags << 24
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        Self {
            kind: Kind::unpack(word & 0xff),
            class: Class::unpack(word >> 8 & 0xff),
            pass: Reason::unpack(word >> 16),
            opens: word >> 24 & 1 != 0,
            message: word >> 25 & 1 != 0,
            followed: word >> 26 & 1 != 0,
        }
    }
}

/// Finds the class of a packet. `encrypted`: its port speaks TLS.
#[inline(always)]
pub fn packet_class<W: World>(world: &W, packet: &Packet, encrypted: bool) -> PacketClass {
    let place = Place::unpack(packet.place);
    let tcp = packet.protocol == TCP;
    let quiet = |class, pass| PacketClass {
        kind: Kind::NotSip,
        class,
        pass,
        opens: false,
        message: false,
        followed: false,
    };
    if packet.is(flag::CONNECT) && packet.length == 0 {
        // No flow: a crowd that connects is bounded by connects a second, not by its ports.
        return quiet(Class::Connect, Reason::TcpControl);
    }
    if tcp && packet.length == 0 {
        return quiet(Class::Stream, Reason::TcpControl);
    }
    if encrypted {
        return quiet(Class::Stream, Reason::Stream);
    }
    let alone = || match sip::classify_plain(world.payload(packet), packet.length) {
        Some(kind) => kind,
        None => world.classify(packet),
    };
    let kind = if tcp { segments::kind(place, world.payload(packet), packet.length, alone) } else { alone() };
    let (class, pass) = match kind {
        Kind::Keepalive => (Class::Keepalive, Reason::Keepalive),
        // The middle of a message, or something unknown.
        Kind::NotSip | Kind::Hidden if tcp => (Class::Stream, Reason::Stream),
        Kind::Response => (Class::Response, Reason::Response),
        Kind::Request(class) => (class, Reason::Request),
        Kind::UnknownMethod => (Class::Other, Reason::Request),
        Kind::NotSip | Kind::Hidden => (Class::Other, Reason::NotSip),
    };
    let silent = matches!(kind, Kind::Keepalive | Kind::Response);
    let message = if tcp { begins_message(kind) } else { !silent };
    PacketClass { kind, class, pass, opens: !tcp && !silent, message, followed: tcp }
}

/// True: a segment of that kind begins with a message.
#[inline(always)]
const fn begins_message(kind: Kind) -> bool {
    matches!(kind, Kind::Request(_) | Kind::UnknownMethod | Kind::Response)
}
