//! Limits that the filter checks and traffic never reaches.

use xdp_prog::abi::{Policy, RateLimit, WINDOW_MAX_LIMIT};

/// The work stays on the path.
pub fn out_of_reach(policy: &mut Policy) {
    for limits in [&mut policy.stranger, &mut policy.newcomers, &mut policy.prefix, &mut policy.known] {
        limits.iter_mut().for_each(raise);
    }
}

fn raise(limit: &mut RateLimit) {
    if limit.interval != 0 {
        limit.interval = 1;
        limit.tolerance = u64::MAX / 2;
    }
    if limit.window != 0 {
        limit.window = 1;
        limit.window_max = WINDOW_MAX_LIMIT;
    }
}
