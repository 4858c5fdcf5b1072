//! The choice of packets that are copied to userspace while a capture runs.

use crate::{
    abi::{Capture, CaptureState, capture},
    reason::{Action, Reason},
};

const SECOND: u64 = 1_000_000_000;

impl Capture {
    #[inline(always)]
    pub const fn wants(&self, reason: Reason) -> bool {
        match self.mode {
            capture::DROPS => matches!(reason.action(), Action::Drop),
            capture::JUDGED => reason.is_for_sip(),
            _ => false,
        }
    }
}

impl CaptureState {
    /// True: there is room for another packet in this second.
    #[inline(always)]
    pub fn admits(&mut self, now: u64, budget: u32) -> bool {
        if now.saturating_sub(self.since) >= SECOND {
            (self.since, self.taken) = (now, 0);
        }
        if self.taken >= budget as u64 {
            return false;
        }
        self.taken += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_for_a_sip_port_is_never_wanted() {
        for reason in [Reason::NotIp, Reason::OtherPort, Reason::BadIp, Reason::Fragment] {
            for mode in 0..5 {
                assert!(!Capture { mode, ..Capture::default() }.wants(reason), "{mode} {}", reason.name());
            }
        }
    }

    #[test]
    fn a_mode_says_what_is_wanted_and_an_unknown_one_is_off() {
        for &reason in Reason::ALL {
            let drops = reason.action() == Action::Drop;
            let wanted = [capture::OFF, capture::DROPS, capture::JUDGED, 3]
                .map(|mode| Capture { mode, ..Capture::default() }.wants(reason));
            assert_eq!(wanted, [false, drops, reason.is_for_sip(), false], "{}", reason.name());
            assert!(reason.is_for_sip() || !drops, "{}", reason.name());
        }
    }

    #[test]
    fn the_budget_is_for_each_second() {
        let mut state = CaptureState::default();
        for second in 60..63 {
            let admitted = (0..10).filter(|part| state.admits(second * SECOND + part, 4)).count();
            assert_eq!(admitted, 4);
        }
        assert!(!state.admits(100 * SECOND, 0));
    }
}
