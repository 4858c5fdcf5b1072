//! Terminals without a screen.

use std::{
    fs::File,
    io,
    os::fd::{FromRawFd as _, OwnedFd},
};

/// The two ends of a terminal: that of the test, and that of the program.
pub fn terminal() -> (File, OwnedFd) {
    let (mut ours, mut theirs) = (0, 0);
    let none = std::ptr::null_mut();
    // SAFETY: room for two descriptors; the rest may be null.
    let opened = unsafe { libc::openpty(&raw mut ours, &raw mut theirs, none, none.cast(), none.cast()) };
    assert_eq!(opened, 0, "{}", io::Error::last_os_error());
    // SAFETY: new descriptors that nobody else has.
    unsafe { (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) }
}
