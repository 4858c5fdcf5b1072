//! The number of files that the process may have open: each connection is one.

use std::io;

use tracing::warn;

/// As many as the process may allow itself. By default it is a thousand, for programs that are older than `poll`.
pub(super) fn allow_all() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: room for one `rlimit`; the resource exists on every Linux, so it cannot fail.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: an `rlimit` that the call only reads.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        warn!("the number of open files stays as it is: {}", io::Error::last_os_error());
    }
}
