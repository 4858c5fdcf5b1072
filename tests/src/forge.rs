//! UDP packets with any source address, as a sender that does not see the answers can send them.

use std::{
    io,
    net::SocketAddrV4,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    ptr,
};

use crate::{frame::udp, namespace::Namespace};

/// Packets in one call of the kernel.
const BATCH: usize = 64;

/// A raw socket: the kernel fills in nothing but the checksum of the IP header.
#[derive(Debug)]
pub struct Forger(OwnedFd);

#[derive(Clone, Debug)]
pub struct Forged {
    pub source: SocketAddrV4,
    pub destination: SocketAddrV4,
    pub payload: Vec<u8>,
}

impl Forger {
    pub fn new(host: &Namespace) -> Self {
        host.enter(|| {
            // SAFETY: no pointers.
            let socket = unsafe {
                libc::socket(libc::AF_INET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::IPPROTO_RAW)
            };
            assert!(socket >= 0, "a raw socket: {}", io::Error::last_os_error());
            // SAFETY: the kernel has just made it, and nobody else has it.
            Self(unsafe { OwnedFd::from_raw_fd(socket) })
        })
    }

    /// Sends as fast as the machine can. Returns the number of packets that were sent.
    pub fn send(&self, packets: &[Forged]) -> u64 {
        packets.chunks(BATCH).map(|batch| self.send_batch(batch)).sum()
    }

    fn send_batch(&self, batch: &[Forged]) -> u64 {
        let mut bytes: Vec<Vec<u8>> = batch.iter().map(Forged::bytes).collect();
        let mut addresses: Vec<_> = batch.iter().map(|packet| address(packet.destination)).collect();
        let mut parts: Vec<_> = bytes
            .iter_mut()
            .map(|bytes| libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() })
            .collect();
        let mut headers: Vec<_> = parts
            .iter_mut()
            .zip(&mut addresses)
            .map(|(part, address)| libc::mmsghdr {
                msg_hdr: libc::msghdr {
                    msg_name: ptr::from_mut(address).cast(),
                    msg_namelen: size_of::<libc::sockaddr_in>() as libc::socklen_t,
                    msg_iov: part,
                    msg_iovlen: 1,
                    msg_control: ptr::null_mut(),
                    msg_controllen: 0,
                    msg_flags: 0,
                },
                msg_len: 0,
            })
            .collect();
        let mut done = 0;
        while done < headers.len() {
            let rest = &mut headers[done..];
            // SAFETY: as many headers as the length, each with an address and a part that outlive the call.
            let sent = unsafe {
                libc::sendmmsg(self.0.as_raw_fd(), rest.as_mut_ptr(), rest.len() as libc::c_uint, 0)
            };
            match usize::try_from(sent) {
                Ok(sent) => done += sent,
                // With full queues, the sender has to try again.
                Err(_) if io::Error::last_os_error().raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(_) => panic!("{:?}: {}", batch[done], io::Error::last_os_error()),
            }
        }
        done as u64
    }
}

impl Forged {
    fn bytes(&self) -> Vec<u8> {
        udp().between(self.source.into(), self.destination.into()).carrying(&self.payload).packet()
    }
}

fn address(to: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(to.ip().octets()) },
        sin_zero: [0; 8],
    }
}
