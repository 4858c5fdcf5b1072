//! Hosts that receive frames as fast as one CPU can send them, with the tools that operators use.
//!
//! ```text
//!   generator  wire0 ── eth0  server     one for each receiver: sipward, the guides' scripts, sets, nothing
//!              wire1 ── eth0  server
//! ```

mod generator;
mod receiver;
mod server;

pub use self::{
    generator::{Generator, Nozzle, PBX, with_checksum},
    receiver::{BANNED, CUSTOMER, Receiver, guides_script},
    server::{Seen, Server},
};
