//! The other end of a hop.

use std::net::SocketAddr;

use sipward_types::flow::Transport;

/// A place that messages come from, and that others are sent to: a peer, as one of the edge's sockets sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    pub side: Side,
    /// The index of the listener on that side.
    pub listener: u8,
    pub transport: Transport,
    pub peer: SocketAddr,
    /// Of TCP: no two connections of one run of the edge have the same number. Zero: none, or one that has yet to be made.
    pub connection: u64,
}

/// Which of the edge's two sides a socket is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The side of phones and strangers.
    Outer,
    /// The side of the PBX.
    Inner,
}

/// An address that the edge writes into messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    pub transport: Transport,
    /// A name, an IPv4 address or an IPv6 address in brackets; with its port.
    pub host: String,
    pub port: u16,
}
