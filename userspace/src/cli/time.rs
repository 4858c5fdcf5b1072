//! Wall-clock times.

use std::time::Duration;

/// In the zone of the system: `2026-11-20 16:48:33`.
pub(super) fn local(since_1970: Duration) -> String {
    let seconds = libc::time_t::try_from(since_1970.as_secs()).unwrap_or(libc::time_t::MAX);
    let mut time = std::mem::MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: room for one `tm`, which is all zeros where the function fails, and those are valid.
    let time = unsafe {
        libc::localtime_r(&raw const seconds, time.as_mut_ptr());
        time.assume_init()
    };
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        time.tm_year + 1900,
        time.tm_mon + 1,
        time.tm_mday,
        time.tm_hour,
        time.tm_min,
        time.tm_sec
    )
}
