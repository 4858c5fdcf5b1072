//! Network interfaces by name.

use std::{
    ffi::{CStr, CString},
    io, mem,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use super::{
    error::{Error, Result},
    netlink::{self, Running},
};

/// The index of an interface.
pub fn index(name: &str) -> Result<u32> {
    let index = CString::new(name).map_or(0, |name| {
        // SAFETY: a C string.
        unsafe { libc::if_nametoindex(name.as_ptr()) }
    });
    if index == 0 {
        return Err(Error::NoInterface { name: name.to_owned(), existing: names() });
    }
    Ok(index)
}

/// The name of the interface with this index, if there is one.
pub fn name(index: u32) -> Option<String> {
    let mut buffer = [0u8; libc::IF_NAMESIZE];
    // SAFETY: the buffer is as long as the function wants it.
    let found = unsafe { libc::if_indextoname(index, buffer.as_mut_ptr().cast()) };
    if found.is_null() {
        return None;
    }
    Some(CStr::from_bytes_until_nul(&buffer).ok()?.to_string_lossy().into_owned())
}

/// True if its frames begin with an Ethernet header, which is where the filter begins to read. Those of tunnels
/// (WireGuard, tun, PPP) do not: the filter would run there and see nothing.
pub(super) fn has_ethernet_header(name: &str) -> Result<bool> {
    const LIKE_ETHERNET: [libc::c_ushort; 2] = [libc::ARPHRD_ETHER, libc::ARPHRD_LOOPBACK];
    index(name)?;
    let family =
        hardware(name).map_err(|error| Error::io(format!("ask what kind of interface {name} is"), &error))?;
    Ok(LIKE_ETHERNET.contains(&family))
}

fn hardware(name: &str) -> io::Result<libc::c_ushort> {
    // SAFETY: no pointers.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nobody else has.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: integers and arrays of them.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from as libc::c_char;
    }
    // SAFETY: the request the call wants, with a name that ends in zero.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFHWADDR, &mut request) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has filled this part of the union.
    Ok(unsafe { request.ifr_ifru.ifru_hwaddr.sa_family })
}

/// The XDP program on an interface, if there is one.
pub(super) fn running(name: &str) -> Result<Option<Running>> {
    netlink::running(index(name)?).map_err(|error| Error::io(format!("ask what runs on {name}"), &error))
}

/// All there are, but the loopback.
fn names() -> Vec<String> {
    let mut names = Vec::new();
    // SAFETY: gives an array that ends with an entry of index 0, or null.
    let list = unsafe { libc::if_nameindex() };
    if list.is_null() {
        return names;
    }
    let mut at = list;
    // SAFETY: `at` stays within the array: it stops at its last entry. The names are C strings.
    unsafe {
        while (*at).if_index != 0 {
            names.push(CStr::from_ptr((*at).if_name).to_string_lossy().into_owned());
            at = at.add(1);
        }
        libc::if_freenameindex(list);
    }
    names.retain(|name| name != "lo");
    names.sort();
    names
}
