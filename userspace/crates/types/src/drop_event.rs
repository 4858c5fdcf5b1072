//! One dropped packet.

use std::net::IpAddr;

use xdp_prog::reason::Reason;

use crate::time::KernelTime;

/// One dropped packet, or one that monitor mode let pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropEvent {
    pub at: KernelTime,
    pub source: IpAddr,
    pub source_port: u16,
    pub destination: IpAddr,
    pub destination_port: u16,
    /// IP protocol number.
    pub protocol: u8,
    pub interface: u32,
    pub reason: Reason,
    /// The id of the signature that matched, where that is the reason.
    pub signature: Option<u16>,
    pub enforced: bool,
    /// Drops of the same sender (an IPv4 address, an IPv6 /64) since its last event, without this one. Each CPU
    /// counts its own, so the sum over all events is right but for the last seconds; it is too low where more than
    /// two senders shared a slot, as in a flood of forged ones.
    pub unseen: u32,
    pub frame_length: u32,
    /// The beginning of the frame.
    pub head: Vec<u8>,
}
