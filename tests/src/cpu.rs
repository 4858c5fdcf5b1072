//! Which CPU a test runs on, for what the kernel keeps on each of them.

use std::io;

/// Keeps this thread on one CPU from now on.
pub fn stay_on_one() {
    // SAFETY: no pointers.
    let here = unsafe { libc::sched_getcpu() };
    let here = usize::try_from(here).expect("a CPU");
    // SAFETY: all zeros are a valid, empty set; it is filled in range and lives through the call.
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(here, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}
