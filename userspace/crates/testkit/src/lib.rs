//! Builders and data that the tests of several crates share. Only tests depend on this crate.

pub mod frame;
pub mod message;
pub mod scratch;
pub mod skipped;
pub mod torture;
