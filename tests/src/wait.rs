//! Waiting for something instead of sleeping.

use std::{
    thread,
    time::{Duration, Instant},
};

use sipward::kernel::now;

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

/// A moment on the kernel's clock that is far enough for what is to happen before, on a machine that does much else.
pub fn soon() -> u64 {
    now() + 2_000_000_000
}

/// Sleeps until that is over, for the filter, too.
pub fn sleep_until(moment: u64) {
    thread::sleep(Duration::from_nanos((moment + BEHIND).saturating_sub(now())));
}
