//! What goes wrong around the daemon: disks, pins, configurations and clients. The filter goes on, and what is wrong
//! is said, with what to do about it.

mod clients;
mod disk;
mod pins;
mod reload;
mod site;
mod wire;
