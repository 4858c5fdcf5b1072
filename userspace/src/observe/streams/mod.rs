//! SIP messages out of TCP connections, as far as they can be seen.
//!
//! What is kept of a connection is small, and of an unfinished message no more than a
//! header may have, and a few segments that wait for an earlier one. Connections on which the
//! PBX has said something stand apart from those on which it has not: half-open ones, and ones that exist only in forged
//! packets, push out each other. The longest idle goes first.

mod framing;
mod half;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use self::half::{Half, Kept, Segment};
use super::{
    acquaintances::Neighbourhood,
    message::Message,
    recent::Recent,
    shelves::Shelves,
    tapped::{Direction, Tapped, TcpSegment},
};

/// Of so many connections one may have something unfinished.
const UNFINISHED: usize = 8;

type Name = (SocketAddr, SocketAddr);

#[derive(Debug)]
pub(super) struct Streams {
    connections: Shelves<Name, Connection>,
    unfinished: Recent<(Name, bool), Kept>,
    forgotten: u64,
    out_of_step: u64,
}

#[derive(Debug)]
struct Connection {
    theirs: Half,
    ours: Half,
    /// The PBX has said something on it.
    answered: bool,
}

impl Streams {
    pub(super) fn new(connections: usize) -> Self {
        Self {
            connections: Shelves::new(connections),
            unfinished: Recent::new(connections / UNFINISHED),
            forgotten: 0,
            out_of_step: 0,
        }
    }

    pub(super) const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub(super) const fn out_of_step(&self) -> u64 {
        self.out_of_step
    }

    pub(super) fn see(
        &mut self,
        packet: &Tapped<'_>,
        segment: TcpSegment,
        message: impl FnMut(&Message<'_>),
    ) {
        let name = (packet.remote, packet.local);
        let inbound = packet.direction == Direction::In;
        let before = self.connections.remove(&name);
        let mut connection = match before {
            _ if segment.begins => Connection::from_start(inbound, segment.sequence),
            Some(connection) => connection,
            None if packet.length == 0 => return,
            None => Connection::from_the_middle(),
        };
        if segment.begins {
            self.drop_unfinished(name);
        }
        if packet.length > 0 {
            connection.answered |= !inbound;
            let Tapped { at, length, payload, .. } = *packet;
            let half = connection.half(inbound);
            let kept = self.unfinished.remove(&(name, inbound));
            let segment = Segment { at, sequence: segment.sequence, length, payload };
            if let Some(kept) = half.see(kept, segment, message) {
                self.forgotten += u64::from(self.unfinished.insert((name, inbound), kept).is_some());
            }
            self.out_of_step += half.take_lost();
        }
        if segment.ends {
            self.drop_unfinished(name);
            return;
        }
        let whose = connection.answered.then(|| Neighbourhood::of(packet.remote.ip()));
        self.forgotten += u64::from(self.connections.insert(name, connection, whose));
    }

    fn drop_unfinished(&mut self, name: Name) {
        self.unfinished.remove(&(name, true));
        self.unfinished.remove(&(name, false));
    }
}

impl Connection {
    fn from_start(inbound: bool, sequence: u32) -> Self {
        let (theirs, ours) = if inbound { (Some(sequence), None) } else { (None, Some(sequence)) };
        Self { theirs: Half::from_start(theirs), ours: Half::from_start(ours), answered: false }
    }

    fn from_the_middle() -> Self {
        Self { theirs: Half::from_the_middle(), ours: Half::from_the_middle(), answered: false }
    }

    const fn half(&mut self, inbound: bool) -> &mut Half {
        if inbound { &mut self.theirs } else { &mut self.ours }
    }
}
