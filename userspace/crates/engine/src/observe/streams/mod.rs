//! SIP messages out of TCP connections, as far as they can be seen.
//!
//! The state of a connection is small, and of an unfinished message no more than a
//! header may have, and a few segments that wait for an earlier one. Connections on which the
//! PBX has said something stand apart from those on which it has not: half-open ones, and ones that exist only in forged
//! packets, push out each other. The longest idle goes first.

mod half;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use self::half::{Half, KeptSegments, Segment};
use super::{two_tier_map::TwoTierMap, verified_sources::VerifiedNet};
use sipward_sip::Message;
use sipward_types::fifo_map::FifoMap;
use sipward_types::tapped::{Charges, Direction, Tapped, TcpSegment};

/// Of so many connections one may have something unfinished.
const UNFINISHED: usize = 8;

type Name = (SocketAddr, SocketAddr);

/// Where a header ends in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) before: u32,
    /// The PBX has acknowledged what stands before. Otherwise the message may be from nowhere.
    pub(super) fits: bool,
    /// For the credentials in it.
    pub(super) charged: Charges,
}

/// Where a message stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// In what comes to the PBX.
    Theirs(End),
    /// In what the PBX sends: by then it had read what came up to there.
    Ours { acknowledged: Option<u32> },
}

#[derive(Debug)]
pub(super) struct Streams {
    connections: TwoTierMap<Name, Connection>,
    unfinished: FifoMap<(Name, bool), KeptSegments>,
    forgotten: u64,
    out_of_step: u64,
}

#[derive(Debug)]
struct Connection {
    theirs: Half,
    ours: Half,
    /// The PBX has said something on it.
    answered: bool,
    /// Up to where the PBX has read what came.
    acknowledged: Option<u32>,
    /// For credentials of a message that is not complete.
    charged: Charges,
}

impl Streams {
    pub(super) fn new(connections: usize) -> Self {
        Self {
            connections: TwoTierMap::new(connections),
            unfinished: FifoMap::new(connections / UNFINISHED),
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

    /// False: something that the PBX said was not understood.
    pub(super) fn see(
        &mut self,
        packet: &Tapped<'_>,
        segment: TcpSegment,
        mut message: impl FnMut(&Message<'_>, Place),
    ) -> bool {
        let name = (packet.remote, packet.local);
        let inbound = packet.direction == Direction::In;
        // A SYN acknowledges nothing: this is the end of a handshake, which the filter has seen.
        let opened = segment.acknowledged.filter(|_| segment.begins && inbound);
        let mut connection = match self.connections.remove(&name) {
            _ if opened.is_some() => {
                self.drop_unfinished(name);
                Connection::from_handshake(segment.sequence, opened)
            }
            // Anybody can say that a connection begins anew: then the PBX answers that.
            Some(connection) if !segment.begins || inbound && connection.answered => connection,
            None if !segment.begins && packet.length == 0 => return true,
            None if !segment.begins => Connection::from_the_middle(),
            _ => {
                self.drop_unfinished(name);
                Connection::from_start(inbound, segment.sequence)
            }
        };
        let mut charges = connection.charged;
        charges.add(packet.charged);
        let mut taken = |found: &Message<'_>| match found.credentials.is_empty() {
            true => Charges::default(),
            false => std::mem::take(&mut charges),
        };
        if let Some(read) = segment.acknowledged.filter(|_| !inbound) {
            connection.acknowledged = Some(read);
            let emit = |found: &Message<'_>, before| {
                let charged = taken(found);
                message(found, Place::Theirs(End { before, fits: true, charged }));
            };
            let kept = self.unfinished.remove(&(name, true));
            let kept = connection.theirs.acknowledge(kept, packet.at, read, emit);
            self.put_back((name, true), kept);
        }
        // Data that comes with a SYN comes again if the PBX did not take it.
        if packet.length > 0 && (!(inbound && segment.begins) || opened.is_some()) {
            connection.answered |= !inbound;
            let acknowledged = connection.acknowledged;
            let fits = acknowledged.is_some();
            let emit = |found: &Message<'_>, before| match inbound {
                true => message(found, Place::Theirs(End { before, fits, charged: taken(found) })),
                false => message(found, Place::Ours { acknowledged }),
            };
            let Tapped { at, length, payload, .. } = *packet;
            let kept = self.unfinished.remove(&(name, inbound));
            let segment = Segment { at, sequence: segment.sequence, length, payload };
            let kept = connection.half(inbound).see(kept, segment, emit);
            self.put_back((name, inbound), kept);
        }
        connection.charged = charges;
        self.out_of_step += connection.theirs.take_lost() + connection.ours.take_lost();
        let all = inbound || !connection.ours.take_missed();
        // A RST or FIN that does not fit is as good as none.
        let end = segment.sequence.wrapping_add(packet.length);
        if segment.ends && (!inbound || !connection.answered || connection.theirs.is_at(end)) {
            self.drop_unfinished(name);
            return all;
        }
        let whose = connection.answered.then(|| VerifiedNet::of(packet.remote.ip()));
        self.forgotten += u64::from(self.connections.insert(name, connection, whose));
        all
    }

    fn put_back(&mut self, name: (Name, bool), kept: Option<KeptSegments>) {
        if let Some(kept) = kept {
            self.forgotten += u64::from(self.unfinished.insert(name, kept).is_some());
        }
    }

    fn drop_unfinished(&mut self, name: Name) {
        self.unfinished.remove(&(name, true));
        self.unfinished.remove(&(name, false));
    }
}

impl Connection {
    fn from_start(inbound: bool, sequence: u32) -> Self {
        let (theirs, ours) = if inbound { (Some(sequence), None) } else { (None, Some(sequence)) };
        Self {
            theirs: Half::from_start(theirs),
            ours: Half::from_start(ours),
            answered: false,
            acknowledged: None,
            charged: Charges::default(),
        }
    }

    /// `ours`: the number of the PBX's first byte.
    fn from_handshake(theirs: u32, ours: Option<u32>) -> Self {
        Self {
            theirs: Half::from_start(Some(theirs)),
            ours: Half::from_start(ours),
            answered: true,
            acknowledged: Some(theirs),
            charged: Charges::default(),
        }
    }

    fn from_the_middle() -> Self {
        let (theirs, ours) = (Half::from_the_middle(), Half::from_the_middle());
        Self { theirs, ours, answered: false, acknowledged: None, charged: Charges::default() }
    }

    const fn half(&mut self, inbound: bool) -> &mut Half {
        if inbound { &mut self.theirs } else { &mut self.ours }
    }
}
