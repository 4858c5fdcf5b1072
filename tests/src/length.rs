//! How long a test takes: every run has the short form, `cargo xtask test --long` the long one. Both assert the same.

use std::{env, time::Duration};

/// Set for the long form.
const VARIABLE: &str = "SIPWARD_LONG";

pub fn is_long() -> bool {
    env::var_os(VARIABLE).is_some()
}

pub fn by_length<T>(short: T, long: T) -> T {
    if is_long() { long } else { short }
}

/// What the long form calls an hour: as many seconds as the variable says, if it says more than one.
pub fn hour() -> Duration {
    const HOUR: u64 = 3_600;
    let said = env::var(VARIABLE).ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(said.filter(|seconds| *seconds > 1).unwrap_or(HOUR))
}
