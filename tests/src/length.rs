//! The two lengths of a test: the short form of every run, and the long form of `cargo xtask test --long`. Both have the
//! same assertions.

use std::{env, time::Duration};

/// Set for the long form.
const VARIABLE: &str = "SIPWARD_LONG";

pub fn is_long() -> bool {
    env::var_os(VARIABLE).is_some()
}

pub fn by_length<T>(short: T, long: T) -> T {
    if is_long() { long } else { short }
}

/// The length of an hour in the long form: the number of seconds in the variable, if that is more than one.
pub fn hour() -> Duration {
    const HOUR: u64 = 3_600;
    let said = env::var(VARIABLE).ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(said.filter(|seconds| *seconds > 1).unwrap_or(HOUR))
}
