//! Drops as the kernel tells them: read from the ring buffer and checked.

use std::net::IpAddr;

use xdp_prog::{
    abi::{EVENT_HEAD, Event},
    reason::Reason,
};

use crate::address::from_key;

/// One dropped packet, or one that monitor mode let pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropEvent {
    /// Kernel monotonic nanoseconds.
    pub at: u64,
    pub source: IpAddr,
    pub source_port: u16,
    pub destination: IpAddr,
    pub destination_port: u16,
    /// IP protocol number.
    pub protocol: u8,
    pub interface: u32,
    pub reason: Reason,
    /// Of the signature that matched, where that is the reason.
    pub signature: Option<u16>,
    pub enforced: bool,
    pub frame_length: u32,
    /// The beginning of the frame.
    pub head: Vec<u8>,
}

impl DropEvent {
    /// `None`: not an event of this version.
    pub(super) fn decode(record: &[u8]) -> Option<Self> {
        if record.len() < size_of::<Event>() {
            return None;
        }
        // SAFETY: long enough, and an `Event` is integers and arrays of them, for which any bytes do.
        let event: Event = unsafe { record.as_ptr().cast::<Event>().read_unaligned() };
        let reason = Reason::from_code(event.reason)?;
        let head_length = (event.head_length as usize).min(EVENT_HEAD);
        Some(Self {
            at: event.at,
            source: from_key(event.source),
            source_port: event.source_port,
            destination: from_key(event.destination),
            destination_port: event.destination_port,
            protocol: event.protocol,
            interface: event.interface,
            reason,
            signature: (reason == Reason::Signature).then_some(event.signature),
            enforced: event.enforced != 0,
            frame_length: event.frame_length,
            head: event.head[..head_length].to_vec(),
        })
    }
}
