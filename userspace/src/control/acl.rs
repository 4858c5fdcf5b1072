//! Access control lists of files: how a few users and groups get at one without everybody else.

use std::{collections::BTreeSet, ffi::CString, io, os::unix::ffi::OsStrExt as _, path::Path};

const ATTRIBUTE: &std::ffi::CStr = c"system.posix_acl_access";
/// Of the form that the kernel takes, `struct posix_acl_xattr_header`.
const VERSION: u32 = 2;
const READ_WRITE: u16 = 6;
/// The id of entries that are about nobody in particular.
const NOBODY: u32 = u32::MAX;

/// Kinds of entries, in the order that the kernel asks for.
#[derive(Clone, Copy)]
#[repr(u16)]
enum Tag {
    Owner = 0x01,
    User = 0x02,
    OwningGroup = 0x04,
    Group = 0x08,
    Mask = 0x10,
    Other = 0x20,
}

/// Lets its owner, these users and groups and, if `for_group`, its own group read and write the file, and nobody else.
pub(super) fn share(
    path: &Path,
    for_group: bool,
    users: &BTreeSet<u32>,
    groups: &BTreeSet<u32>,
) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let list = list(for_group, users, groups);
    // SAFETY: two C strings, and as many bytes as are said.
    let result =
        unsafe { libc::setxattr(path.as_ptr(), ATTRIBUTE.as_ptr(), list.as_ptr().cast(), list.len(), 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// True if files there cannot have access control lists.
pub(crate) fn is_unsupported(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: two C strings; nothing is written into no bytes.
    let result = unsafe { libc::getxattr(path.as_ptr(), ATTRIBUTE.as_ptr(), std::ptr::null_mut(), 0) };
    result < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EOPNOTSUPP)
}

fn list(for_group: bool, users: &BTreeSet<u32>, groups: &BTreeSet<u32>) -> Vec<u8> {
    let group = if for_group { READ_WRITE } else { 0 };
    let entries = [(Tag::Owner, READ_WRITE, NOBODY)]
        .into_iter()
        .chain(users.iter().map(|id| (Tag::User, READ_WRITE, *id)))
        .chain([(Tag::OwningGroup, group, NOBODY)])
        .chain(groups.iter().map(|id| (Tag::Group, READ_WRITE, *id)))
        .chain([(Tag::Mask, READ_WRITE, NOBODY), (Tag::Other, 0, NOBODY)]);
    let mut bytes = VERSION.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend((tag as u16).to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}
