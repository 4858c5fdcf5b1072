//! Real sockets: a daemon that only pretends, and clients of every kind.

mod access;
mod clients;
mod daemon;
mod document;
mod garbage;
mod lost;
