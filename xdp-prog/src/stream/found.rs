//! The messages, signatures and credentials that were found in a segment.

use crate::{packed::packed_newtype, reason::Class, sip::Kind};

/// The contents of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct Stream(u64);

/// In the word: the signature plus one in the low 16 bits, then four bits of count per class of request, of unknown
/// methods, of headers with credentials, of those in the segment's own first message, and then whether there was more.
const COUNTS: u32 = 16;
const UNKNOWN: u32 = COUNTS + 4 * REQUESTS;
const CREDENTIALS: u32 = UNKNOWN + 4;
const OWN_CREDENTIALS: u32 = CREDENTIALS + 4;
const TANGLED: u64 = 1 << (OWN_CREDENTIALS + 4);
/// Requests have the first classes.
const REQUESTS: u32 = Class::Other as u32 + 1;

impl Stream {
    #[inline(always)]
    pub const fn signature(self) -> Option<u16> {
        match self.0 as u16 {
            0 => None,
            id => Some(id - 1),
        }
    }

    /// Besides what stands in the message that the segment begins with.
    #[inline(always)]
    pub const fn nothing_later(self) -> bool {
        self.0 >> COUNTS & !(15 << (OWN_CREDENTIALS - COUNTS)) == 0
    }

    /// Requests of a class that begin in this segment, or whose first bytes are complete with it; at most fifteen. The one
    /// that it begins with is not among them.
    #[inline(always)]
    pub const fn later(self, class: Class) -> u32 {
        (self.0 >> (COUNTS + 4 * class as u32)) as u32 & 15
    }

    #[inline(always)]
    pub const fn later_unknown(self) -> u32 {
        (self.0 >> UNKNOWN) as u32 & 15
    }

    /// Headers with credentials in other messages than the one that the segment begins with.
    #[inline(always)]
    pub const fn credentials(self) -> u32 {
        (self.0 >> CREDENTIALS) as u32 & 15
    }

    /// Headers with credentials in the message that the segment begins with.
    #[inline(always)]
    pub const fn own_credentials(self) -> u32 {
        (self.0 >> OWN_CREDENTIALS) as u32 & 15
    }

    /// Its messages cannot be told apart: there are more than any sender writes at once, or one has two lengths.
    #[inline(always)]
    pub const fn is_tangled(self) -> bool {
        self.0 & TANGLED != 0
    }

    #[inline(always)]
    pub(super) const fn tangled(self) -> Self {
        Self(self.0 | TANGLED)
    }

    #[inline(always)]
    pub(super) const fn with_signature(self, signature: u16) -> Self {
        Self(self.0 | (signature as u64 + 1))
    }

    #[inline(always)]
    pub(super) const fn with_later(self, kind: Kind) -> Self {
        match kind {
            Kind::Request(class) if (class as u32) < REQUESTS => self.with_one(COUNTS + 4 * class as u32),
            Kind::UnknownMethod => self.with_one(UNKNOWN),
            _ => self,
        }
    }

    #[inline(always)]
    pub(super) const fn with_credentials(self, own: bool) -> Self {
        self.with_one(if own { OWN_CREDENTIALS } else { CREDENTIALS })
    }

    #[inline(always)]
    const fn with_one(self, shift: u32) -> Self {
        // A full count would let the rest through uncharged.
        if self.0 >> shift & 15 == 15 { self.tangled() } else { Self(self.0 + (1 << shift)) }
    }
}

packed_newtype!(Stream, u64);
