//! Waiting for something instead of sleeping.

use std::{
    thread,
    time::{Duration, Instant},
};

use sipward_kernel::clock::now;
use sipward_types::time::KernelTime;

/// The filter's clock is coarse, and behind by some milliseconds.
const BEHIND: Duration = Duration::from_millis(50);

/// Asks again and again until it is so; panics with `what` if it is not in time.
pub fn wait_until(what: &str, timeout: Duration, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + timeout;
    while !is_so() {
        assert!(Instant::now() < end, "not within {timeout:?}: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A moment on the kernel's clock before which nothing need happen.
pub fn soon() -> KernelTime {
    now() + Duration::from_millis(300)
}

/// One before which everything happens, however slow the machine is.
pub fn much_later() -> KernelTime {
    now() + Duration::from_secs(3_600)
}

/// Sleeps until that is over, for the filter, too.
pub fn sleep_until(moment: KernelTime) {
    thread::sleep((moment + BEHIND).since(now()));
}
