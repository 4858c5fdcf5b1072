//! What the integration tests share.

pub mod caller;
pub mod command;
pub mod cpu;
pub mod daemon;
pub mod dice;
pub mod figures;
pub mod flood;
pub mod frame;
pub mod judges;
pub mod message;
pub mod namespace;
pub mod pbx;
pub mod scratch;
pub mod tool;
pub mod wait;
