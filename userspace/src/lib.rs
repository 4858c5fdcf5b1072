//! sipward: the daemon and the CLI around the packet path.

pub mod address;
pub mod ban_safety;
pub mod cli;
pub mod clock;
pub mod control;
pub mod controller;
pub mod daemon;
pub mod doctor;
pub mod dropped;
pub mod false_positives;
mod file_id;
pub mod first_line;
pub mod forecast;
pub mod guard;
pub mod kernel;
pub mod list_file;
pub mod lists;
mod meters;
pub mod observe;
pub mod paths;
pub mod pcapng;
pub mod policy;
pub mod precedence;
pub mod printable;
pub mod probe;
pub mod recent_drops;
pub mod replay;
pub mod signature;
pub mod store;
mod text_file;
pub mod time;

#[cfg(test)]
mod torture;
