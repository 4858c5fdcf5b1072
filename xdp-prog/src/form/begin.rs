//! The place in a message where the search for forms begins.

use crate::{
    abi::{Carried, phase},
    packed::{Packed, packed_enum},
    sip::Kind,
};

/// The things that are known of a payload before the search for forms.
#[derive(Clone, Copy, Debug)]
pub struct Begin {
    pub(super) kind: Kind,
    pub(super) stream: bool,
    pub(super) inside: Inside,
}

/// The place in a message where a segment or a fragment goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Inside {
    /// It begins with the message.
    Nowhere = 0,
    Header = 1,
    /// In a header, behind a CR.
    Return = 2,
    Body = 3,
}

packed_enum!(Inside: Nowhere | Header | Return | Body, or Nowhere);

impl Begin {
    /// `None`: there is nothing that a PBX could read as a message, or that it would look further into.
    #[inline(always)]
    pub const fn of(kind: Kind, stream: bool) -> Option<Self> {
        match kind {
            Kind::Keepalive | Kind::Hidden => None,
            Kind::NotSip if stream => None,
            // In a stream a request may follow.
            Kind::Response if !stream => None,
            _ => Some(Self { kind, stream, inside: Inside::Nowhere }),
        }
    }

    /// For a packet that goes on where another one ended. `None`: no header goes on there, and none can follow.
    #[inline(always)]
    pub const fn inside(carried: &Carried) -> Option<Self> {
        let stream = carried.phase != phase::DATAGRAM;
        let inside = match carried.phase {
            phase::BODY => Inside::Body,
            phase::DATAGRAM if carried.row == 0 => return None,
            phase::HEAD | phase::HEADERS | phase::DATAGRAM if carried.after_return != 0 => Inside::Return,
            phase::HEAD | phase::HEADERS | phase::DATAGRAM => Inside::Header,
            _ => return None,
        };
        Some(Self { kind: Kind::NotSip, stream, inside })
    }

    /// It has a method, of a standard or not.
    #[inline(always)]
    pub(super) const fn has_method(self) -> bool {
        !matches!(self.kind, Kind::NotSip)
    }

    /// It is a message even if no version is found. In a stream a word and a blank may be the middle of anything.
    #[inline(always)]
    pub(super) const fn is_certain(self) -> bool {
        match self.kind {
            Kind::Request(_) | Kind::Response => true,
            Kind::UnknownMethod => !self.stream,
            _ => false,
        }
    }
}

impl Packed for Begin {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        (self.inside as u32) << 16 | self.kind.pack() << 1 | self.stream as u32
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        let inside = Inside::unpack(word >> 16);
        Self { kind: Kind::unpack(word >> 1 & 0x7fff), stream: word & 1 != 0, inside }
    }
}
