//! The sizes of the maps.

pub const MAX_SOURCES: usize = 1 << 20;
pub const MAX_PREFIXES: usize = 1 << 16;
pub const MAX_SOURCE_STATES: usize = 1 << 16;
pub const MAX_PREFIX_STATES: usize = 1 << 14;
pub const MAX_FRAGMENTS: usize = 1 << 13;
pub const MAX_EARLY_FRAGMENTS: usize = 1 << 12;
/// Connections that are being opened, and those that are open.
pub const MAX_HANDSHAKES: usize = 1 << 16;
pub const MAX_STREAMS: usize = 1 << 16;
pub const EVENT_RING_BYTES: usize = 1 << 20;
pub const EVENT_SLOT_COUNT: usize = 1 << 10;
pub const CAPTURE_RING_BYTES: usize = 1 << 22;
/// The size of each lane: a fifth of a second of five thousand registrations a second, both ways.
pub const TAP_RING_BYTES: usize = 1 << 22;
pub const MAX_SUSPENSIONS: usize = 1 << 16;
pub const MAX_KNOWN_FLOWS: usize = 1 << 16;
/// Challenges of a dozen seconds in a flood of five thousand requests a second.
pub const MAX_ISSUED: usize = 1 << 16;
pub const MAX_WORKED: usize = 1 << 16;
/// Lines that have been challenged and answered.
pub const MAX_GUESSES_ISSUED: usize = 1 << 15;
/// More than [`NEW_LINES`](crate::guess::NEW_LINES) lets in within an hour.
pub const MAX_GUESSES_OTHER: usize = 1 << 16;
pub const MAX_CHARGED: usize = 1 << 14;
pub const MAX_ASKED: usize = 1 << 12;
pub const MAX_REFUNDS: usize = 1 << 16;

pub const MAX_SIGNATURES: usize = 512;
