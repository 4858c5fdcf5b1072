//! The place where a walk begins, and the things that it looks for.

use crate::packed::{Packed, packed_enum};

/// The place where a walk begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Begin {
    /// At the request, or at the response, that the segment begins with.
    Request = 0,
    Response = 1,
    /// At the end of the stream's last segment.
    Carried = 2,
    /// The same, with what looks like a request and is judged by itself, too.
    CarriedRequest = 3,
    /// At the request of a datagram of which this is the first part: it has no length, and no second message.
    Datagram = 4,
    /// The place is not known: among the headers of a message, because something can be found there.
    Anywhere = 5,
    /// Nowhere: there is nothing in it, and what is carried on stays what it is.
    Nowhere = 6,
}

packed_enum!(Begin: Request | Response | Carried | CarriedRequest | Datagram | Anywhere | Nowhere, or Anywhere);

/// The aim of the search in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Search {
    /// Only where messages begin and which have credentials.
    Messages = 0,
    /// Signatures too. There are none in this segment alone, but one may go on in the next.
    Rest = 1,
    Signatures = 2,
}

packed_enum!(Search: Messages | Rest | Signatures, or Signatures);

/// The plan of the kernel's walk through a segment. `slot` is that of the set of signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalkPlan {
    pub begin: Begin,
    pub search: Search,
    pub slot: u32,
}

impl Packed for WalkPlan {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        self.begin as u32 | (self.search as u32) << 3 | self.slot << 8
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        Self { begin: Begin::unpack(word & 7), search: Search::unpack(word >> 3 & 3), slot: word >> 8 }
    }
}

impl Search {
    #[inline(always)]
    pub const fn signatures(self) -> bool {
        !matches!(self, Self::Messages)
    }

    /// True: nothing is to be found in a segment that is one whole message.
    #[inline(always)]
    pub const fn may_be_spared(self, begin: Begin) -> bool {
        matches!(begin, Begin::Request | Begin::Response) && !matches!(self, Self::Signatures)
    }
}
