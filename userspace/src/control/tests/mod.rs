//! Tests over real sockets: a test daemon, and clients of every kind.

mod access;
mod clients;
mod daemon;
mod document;
mod garbage;
mod lost;

pub(super) use document::every_call;
