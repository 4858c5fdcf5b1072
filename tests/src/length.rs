//! How long a test takes: every run has the short form, `cargo xtask test --long` the long one. Both assert the same.

use std::env;

/// Set for the long form.
const VARIABLE: &str = "SIPWARD_LONG";

pub fn is_long() -> bool {
    env::var_os(VARIABLE).is_some()
}

pub fn by_length<T>(short: T, long: T) -> T {
    if is_long() { long } else { short }
}
