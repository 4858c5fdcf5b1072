//! Crowds: many customers at once, alone and beside those who flood.
//!
//! [`innocents`] judges their first packets. [`site`] closes the loop: the filter, the observer and the guard as they
//! are, a PBX that challenges, and phones that repeat what is not answered, in a time of its own.

mod chance;
mod innocents;
mod phone;
mod scenes;
mod site;

/// Of a host that has run for ten days, in nanoseconds.
const START: u64 = 240 * 3_600 * 1_000_000_000;

/// A REGISTER without credentials.
fn register(from: &str, n: u64, agent: &str) -> Vec<u8> {
    phone::register(from, n, n, 1, agent, None)
}
