//! Waiting for something instead of sleeping.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Asks again and again until it is so; panics with `what` if it is not in time.
pub fn wait_until(what: &str, timeout: Duration, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + timeout;
    while !is_so() {
        assert!(Instant::now() < end, "not within {timeout:?}: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
