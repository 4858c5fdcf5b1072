//! Waiting for something instead of sleeping.

use std::{
    thread,
    time::{Duration, Instant},
};

use sipward_kernel::clock::now;

/// The filter's clock is coarse, and behind by some milliseconds.
const BEHIND: u64 = 50_000_000;

/// Asks again and again until it is so; panics with `what` if it is not in time.
pub fn wait_until(what: &str, timeout: Duration, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + timeout;
    while !is_so() {
        assert!(Instant::now() < end, "not within {timeout:?}: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A moment on the kernel's clock before which nothing need happen.
pub fn soon() -> u64 {
    now() + 300_000_000
}

/// One before which everything happens, however slow the machine is.
pub fn much_later() -> u64 {
    now() + 3_600_000_000_000
}

/// Sleeps until that is over, for the filter, too.
pub fn sleep_until(moment: u64) {
    thread::sleep(Duration::from_nanos((moment + BEHIND).saturating_sub(now())));
}
