//! The meters of lines that ask again and again without credentials.

use xdp_prog::abi::{Address, Meter};

use super::maps::ASKED;

#[inline(always)]
pub(super) fn state(line: &Address) -> Option<&'static Meter> {
    // SAFETY: a reused slot would be another line's meter: that one is charged instead, once.
    if let Some(meter) = unsafe { ASKED.get(line) } {
        return Some(meter);
    }
    // A failure (no memory) shows in the second look-up.
    let _ = ASKED.insert(line, Meter::default(), 0);
    // SAFETY: as above.
    unsafe { ASKED.get(line) }
}
