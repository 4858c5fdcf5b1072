//! The kernel's clock: monotonic, and the one that the filter reads.

use std::time::Duration;

use sipward_types::time::KernelTime;

pub fn now() -> KernelTime {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: room for one `timespec`. The clock exists on every Linux, so it cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    KernelTime::START + Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
