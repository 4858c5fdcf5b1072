//! The names that the store knows switches by.

pub(super) const MODE: &str = "mode";

pub(super) const ONLY: &str = "trusted-only";

pub(super) const SIGNATURES: &str = "signatures";

/// Rules that were switched off by themselves.
pub(super) const OFF: &str = "rules-off";

pub(super) const ALL: [&str; 4] = [MODE, ONLY, SIGNATURES, OFF];

pub(super) const fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// A signature is named as a rule behind this.
pub(super) const SIGNATURE: &str = "signature:";
