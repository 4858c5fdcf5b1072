//! When a rule is flagged, as the operator sets it.

use std::ops::RangeInclusive;

/// Where each setting makes sense.
pub const SHARE: RangeInclusive<u32> = 1..=100;
pub const SOURCES: RangeInclusive<u32> = 1..=1_000;

/// A rule is flagged if so many of the sources that it dropped authenticated afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// In a hundred.
    pub share: u32,
    /// At least so many: of two sources, one is already a half.
    pub sources: u32,
    /// A flagged rule is switched off automatically, where that is possible.
    pub switch_off: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { share: 5, sources: 3, switch_off: false }
    }
}
