//! The ends between which the packets of these tests go, and their usual forms.

pub(super) use sipward_testkit::frame::{ACK, SYN, UDP, ethernet, tagged};
use sipward_testkit::{
    frame::{other, tcp, udp},
    message::clean,
};

pub(super) const PHONE: &str = "192.0.2.9:5070";
pub(super) const PBX: &str = "198.51.100.1:5060";
pub(super) const PHONE6: &str = "[2001:db8:1:2::9]:5070";
pub(super) const PBX6: &str = "[2001:db8:ff::1]:5060";

pub(super) fn request(method: &str) -> Vec<u8> {
    clean(method).into_bytes()
}

/// An IP packet around `payload`.
pub(super) fn ip(from: &str, to: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    other(protocol).from(from).to(to).carrying(payload).packet()
}

/// An IP packet with a datagram.
pub(super) fn datagram(from: &str, to: &str, payload: &[u8]) -> Vec<u8> {
    udp().from(from).to(to).carrying(payload).packet()
}

/// An IP packet with a TCP segment.
pub(super) fn segment(from: &str, to: &str, flags: u8, payload: &[u8]) -> Vec<u8> {
    tcp().from(from).to(to).flags(flags).carrying(payload).packet()
}

/// Frames with the fragments of a datagram to the PBX.
pub(super) fn fragments(from: &str, payload: &[u8], size: usize) -> Vec<Vec<u8>> {
    udp().from(from).to(PBX).carrying(payload).fragments(7, size)
}
