//! TCP connections from a chosen source address, which the standard library does not offer.

use std::{
    io,
    net::{SocketAddrV4, TcpStream},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    time::Duration,
};

use crate::forge::address;

/// Connects from an address (port 0: any) in the namespace of this thread. Fails without an answer within the timeout.
pub fn connect(from: SocketAddrV4, to: SocketAddrV4, patience: Duration) -> io::Result<TcpStream> {
    // SAFETY: no pointers.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it, and nobody else has it.
    let stream = TcpStream::from(unsafe { OwnedFd::from_raw_fd(socket) });
    // The kernel holds a connect to the same limit.
    stream.set_write_timeout(Some(patience))?;
    let at = |to: SocketAddrV4| {
        let mut at = address(to);
        at.sin_port = to.port().to_be();
        at
    };
    let length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    for (address, call) in [(at(from), libc::bind as Call), (at(to), libc::connect as Call)] {
        // SAFETY: an address of that length, which outlives the call.
        if unsafe { call(stream.as_raw_fd(), (&raw const address).cast(), length) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// `bind` and `connect` take the same.
type Call = unsafe extern "C" fn(libc::c_int, *const libc::sockaddr, libc::socklen_t) -> libc::c_int;
