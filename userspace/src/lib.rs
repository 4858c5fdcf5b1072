//! sipward: the daemon and the CLI around the packet path.

pub mod address;
pub mod cli;
pub mod control;
pub mod daemon;
pub mod doctor;
pub mod dropped;
mod file_id;
pub mod first_line;
pub mod forecast;
pub mod guard;
pub mod kernel;
pub mod ledger;
pub mod lifeline;
pub mod list_file;
mod meters;
pub mod observe;
pub mod office;
pub mod pcapng;
pub mod places;
pub mod policy;
pub mod precedence;
pub mod printable;
pub mod probe;
pub mod replay;
pub mod roster;
pub mod sightings;
pub mod signature;
pub mod store;
mod text_file;
pub mod time;
pub mod wall;

#[cfg(test)]
mod torture;
