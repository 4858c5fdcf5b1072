//! The compiled set of signatures.

/// The compiled signature set: see `matcher.rs` for how it is walked and the daemon's `signature` module
/// for how it is made. Swapped as a whole.
#[repr(C)]
pub struct Signatures {
    pub head: SignatureHead,
    /// Twice the class of each byte, that is, its byte offset within a row.
    pub classes: [u8; 256],
    /// See [`matcher`](crate::matcher): hash of four folded bytes → which literals may be here.
    pub prefilter: [u8; PREFILTER_SIZE],
    /// Rows of transitions. An entry is the next state's row, in units of [`ROW_UNIT`] entries.
    pub rows: [u16; ROW_ENTRIES],
}

impl core::fmt::Debug for Signatures {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Signatures").field("head", &self.head).finish_non_exhaustive()
    }
}

/// States in the order of their rows: dead (row 0), ordinary, then those that end the headers, those that end the name of a
/// header with credentials, those that read a digit of Content-Length, and last one accepting state per signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct SignatureHead {
    /// Signatures in this set; none: the matcher is skipped for datagrams.
    pub count: u16,
    /// The first rows of a request and of a response.
    pub request: u16,
    pub response: u16,
    /// The row where a header of a request begins. Zero: the start line must have been read, as there are signatures
    /// that look at the whole message.
    pub line: u16,
    /// First row of the states reached by the empty line after the headers.
    pub body: u16,
    /// First row of the states reached by the colon behind Authorization or Proxy-Authorization.
    pub credentials: u16,
    /// First row of the states reached by a digit of Content-Length.
    pub digit: u16,
    /// First row of the accepting states; they are absorbing. Signature `i` has row
    /// `accept + (i << accept_shift)`.
    pub accept: u16,
    pub accept_shift: u16,
    pub reserved: u16,
    /// Another number for each set: what is carried on from one packet to the next is of one set.
    pub generation: u32,
}

pub const PREFILTER_BITS: u32 = 20;
pub const PREFILTER_SIZE: usize = 1 << PREFILTER_BITS;
/// A row is a whole number of units; 65,536 units can be addressed by a `u16` without a mask.
pub const ROW_UNIT: usize = 32;
/// Classes a set may have: rows of one, two or four units.
pub const MAX_CLASSES: usize = 128;
/// The pad lets the last unit's row be read with any class.
pub const ROW_ENTRIES: usize = (1 << 16) * ROW_UNIT + MAX_CLASSES;
