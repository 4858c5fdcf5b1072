//! Network interfaces by name.

use std::ffi::{CStr, CString};

use super::{
    error::{Error, Result},
    netlink::{self, Running},
};

/// The index of an interface.
pub(super) fn index(name: &str) -> Result<u32> {
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
