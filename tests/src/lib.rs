//! The code that the integration tests and the benchmarks share.

pub mod attack;
pub mod auth_pbx;
pub mod baresip;
pub mod caller;
pub mod command;
pub mod cpu;
pub mod daemon;
pub mod digest;
pub mod dispatched;
pub mod edge;
pub mod figures;
pub mod filter_pair;
pub mod flood;
pub mod forge;
pub mod guesser;
pub mod length;
pub mod limits;
pub mod namespace;
pub mod pbx;
mod raw_map;
pub mod raw_program;
pub mod report;
pub mod rng;
#[cfg(test)]
mod schema;
pub mod scratch;
pub mod signatures;
pub mod sip_phone;
pub mod stack;
pub mod tcp;
pub mod terminal;
pub mod tool;
pub mod turns;
pub mod unit_file;
pub mod wait;
pub mod wire;

pub use sipward_testkit::{frame, message, skipped};
