//! The bounds of the observer's memory.
//!
//! Everything here has a bound, and at the bound the oldest goes first. Most of it is kept in two tiers of that size
//! each: one for sources that have proven their address, one for everybody else. Whoever sends packets in the names of
//! strangers, however many, fills the second only.

/// Of each: how many, in each of its tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Requests that wait for their answer; four times as many answered ones, to know them again.
    pub transactions: usize,
    /// Challenges of the PBX.
    pub nonces: usize,
    /// Sources that have proven their address (IPv6: by /64).
    pub verified_sources: usize,
    /// TCP connections. An unfinished message is kept of one in eight, with at most 24 KiB each.
    pub connections: usize,
    /// Accounts, and as many sources, of which it is known how they fared lately.
    pub histories: usize,
}

impl Default for Settings {
    /// About 100 MiB where everything is full, which only a flood from many real addresses does.
    fn default() -> Self {
        Self {
            transactions: 16_384,
            nonces: 65_536,
            verified_sources: 65_536,
            connections: 8_192,
            histories: 8_192,
        }
    }
}
