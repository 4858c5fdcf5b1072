//! The state of fragmented packets and of TCP connections.

use super::Address;
use crate::packed::packed_enum;

/// A packet that comes in fragments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct FragmentKey {
    pub source: Address,
    pub destination: Address,
    pub id: u32,
    pub protocol: u32,
}

/// The time for which the rest of a packet is expected after its first fragment, in nanoseconds.
pub const FRAGMENT_LIFETIME: u64 = 2_000_000_000;

/// A packet for a SIP port whose first fragment was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct FragmentState {
    /// Kernel monotonic nanoseconds; the entry is ignored from then on.
    pub expires: u64,
    /// A [`Rest`], packed.
    pub rest: u32,
    /// The beginning of the next fragment in the packet.
    pub next: u32,
    pub carried: Carried,
}

/// The fate of the other fragments of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Rest {
    /// They are not looked at.
    Unread = 0,
    /// One fragment was dropped, so the others drop too.
    Dropped = 1,
    /// The first one passed. It came from a stranger, or from a port of a known source that is not known itself.
    OfStranger = 2,
    /// The first one passed. It came from a known port.
    OfKnownFlow = 3,
}

packed_enum!(Rest: Unread | Dropped | OfStranger | OfKnownFlow, or OfStranger);

/// The state of the walk at a place where a text was cut: the end of a TCP segment or of a fragment. All zero: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C, align(8))]
pub struct Carried {
    /// The generation of the signatures that `row` belongs to.
    pub generation: u32,
    /// In the headers: Content-Length, as far as it was read. In the body: bytes that are still to come.
    pub length: u32,
    pub row: u16,
    /// One of [`phase`].
    pub phase: u8,
    /// The digits of Content-Length that were read, see `stream/walk.rs`.
    pub digits: u8,
    /// The first bytes of a message, fewer than tell what it is, from the lowest bits on; and how many. Words, as the
    /// compiler copies single bytes in pieces that lie askew.
    pub head_length: u16,
    /// 1: the last byte was a CR, whose LF is to come.
    pub after_return: u16,
    pub head: [u64; 2],
}

/// The place of a byte in a stream of messages.
pub mod phase {
    pub const LOST: u8 = 0;
    /// Between two messages.
    pub const START: u8 = 1;
    /// Among the first bytes of a message.
    pub const HEAD: u8 = 2;
    pub const HEADERS: u8 = 3;
    pub const BODY: u8 = 4;
    /// In a datagram: nothing follows it, regardless of its Content-Length.
    pub const DATAGRAM: u8 = 5;
}

/// A TCP connection, as seen by the PBX: who connected, and whereto.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct StreamKey {
    pub remote: Address,
    pub local: Address,
    /// Host order.
    pub remote_port: u32,
    pub local_port: u32,
}

/// The numbers that the answer to a SYN-ACK has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Handshake {
    pub sequence: u32,
    pub acknowledged: u32,
}

/// The state of a connection, see `judge/segments.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct StreamState {
    /// The number of the byte that goes on from `now`.
    pub next: u32,
    /// The number of the byte that went on from `before`.
    pub previous: u32,
    pub now: Carried,
    pub before: Carried,
}
