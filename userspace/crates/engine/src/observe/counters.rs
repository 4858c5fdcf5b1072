//! Counters of the packets by outcome.

use serde::Serialize;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Packets, empty ones and keepalives among them.
    pub packets: u64,
    /// SIP messages, of UDP and TCP.
    pub messages: u64,
    /// Payloads that are no SIP message and no keepalive.
    pub garbage: u64,
    /// Messages of which the tap's copy ends before the header does.
    pub cut: u64,
    /// Requests that met their final answer.
    pub joined: u64,
    /// Requests and answers that came again.
    pub again: u64,
    /// Requests that the PBX never answered, as far as was seen.
    pub unanswered: u64,
    /// Answers whose request was not seen.
    pub unmatched: u64,
    /// Challenges of the PBX with a nonce that it has sent to another address too: they prove nothing.
    pub shared_nonces: u64,
    /// Places in TCP connections where what followed could not be understood at once: gaps, messages without a length
    /// or of absurd size, something else than SIP.
    pub out_of_step: u64,
    /// Forgotten before their time, because something newer needed the room.
    pub forgotten: Forgotten,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Forgotten {
    /// Requests without their answer, and answers without their request.
    pub transactions: u64,
    pub nonces: u64,
    /// TCP connections, and unfinished messages in them.
    pub streams: u64,
    pub histories: u64,
}
