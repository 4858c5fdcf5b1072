//! What the integration tests share.

pub mod command;
pub mod frame;
pub mod judges;
pub mod message;
pub mod namespace;
pub mod wait;
