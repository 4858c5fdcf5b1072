//! A hash map of IPv4 addresses, for [`RawProgram`](crate::raw_program::RawProgram)s.

use std::{
    io,
    net::Ipv4Addr,
    os::fd::{AsRawFd as _, OwnedFd},
};

use crate::raw_program::descriptor;

const BYTES: u32 = 4;

pub(crate) struct RawMap(OwnedFd);

impl RawMap {
    /// Allocated as the filter's own list of sources is: as it fills.
    pub(crate) fn of(addresses: impl IntoIterator<Item = Ipv4Addr>) -> io::Result<Self> {
        const MAP_CREATE: i32 = 0;
        const HASH: u32 = 1;
        const NO_PREALLOCATION: u32 = 1;
        const ROOM: u32 = 1 << 20;
        let attributes = [HASH, BYTES, BYTES, ROOM, NO_PREALLOCATION];
        // SAFETY: attributes without pointers, which live through the call.
        let fd = unsafe { libc::syscall(libc::SYS_bpf, MAP_CREATE, &attributes, size_of_val(&attributes)) };
        let map = Self(descriptor(fd)?);
        addresses.into_iter().try_for_each(|address| map.put(address))?;
        Ok(map)
    }

    fn put(&self, address: Ipv4Addr) -> io::Result<()> {
        const UPDATE: i32 = 2;
        let (key, value) = (address.octets(), [0_u8; BYTES as usize]);
        let attributes = [u64::from(self.fd()), key.as_ptr() as u64, value.as_ptr() as u64, 0];
        // SAFETY: the attributes and what they point to live through the call.
        let result = unsafe { libc::syscall(libc::SYS_bpf, UPDATE, &attributes, size_of_val(&attributes)) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    pub(crate) fn fd(&self) -> u32 {
        self.0.as_raw_fd().unsigned_abs()
    }
}
