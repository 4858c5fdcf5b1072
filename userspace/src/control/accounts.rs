//! Names of users and groups, as the host knows them: files, LDAP or whatever else it asks.

use std::{
    ffi::{CStr, CString, c_char, c_int},
    io,
    mem::MaybeUninit,
    ptr,
};

/// A group with many members needs room.
const MOST_ROOM: usize = 1 << 22;

pub(super) fn user_name(uid: u32) -> io::Result<Option<String>> {
    look_up(
        // SAFETY: `entry` and `found` are places for what the call writes, and `room` is as long as it says.
        |entry, room, found| unsafe { libc::getpwuid_r(uid, entry, room.as_mut_ptr(), room.len(), found) },
        // SAFETY: a name that was found is a C string.
        |user: &libc::passwd| unsafe { text(user.pw_name) },
    )
}

pub(super) fn group_name(gid: u32) -> io::Result<Option<String>> {
    look_up(
        // SAFETY: as above.
        |entry, room, found| unsafe { libc::getgrgid_r(gid, entry, room.as_mut_ptr(), room.len(), found) },
        // SAFETY: a name that was found is a C string.
        |group: &libc::group| unsafe { text(group.gr_name) },
    )
}

pub(super) fn user_id(name: &str) -> io::Result<Option<u32>> {
    let name = CString::new(name)?;
    look_up(
        // SAFETY: as above, and `name` is a C string.
        |entry, room, found| unsafe {
            libc::getpwnam_r(name.as_ptr(), entry, room.as_mut_ptr(), room.len(), found)
        },
        |user: &libc::passwd| user.pw_uid,
    )
}

pub(crate) fn group_id(name: &str) -> io::Result<Option<u32>> {
    let name = CString::new(name)?;
    look_up(
        // SAFETY: as above, and `name` is a C string.
        |entry, room, found| unsafe {
            libc::getgrnam_r(name.as_ptr(), entry, room.as_mut_ptr(), room.len(), found)
        },
        |group: &libc::group| group.gr_gid,
    )
}

/// Asks with as much room as the answer needs. `take` sees an entry that is filled, its strings included.
fn look_up<E, T>(
    ask: impl Fn(*mut E, &mut [c_char], *mut *mut E) -> c_int,
    take: impl FnOnce(&E) -> T,
) -> io::Result<Option<T>> {
    let mut entry = MaybeUninit::<E>::uninit();
    let mut found = ptr::null_mut();
    let mut room = vec![0; 1024];
    loop {
        match ask(entry.as_mut_ptr(), &mut room, &raw mut found) {
            libc::ERANGE if room.len() < MOST_ROOM => room.resize(room.len() * 4, 0),
            libc::EINTR => {}
            libc::ENOENT | libc::ESRCH => return Ok(None),
            0 if found.is_null() => return Ok(None),
            // SAFETY: where something was found, `found` points to `entry`, which has been filled.
            0 => return Ok(Some(take(unsafe { &*found }))),
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// # Safety
/// `string` must be a C string.
unsafe fn text(string: *const c_char) -> String {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_everywhere_and_nonsense_nowhere() {
        assert_eq!(user_name(0).unwrap().as_deref(), Some("root"));
        assert_eq!(group_name(0).unwrap().as_deref(), Some("root"));
        assert_eq!(user_id("root").unwrap(), Some(0));
        assert_eq!(group_id("root").unwrap(), Some(0));
        assert_eq!(user_name(3_999_999_999).unwrap(), None);
        assert_eq!(group_name(3_999_999_999).unwrap(), None);
        assert_eq!(user_id("no such user").unwrap(), None);
        assert_eq!(group_id("no such group").unwrap(), None);
        assert!(group_id("a\0b").is_err());
    }
}
