//! Told by the kernel when an interface comes, goes or changes.

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use super::error::{Error, Result};

#[derive(Debug)]
pub struct LinkNews(OwnedFd);

const DOING: &str = "listen for interfaces";

impl LinkNews {
    pub fn listen() -> Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: no pointers.
        let socket = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) };
        if socket < 0 {
            return Err(Error::io(DOING, &io::Error::last_os_error()));
        }
        // SAFETY: a new descriptor that nobody else has.
        let socket = unsafe { OwnedFd::from_raw_fd(socket) };
        // SAFETY: all zero is a `sockaddr_nl`.
        let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
        address.nl_groups = libc::RTMGRP_LINK as u32;
        let length = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
        // SAFETY: the address is as long as said.
        let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
        if bound < 0 { Err(Error::io(DOING, &io::Error::last_os_error())) } else { Ok(Self(socket)) }
    }

    /// Until there is news. What it says is not read: whoever waits looks at all interfaces anyway.
    pub fn wait(&mut self) -> Result<()> {
        let mut news = [0u8; 8192];
        // SAFETY: the buffer is as long as said.
        let received = unsafe { libc::recv(self.0.as_raw_fd(), news.as_mut_ptr().cast(), news.len(), 0) };
        match io::Error::last_os_error() {
            _ if received >= 0 => Ok(()),
            // Some was lost, which is news too.
            error if matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::EINTR)) => Ok(()),
            error => Err(Error::io(DOING, &error)),
        }
    }
}
