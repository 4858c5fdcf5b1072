//! Checks of the wall clock, in which the store keeps the ends of bans.

use std::{
    mem,
    time::{SystemTime, UNIX_EPOCH},
};

use super::finding::Finding;

const CHECK: &str = "clock";
/// 2025 began. No host that runs this is older.
const PLAUSIBLE: u64 = 1_735_689_600;

pub(super) struct Facts {
    /// Since 1970.
    seconds: u64,
    /// The clock is synchronised; none if the kernel does not report it.
    synchronised: Option<bool>,
}

pub(super) fn read() -> Facts {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Facts { seconds, synchronised: synchronised() }
}

fn synchronised() -> Option<bool> {
    // SAFETY: integers; no modes, so nothing is set.
    let mut time: libc::timex = unsafe { mem::zeroed() };
    // SAFETY: room for one `timex`.
    if unsafe { libc::adjtimex(&raw mut time) } < 0 {
        return None;
    }
    Some(time.status & libc::STA_UNSYNC == 0)
}

pub(super) fn check(Facts { seconds, synchronised }: &Facts) -> Finding {
    if *seconds < PLAUSIBLE {
        return Finding::bad(
            CHECK,
            "the wall clock is before 2025, so bans would end at wrong times after a restart",
            "`timedatectl set-ntp true`, or `date --set`",
        );
    }
    match synchronised {
        Some(true) => Finding::ok(CHECK, "plausible and synchronised"),
        Some(false) => Finding::warn(
            CHECK,
            "the wall clock is not synchronised, and after a restart bans end by it",
            "`timedatectl set-ntp true`, or install chrony",
        ),
        None => Finding::warn(
            CHECK,
            "the kernel does not report whether the wall clock is synchronised",
            "compare `date` with another clock",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::finding::{State, tests::says},
        *,
    };

    #[test]
    fn a_clock_is_plausible_and_kept_right() {
        let with = |seconds, synchronised| check(&Facts { seconds, synchronised });
        says(&with(PLAUSIBLE, Some(true)), State::Ok, &[]);
        says(&with(PLAUSIBLE - 1, Some(true)), State::Bad, &["before 2025", "timedatectl"]);
        says(&with(PLAUSIBLE, Some(false)), State::Warn, &["not synchronised", "chrony"]);
        says(&with(PLAUSIBLE, None), State::Warn, &["does not report", "date"]);
    }
}
