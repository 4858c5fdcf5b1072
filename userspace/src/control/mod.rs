//! The control socket: how commands and programs talk to the daemon.

pub mod protocol;
