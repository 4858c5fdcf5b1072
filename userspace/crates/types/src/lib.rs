//! The types that all crates share: addresses, accounts, flows, times, evidence, and their forms as keys of the maps.

pub mod account;
pub mod address;
pub mod drop_event;
pub mod evidence;
pub mod fifo_map;
pub mod flow;
pub mod list_entry;
pub mod map_key;
pub mod meters;
pub mod printable;
pub mod probe_address;
pub mod tapped;
pub mod text_file;
pub mod time;
