//! The order of the segments of a TCP connection: the place where each goes on, and the state that is kept for the
//! next.
//!
//! A connection counts once its handshake was seen: the SYN-ACK that left, and what came in answer to it. Whoever forges
//! an address does not get that far. What is carried on belongs to one sequence number; the step before it is kept too, for a
//! segment that is sent again. Nothing else is carried on: what came too early, too late, or in another place.

use super::World;
use crate::{
    abi::{Carried, Handshake, StreamKey, StreamState, phase},
    bytes::Bytes,
    frame::{Packet, flag},
    packed::packed_enum,
    sip::{self, Kind},
    stream::Begin,
};

/// In bytes: a segment that is farther from the place where the stream goes on belongs to no connection, and the stack
/// refuses it.
const WINDOW: i32 = 1 << 20;

/// The place of a segment in its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Place {
    /// Of a connection whose beginning was not seen.
    Unknown = 0,
    /// Far from where its connection goes on.
    Outside = 1,
    /// Of a known connection; the bytes before it are not known.
    Gap = 2,
    /// Between two messages.
    Start = 3,
    /// In a message that began in an earlier segment.
    Inside = 4,
    /// The last byte once more, as a probe whether the other end is alive.
    Probe = 5,
}

packed_enum!(Place: Unknown | Outside | Gap | Start | Inside | Probe, or Unknown);

impl Place {
    /// The handshake was seen, and the segment may belong to that connection.
    #[inline(always)]
    pub const fn is_connected(self) -> bool {
        matches!(self, Self::Gap | Self::Start | Self::Inside)
    }
}

/// Finds where a packet stands in its connection, and readies what it goes on from. Where a handshake is complete with it,
/// the connection is known from then on.
#[inline(always)]
pub fn find<W: World>(world: &W, packet: &mut Packet) -> Place {
    let key = packet.stream_key();
    let generation = world.generation();
    let first = world.payload(packet).byte(0).unwrap_or(0);
    let (sequence, length) = (packet.sequence, packet.length);
    let place = world.with_stream(&key, |stream| {
        world.with_carried(|carried| stream.find(sequence, length, first, generation, carried))
    });
    let place = match place {
        Some(Some(place)) if !matches!(place, Place::Outside | Place::Gap) => place,
        // Another connection of the same ports.
        _ if world.answers_handshake(&key, packet) => {
            world.open_stream(&key, &StreamState::new(sequence));
            world.with_carried(|carried| *carried = Carried::START);
            packet.flags |= flag::OPENS;
            Place::Start
        }
        Some(Some(place)) => place,
        _ => Place::Unknown,
    };
    if place.is_connected() {
        packet.flags |= flag::CONNECTED;
    }
    place
}

/// Keeps what a segment left behind it.
#[inline(always)]
pub fn keep<W: World>(world: &W, packet: &Packet) {
    let (sequence, length) = (packet.sequence, packet.length);
    world.with_stream(&packet.stream_key(), |stream| {
        world.with_carried(|carried| stream.keep(sequence, length, carried));
    });
}

/// A number for a segment, which is the same when it is sent again, and which its sender cannot choose without the key. Of
/// a fragment it is another one each time.
#[inline(always)]
pub const fn place_number(packet: &Packet, key: u64) -> u64 {
    let key = key | 1;
    let place = (packet.sequence as u64) << 32 | packet.acknowledged as u64;
    let part = (packet.fragment_id as u64) << 32 | packet.fragment_end as u64;
    let ports = (packet.source_port as u64) << 16 | packet.destination_port as u64;
    let mixed = (place ^ key).wrapping_mul(key).rotate_left(31) ^ part;
    (mixed.wrapping_mul(key).rotate_left(29) ^ ports).wrapping_mul(key)
}

/// The kind of message that a segment begins with. `kind`: that of the segment alone.
#[inline(always)]
pub fn kind(place: Place, payload: Bytes<'_>, length: u32, kind: impl FnOnce() -> Kind) -> Kind {
    if matches!(place, Place::Inside) {
        return sip::request_line(payload, length).unwrap_or(Kind::NotSip);
    }
    match kind() {
        // A message that is hidden in STUN does not get past.
        Kind::Keepalive if sip::has_cookie(payload) => Kind::NotSip,
        kind => kind,
    }
}

/// The place where the walk through a segment begins. There is nothing in blanks between messages, in a probe, and in
/// what the stack refuses.
#[inline(always)]
pub const fn begin(place: Place, kind: Kind) -> Begin {
    match (place, kind) {
        (Place::Inside, Kind::Request(_)) => Begin::CarriedRequest,
        (Place::Inside, _) => Begin::Carried,
        (_, Kind::Response) => Begin::Response,
        (_, Kind::Request(_) | Kind::UnknownMethod) => Begin::Request,
        (Place::Start, Kind::NotSip | Kind::Hidden) => Begin::Carried,
        (Place::Unknown | Place::Gap, Kind::NotSip | Kind::Hidden) => Begin::Anywhere,
        (_, Kind::NotSip | Kind::Hidden | Kind::Keepalive) => Begin::Nowhere,
    }
}

impl Packet {
    /// The key for a segment that has come in.
    #[inline(always)]
    pub const fn stream_key(&self) -> StreamKey {
        StreamKey {
            remote: self.source,
            local: self.destination,
            remote_port: self.source_port as u32,
            local_port: self.destination_port as u32,
        }
    }

    /// The key for a segment that leaves.
    #[inline(always)]
    pub const fn answered_stream_key(&self) -> StreamKey {
        StreamKey {
            remote: self.destination,
            local: self.source,
            remote_port: self.destination_port as u32,
            local_port: self.source_port as u32,
        }
    }
}

impl Carried {
    /// The place is not known.
    pub const LOST: Self = Self {
        generation: 0,
        length: 0,
        row: 0,
        phase: phase::LOST,
        digits: 0,
        head_length: 0,
        after_return: 0,
        head: [0; 2],
    };
    /// In a datagram whose rest is not looked at.
    #[inline(always)]
    pub const fn unread(generation: u32) -> Self {
        Self { phase: phase::DATAGRAM, generation, ..Self::LOST }
    }

    /// Between two messages.
    pub const START: Self = Self { phase: phase::START, ..Self::LOST };

    /// Forgets what is not so under the signatures of that generation: a row is of one set.
    #[inline(always)]
    pub const fn adapt(&mut self, generation: u32) {
        if self.generation == generation {
            return;
        }
        match self.phase {
            phase::START | phase::HEAD => {}
            // Its length says where it ends.
            phase::BODY => self.row = 0,
            _ => *self = Self::LOST,
        }
    }

    /// The place is known.
    #[inline(always)]
    pub const fn is_somewhere(&self) -> bool {
        self.phase != phase::LOST
    }

    #[inline(always)]
    const fn place(&self) -> Place {
        match self.phase {
            phase::LOST => Place::Gap,
            phase::START => Place::Start,
            _ => Place::Inside,
        }
    }
}

impl Handshake {
    /// The numbers for a SYN-ACK that leaves.
    #[inline(always)]
    pub const fn of(sent: &Packet) -> Self {
        Self { sequence: sent.acknowledged, acknowledged: sent.sequence }
    }

    /// True: the packet answers it. That is the ACK, or the first segment, which has the same numbers. Nobody who does
    /// not get the SYN-ACK knows both.
    #[inline(always)]
    pub const fn is_answered_by(&self, packet: &Packet) -> bool {
        packet.is(flag::ACKNOWLEDGES)
            && !packet.is(flag::ENDS)
            && packet.sequence == self.sequence
            && packet.acknowledged == self.acknowledged
    }
}

impl StreamState {
    /// The state of a connection whose next byte has that number.
    #[inline(always)]
    pub const fn new(sequence: u32) -> Self {
        Self { next: sequence, previous: sequence, now: Carried::START, before: Carried::START }
    }

    /// The place of a segment that begins there with that byte. The state that it goes on from is put into `carried`.
    #[inline(always)]
    pub fn find(
        &self,
        sequence: u32,
        length: u32,
        first: u8,
        generation: u32,
        carried: &mut Carried,
    ) -> Place {
        // Some stacks send the last byte again, as zero.
        let is_probe = length == 1 && first == 0 && sequence.wrapping_add(1) == self.next;
        if sequence == self.next {
            *carried = self.now;
        } else if sequence == self.previous && !is_probe {
            *carried = self.before;
        } else {
            *carried = Carried::LOST;
            let ahead = sequence.wrapping_sub(self.next).cast_signed();
            let is_near = ahead < WINDOW && ahead > -WINDOW;
            return if is_probe {
                Place::Probe
            } else if is_near {
                Place::Gap
            } else {
                Place::Outside
            };
        }
        carried.adapt(generation);
        carried.place()
    }

    /// Keeps what a segment left that passes.
    #[inline(always)]
    pub fn keep(&mut self, sequence: u32, length: u32, carried: &Carried) {
        let end = sequence.wrapping_add(length);
        let ahead = end.wrapping_sub(self.next).cast_signed();
        if sequence == self.next {
            self.before = self.now;
            self.previous = sequence;
        } else if ahead <= 0 {
            // Of two that differ, it is not known which one the stack took.
            if ahead == 0 && sequence == self.previous && self.now != *carried {
                self.now = Carried::LOST;
            }
            return;
        } else if sequence != self.previous {
            // The missing bytes may still come.
            self.before = self.now;
            self.previous = self.next;
        }
        self.now = *carried;
        self.next = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: u32 = 7;

    fn at(row: u16) -> Carried {
        Carried { phase: phase::HEADERS, row, generation: SET, ..Carried::LOST }
    }

    fn find(stream: &StreamState, sequence: u32) -> (Place, u16) {
        let mut carried = Carried::LOST;
        (stream.find(sequence, 10, b'x', SET, &mut carried), carried.row)
    }

    /// Segments of ten bytes from 100 on; the row is the number of the byte behind each.
    fn stream(segments: &[u32]) -> StreamState {
        let mut stream = StreamState::new(100);
        segments.iter().for_each(|sequence| stream.keep(*sequence, 10, &at(*sequence as u16 + 10)));
        stream
    }

    #[test]
    fn a_segment_goes_on_where_the_last_one_ended_or_in_its_place() {
        assert_eq!(find(&stream(&[]), 100), (Place::Start, 0));
        let stream = stream(&[100, 110]);
        assert_eq!(find(&stream, 120), (Place::Inside, 120));
        assert_eq!(find(&stream, 110), (Place::Inside, 110), "sent again");
        assert_eq!(find(&stream, 100), (Place::Gap, 0), "two steps back");
        assert_eq!(find(&stream, 115), (Place::Gap, 0));
        assert_eq!(find(&stream, 130), (Place::Gap, 0));
        for far in [1 << 20, 1 << 31, u32::MAX - (1 << 21)] {
            assert_eq!(find(&stream, 120_u32.wrapping_add(far)), (Place::Outside, 0));
        }
    }

    #[test]
    fn numbers_wrap_around() {
        let mut stream = StreamState::new(u32::MAX - 4);
        stream.keep(u32::MAX - 4, 10, &at(1));
        assert_eq!(find(&stream, 5), (Place::Inside, 1));
        assert_eq!(find(&stream, u32::MAX - 4), (Place::Start, 0));
        assert_eq!(find(&stream, u32::MAX), (Place::Gap, 0));
    }

    #[test]
    fn the_same_segment_again_changes_nothing_and_another_in_its_place_is_not_believed() {
        let mut stream = stream(&[100, 110]);
        let before = stream;
        stream.keep(110, 10, &at(120));
        assert_eq!(stream, before);
        stream.keep(110, 5, &at(115));
        assert_eq!(stream, before, "a part of it");
        stream.keep(110, 10, &at(999));
        assert_eq!(find(&stream, 120), (Place::Gap, 0));
        assert_eq!(find(&stream, 110), (Place::Inside, 110), "it can come once more");
    }

    #[test]
    fn a_segment_may_come_again_with_more() {
        let mut stream = stream(&[100, 110]);
        stream.keep(110, 20, &at(130));
        assert_eq!(find(&stream, 130), (Place::Inside, 130));
        assert_eq!(find(&stream, 120), (Place::Gap, 0));
    }

    #[test]
    fn what_is_missing_can_still_come() {
        let mut stream = stream(&[100, 120]);
        assert_eq!(find(&stream, 130), (Place::Inside, 130));
        assert_eq!(find(&stream, 110), (Place::Inside, 110));
        stream.keep(110, 10, &at(120));
        assert_eq!(find(&stream, 130), (Place::Inside, 130), "and the stream goes on behind both");
        stream.keep(90, 10, &at(100));
        assert_eq!(find(&stream, 130), (Place::Inside, 130), "what is old moves nothing");
    }

    #[test]
    fn rows_of_another_set_are_lost_and_lengths_are_not() {
        let under = |mut carried: Carried| {
            carried.adapt(SET + 1);
            carried
        };
        assert_eq!(under(at(5)), Carried::LOST);
        assert_eq!(under(Carried::START), Carried::START);
        let head = Carried { phase: phase::HEAD, head_length: 3, ..at(0) };
        assert_eq!(under(head), head);
        let body = Carried { phase: phase::BODY, length: 9, ..at(5) };
        assert_eq!(under(body), Carried { row: 0, ..body });
        let datagram = Carried { phase: phase::DATAGRAM, ..at(5) };
        assert_eq!(under(datagram), Carried::LOST);
        let mut same = datagram;
        same.adapt(SET);
        assert_eq!(same, datagram);
    }

    #[test]
    fn a_probe_is_the_last_byte_as_zero() {
        let stream = stream(&[100]);
        let place = |sequence, length, first| {
            let mut carried = Carried::LOST;
            stream.find(sequence, length, first, SET, &mut carried)
        };
        assert_eq!(place(109, 1, 0), Place::Probe);
        assert_eq!(place(109, 1, b'A'), Place::Gap);
        assert_eq!(place(109, 2, 0), Place::Gap);
        assert_eq!(place(108, 1, 0), Place::Gap);
    }

    #[test]
    fn only_who_got_the_answer_completes_a_handshake() {
        let sent = Packet { sequence: 501, acknowledged: 101, ..Packet::default() };
        let handshake = Handshake::of(&sent);
        let answer =
            Packet { sequence: 101, acknowledged: 501, flags: flag::ACKNOWLEDGES, ..Packet::default() };
        assert!(handshake.is_answered_by(&answer));
        for other in [
            Packet { sequence: 102, ..answer },
            Packet { acknowledged: 500, ..answer },
            Packet { flags: 0, ..answer },
            Packet { flags: flag::ACKNOWLEDGES | flag::ENDS, ..answer },
        ] {
            assert!(!handshake.is_answered_by(&other));
        }
    }

    #[test]
    fn both_directions_have_the_same_name() {
        let come = Packet {
            source: crate::abi::Address::v4(1),
            destination: crate::abi::Address::v4(2),
            source_port: 3,
            destination_port: 4,
            ..Packet::default()
        };
        let gone = Packet {
            source: come.destination,
            destination: come.source,
            source_port: 4,
            destination_port: 3,
            ..come
        };
        assert_eq!(come.stream_key(), gone.answered_stream_key());
    }

    #[test]
    fn a_walk_begins_where_the_segment_says() {
        let request = Kind::Request(crate::reason::Class::Invite);
        for (place, kind, expected) in [
            (Place::Start, request, Begin::Request),
            (Place::Start, Kind::Response, Begin::Response),
            (Place::Start, Kind::NotSip, Begin::Carried),
            (Place::Start, Kind::Hidden, Begin::Carried),
            (Place::Start, Kind::Keepalive, Begin::Nowhere),
            (Place::Inside, Kind::NotSip, Begin::Carried),
            (Place::Inside, request, Begin::CarriedRequest),
            (Place::Gap, request, Begin::Request),
            (Place::Gap, Kind::NotSip, Begin::Anywhere),
            (Place::Unknown, Kind::UnknownMethod, Begin::Request),
            (Place::Unknown, Kind::NotSip, Begin::Anywhere),
            (Place::Unknown, Kind::Keepalive, Begin::Nowhere),
            (Place::Outside, Kind::NotSip, Begin::Nowhere),
            (Place::Outside, request, Begin::Request),
            (Place::Probe, Kind::NotSip, Begin::Nowhere),
            (Place::Probe, Kind::Keepalive, Begin::Nowhere),
        ] {
            assert_eq!(begin(place, kind), expected, "{place:?} {kind:?}");
        }
    }

    #[test]
    fn in_a_message_only_a_request_line_is_a_request() {
        let inside = |text: &str| {
            kind(Place::Inside, Bytes::of(text.as_bytes()), text.len() as u32, || Kind::Response)
        };
        assert!(matches!(inside("REGISTER sip:a SIP/2.0\r\n"), Kind::Request(_)));
        for text in [
            "REGISTER\r\nFrom: x\r\n",
            "OPTIONS  \r\nTo: a\r\n",
            "\r\n\r\n",
            "SIP/2.0 200 OK\r\n",
            "John Smith <x>",
        ] {
            assert_eq!(inside(text), Kind::NotSip, "{text:?}");
        }
        let stun = b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl";
        assert_eq!(kind(Place::Start, Bytes::of(stun), 20, || Kind::Keepalive), Kind::NotSip);
        assert_eq!(kind(Place::Start, Bytes::of(b"\r\n\r\n"), 4, || Kind::Keepalive), Kind::Keepalive);
    }
}
