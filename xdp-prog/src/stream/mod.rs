//! The messages in a TCP segment, or in a part of a datagram: their signatures, and the numbers of those that begin and
//! of those that have credentials.
//!
//! The automaton knows where headers end, which of them are credentials and which digits are those of Content-Length, and
//! with that where each message begins. A walk stops where the segment ends; what it knows there is [`Carried`](crate::abi::Carried) on to the
//! next one. Where the prefilter finds nothing, and the segment is one whole message, there is nothing to walk for.

mod found;
mod plan;
mod segment;
mod walk;
mod whole;
mod whole_message;

pub use found::Stream;
pub use plan::{Begin, Search, WalkPlan};
pub use segment::{Advance, Segment, later_message, skip_blanks, take_head};
pub use walk::Walk;
pub use whole_message::is_whole_message;

/// Bytes of a segment that are looked at: fewer than of a datagram, as the walk costs more.
pub const SCAN_MAX: u32 = 2048;
/// A longer body than this is refused: PBXs refuse it too, and the messages behind it would not be seen.
pub const BODY_MAX: u32 = 1 << 16;

/// The number of bytes of a segment that are looked at.
#[inline(always)]
pub const fn seen(length: u32) -> u32 {
    if length > SCAN_MAX { SCAN_MAX } else { length }
}
