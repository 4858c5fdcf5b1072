//! The kernel's clock, in which expiries are written.

use std::time::Duration;

use xdp_prog::abi::FOREVER;

use crate::time::Lifetime;

/// In a second.
const NANOSECONDS: u64 = 1_000_000_000;

/// When something ends that begins now.
pub fn expiry(now: u64, lasts: Lifetime) -> u64 {
    let Lifetime::For(lasts) = lasts else { return FOREVER };
    u64::try_from(lasts.as_nanos()).ok().and_then(|nanos| now.checked_add(nanos)).unwrap_or(FOREVER)
}

/// How long it is until then, in whole seconds: a second that has begun counts.
pub fn remaining(now: u64, expires: u64) -> Lifetime {
    match expires {
        FOREVER => Lifetime::Forever,
        _ => Lifetime::For(Duration::from_secs(expires.saturating_sub(now).div_ceil(NANOSECONDS))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_too_far_away_is_never() {
        let second = Lifetime::For(Duration::from_secs(1));
        for (now, lasts, expires) in [
            (5, Lifetime::Forever, FOREVER),
            (5, second, 1_000_000_005),
            (u64::MAX - 1, second, FOREVER),
            (5, Lifetime::For(Duration::MAX), FOREVER),
        ] {
            assert_eq!(expiry(now, lasts), expires, "{lasts:?}");
        }
        for now in [5, 6, NANOSECONDS + 4] {
            assert_eq!(remaining(now, NANOSECONDS + 5), second);
        }
        assert_eq!(remaining(6, 5), Lifetime::For(Duration::ZERO));
        assert_eq!(remaining(5, FOREVER), Lifetime::Forever);
    }
}
