//! The maps of guesses: credentials that lines have tried, nonces that were issued, accounts that have worked.

use xdp_prog::{
    abi::{Address, AddressHash, GuessState, Refunds},
    guess::{Budget, NEW_LINES as LIMIT, Tally},
};

use super::{
    maps::{CHARGED, GUESSES_ISSUED, GUESSES_OTHER, ISSUED, NEW_LINES, REFUNDS, WORKED},
    world::scratch,
};

#[inline(always)]
pub(super) fn tally() -> Tally {
    // SAFETY: this CPU's own, copied at once.
    scratch().map_or_else(Tally::default, |scratch| unsafe { (*scratch).tally })
}

#[inline(always)]
pub(super) fn set_tally(tally: Tally) {
    if let Some(scratch) = scratch() {
        // SAFETY: this CPU's own, and nothing else refers to this part of it.
        unsafe { (*scratch).tally = tally };
    }
}

#[inline(always)]
pub(super) fn worked(there: &AddressHash, now: u64) -> bool {
    // SAFETY: read at once.
    matches!(unsafe { WORKED.get(there) }, Some(until) if *until > now)
}

#[inline(always)]
pub(super) fn issued(to: &AddressHash) -> bool {
    // SAFETY: only whether it is there counts.
    to.hash != 0 && unsafe { ISSUED.get(to) }.is_some()
}

#[inline(always)]
pub(super) fn has_state(line: &Address) -> bool {
    // SAFETY: only whether it is there counts.
    unsafe { GUESSES_ISSUED.get(line).is_some() || GUESSES_OTHER.get(line).is_some() }
}

#[inline(always)]
pub(super) fn state(budget: Budget, line: &Address, now: u64) -> Option<&'static GuessState> {
    match budget {
        Budget::Issued => {
            // SAFETY: a reused slot would be another line's state: that one is charged instead, once.
            if let Some(state) = unsafe { GUESSES_ISSUED.get(line) } {
                return Some(state);
            }
            // A failure (no memory) shows in the second look-up.
            let _ = GUESSES_ISSUED.insert(line, GuessState::default(), 0);
            // SAFETY: as above.
            unsafe { GUESSES_ISSUED.get(line) }
        }
        Budget::Other => {
            // SAFETY: as above.
            if let Some(state) = unsafe { GUESSES_OTHER.get(line) } {
                return Some(state);
            }
            let meter = NEW_LINES.get(0)?;
            meter.commit(meter.admits(&LIMIT, 1, now, 1)?);
            let _ = GUESSES_OTHER.insert(line, GuessState::default(), 0);
            // SAFETY: as above.
            unsafe { GUESSES_OTHER.get(line) }
        }
    }
}

#[inline(always)]
pub(super) fn refunds(line: &Address) -> Refunds {
    // SAFETY: copied at once.
    unsafe { REFUNDS.get(line).copied() }.unwrap_or_default()
}

#[inline(always)]
pub(super) fn charged_until(credentials: &AddressHash) -> u64 {
    // SAFETY: copied at once.
    unsafe { CHARGED.get(credentials).copied() }.unwrap_or_default()
}

#[inline(always)]
pub(super) fn charge_once(credentials: &AddressHash, until: u64) {
    // On failure (no memory) a retransmission is charged, too.
    let _ = CHARGED.insert(credentials, until, 0);
}
