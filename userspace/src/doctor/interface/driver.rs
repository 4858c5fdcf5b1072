//! Facts about an interface that its driver reports.

use std::{
    ffi::CStr,
    io, mem,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    ptr,
};

/// From `linux/sockios.h`, `linux/if_vlan.h` and `linux/ethtool.h`.
const SIOCETHTOOL: libc::Ioctl = 0x8946;
const SIOCGIFVLAN: libc::Ioctl = 0x8982;
const GET_VLAN_REALDEV_NAME_CMD: libc::c_int = 8;
const ETHTOOL_GDRVINFO: u32 = 0x3;
const ETHTOOL_GFLAGS: u32 = 0x25;
const ETHTOOL_GCHANNELS: u32 = 0x3c;
const ETH_FLAG_LRO: u32 = 1 << 15;

#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    rest: [u8; 160],
}

#[repr(C)]
struct Flags {
    command: u32,
    flags: u32,
}

#[derive(Default)]
#[repr(C)]
struct ChannelInfo {
    command: u32,
    max_receive: u32,
    max_send: u32,
    max_other: u32,
    max_combined: u32,
    receive: u32,
    send: u32,
    other: u32,
    combined: u32,
}

#[repr(C)]
struct VlanRequest {
    command: libc::c_int,
    device: [u8; 24],
    answer: [u8; 24],
    priority: libc::c_short,
}

/// Receive queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Channels {
    pub(super) used: u32,
    pub(super) most: u32,
}

/// An interface to ask about. What it does not know has no answer.
pub(super) struct Driver<'a> {
    name: &'a str,
    socket: OwnedFd,
}

impl<'a> Driver<'a> {
    pub(super) fn of(name: &'a str) -> io::Result<Self> {
        // SAFETY: no pointers.
        let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
        if socket < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a new descriptor, owned by nothing else.
        Ok(Self { name, socket: unsafe { OwnedFd::from_raw_fd(socket) } })
    }

    /// `IFF_UP` and its like.
    pub(super) fn flags(&self) -> Option<libc::c_int> {
        let mut request = self.request();
        // SAFETY: the request that this call wants.
        unsafe { self.ioctl(libc::SIOCGIFFLAGS, &raw mut request) }?;
        // SAFETY: the call has filled this part of the union.
        Some(unsafe { request.ifr_ifru.ifru_flags }.into())
    }

    pub(super) fn mtu(&self) -> Option<u32> {
        let mut request = self.request();
        // SAFETY: the request that this call wants.
        unsafe { self.ioctl(libc::SIOCGIFMTU, &raw mut request) }?;
        // SAFETY: the call has filled this part of the union.
        u32::try_from(unsafe { request.ifr_ifru.ifru_mtu }).ok()
    }

    pub(super) fn driver(&self) -> Option<String> {
        let mut info = DriverInfo { command: ETHTOOL_GDRVINFO, driver: [0; 32], rest: [0; 160] };
        // SAFETY: of the size and layout that this command has.
        unsafe { self.ethtool(&mut info) }?;
        Some(CStr::from_bytes_until_nul(&info.driver).ok()?.to_string_lossy().into_owned())
    }

    /// The card joins packets before XDP (LRO or GRO_HW).
    pub(super) fn joins_packets(&self) -> bool {
        let mut info = Flags { command: ETHTOOL_GFLAGS, flags: 0 };
        // SAFETY: of the size and layout that this command has.
        unsafe { self.ethtool(&mut info) }.is_some_and(|()| info.flags & ETH_FLAG_LRO != 0)
    }

    pub(super) fn channels(&self) -> Option<Channels> {
        let mut info = ChannelInfo { command: ETHTOOL_GCHANNELS, ..ChannelInfo::default() };
        // SAFETY: of the size and layout that this command has.
        unsafe { self.ethtool(&mut info) }?;
        Some(Channels { used: info.receive + info.combined, most: info.max_receive + info.max_combined })
    }

    /// The interface whose packets with one VLAN tag this is.
    pub(super) fn vlan_of(&self) -> Option<String> {
        let mut request =
            VlanRequest { command: GET_VLAN_REALDEV_NAME_CMD, device: [0; 24], answer: [0; 24], priority: 0 };
        for (to, from) in request.device.iter_mut().zip(self.name.bytes().take(libc::IFNAMSIZ - 1)) {
            *to = from;
        }
        // SAFETY: the request that this call wants, with a name that ends in zero.
        unsafe { self.ioctl(SIOCGIFVLAN, &raw mut request) }?;
        Some(CStr::from_bytes_until_nul(&request.answer).ok()?.to_string_lossy().into_owned())
    }

    /// # Safety
    /// `info` has the layout that the command in its first field reads and writes.
    unsafe fn ethtool<T>(&self, info: &mut T) -> Option<()> {
        let mut request = self.request();
        request.ifr_ifru.ifru_data = ptr::from_mut(info).cast();
        // SAFETY: the request that this call wants, pointing to what the command wants.
        unsafe { self.ioctl(SIOCETHTOOL, &raw mut request) }
    }

    fn request(&self) -> libc::ifreq {
        // SAFETY: integers, arrays of them, and a pointer that may be null.
        let mut request: libc::ifreq = unsafe { mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(self.name.bytes().take(libc::IFNAMSIZ - 1)) {
            *to = from as libc::c_char;
        }
        request
    }

    /// # Safety
    /// `argument` is what `request` wants.
    unsafe fn ioctl<T>(&self, request: libc::Ioctl, argument: *mut T) -> Option<()> {
        // SAFETY: the caller's promise.
        (unsafe { libc::ioctl(self.socket.as_raw_fd(), request, argument) } == 0).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_as_long_as_the_kernel_takes_them_to_be() {
        assert_eq!(size_of::<DriverInfo>(), 196);
        assert_eq!(size_of::<ChannelInfo>(), 36);
        assert_eq!(size_of::<VlanRequest>(), 56);
    }

    #[test]
    fn the_loopback_is_up_and_has_no_channels() {
        let driver = Driver::of("lo").unwrap();
        assert_ne!(driver.flags().unwrap() & libc::IFF_LOOPBACK, 0);
        assert!(driver.mtu().unwrap() >= 1_500);
        assert_eq!(driver.channels(), None);
        assert_eq!(driver.vlan_of(), None);
        assert!(!driver.joins_packets());
    }

    #[test]
    fn an_interface_that_is_not_there_answers_nothing() {
        let driver = Driver::of("a-name-too-long-for-any").unwrap();
        assert_eq!((driver.flags(), driver.mtu(), driver.driver()), (None, None, None));
    }
}
