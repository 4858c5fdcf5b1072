//! The kernel's clock: monotonic, and the one that the filter reads.

/// In a second.
const NANOSECONDS: u64 = 1_000_000_000;

/// Monotonic nanoseconds, as the filter reads them.
pub fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: room for one `timespec`. The clock exists on every Linux, so it cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * NANOSECONDS + time.tv_nsec as u64
}
