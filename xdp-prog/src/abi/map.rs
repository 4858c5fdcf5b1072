//! The names of the maps, as the object and userspace know them.

pub const ACTIVE: &str = "ACTIVE";
pub const POLICY: &str = "POLICY";
pub const SIGNATURES: &str = "SIGNATURES";
pub const SOURCES: &str = "SOURCES";
pub const PREFIXES: &str = "PREFIXES";
pub const SOURCE_STATE: &str = "SOURCE_STATE";
pub const PREFIX_STATE: &str = "PREFIX_STATE";
pub const FRAGMENTS: &str = "FRAGMENTS";
pub const COUNTERS: &str = "COUNTERS";
pub const SIGNATURE_HITS: &str = "SIGNATURE_HITS";
pub const EVENTS: &str = "EVENTS";
pub const EVENT_SLOTS: &str = "EVENT_SLOTS";
pub const CAPTURE: &str = "CAPTURE";
pub const CAPTURE_STATE: &str = "CAPTURE_STATE";
pub const CAPTURES: &str = "CAPTURES";
pub const GUARD: &str = "GUARD";
pub const SUSPENDED: &str = "SUSPENDED";
pub const KNOWN_FLOWS: &str = "KNOWN_FLOWS";
pub const TAPS_KNOWN: &str = "TAPS_KNOWN";
pub const TAPS_STRANGERS: &str = "TAPS_STRANGERS";
pub const TAP_STATE: &str = "TAP_STATE";
pub const ISSUED: &str = "ISSUED";
pub const WORKED: &str = "WORKED";
pub const GUESSES_ISSUED: &str = "GUESSES_ISSUED";
pub const GUESSES_OTHER: &str = "GUESSES_OTHER";
pub const NEW_LINES: &str = "NEW_LINES";
pub const CHARGED: &str = "CHARGED";
pub const ASKED: &str = "ASKED";
pub const REFUNDS: &str = "REFUNDS";
pub const WATCHED: &str = "WATCHED";
pub const SCRATCH: &str = "SCRATCH";
pub const HANDSHAKES: &str = "HANDSHAKES";
pub const STREAMS: &str = "STREAMS";
pub const EARLY_FRAGMENTS: &str = "EARLY_FRAGMENTS";
pub const ALL: [&str; 34] = [
    ACTIVE,
    POLICY,
    SIGNATURES,
    SOURCES,
    PREFIXES,
    SOURCE_STATE,
    PREFIX_STATE,
    FRAGMENTS,
    COUNTERS,
    SIGNATURE_HITS,
    EVENTS,
    EVENT_SLOTS,
    CAPTURE,
    CAPTURE_STATE,
    CAPTURES,
    GUARD,
    SUSPENDED,
    KNOWN_FLOWS,
    TAPS_KNOWN,
    TAPS_STRANGERS,
    TAP_STATE,
    ISSUED,
    WORKED,
    GUESSES_ISSUED,
    GUESSES_OTHER,
    NEW_LINES,
    CHARGED,
    ASKED,
    REFUNDS,
    WATCHED,
    SCRATCH,
    HANDSHAKES,
    STREAMS,
    EARLY_FRAGMENTS,
];
