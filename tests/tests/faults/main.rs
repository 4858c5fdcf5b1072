//! Faults around the daemon: disks, pins, configurations and clients. The filter goes on, and the daemon reports the
//! fault and its remedy.

mod clients;
mod detached;
mod disk;
mod pins;
mod reload;
mod site;
mod wire;
