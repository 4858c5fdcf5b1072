//! The choice of packets that are handed to the daemon. Packets that drop never are, so that a flood costs nothing
//! here.

use crate::{
    abi::{TapCount, TapHead, TapState, tap},
    bytes::Bytes,
    frame::{Packet, TCP, flag},
    guess::Budget,
    packed::Packed,
    reason::{Reason, drops},
    sip::{self, Kind},
};

const SECOND: u64 = 1_000_000_000;

/// True: the daemon uses packets that pass for this reason. It uses requests, responses that accept a request of ours
/// or bring a nonce or a tag that a proxy may pass on, and all of a TCP stream, whose messages it puts together. It
/// uses nothing of a connection whose beginning was not seen, because anybody can forge such segments. `tells`: the
/// response is of one of those kinds.
#[inline(always)]
pub fn is_wanted(reason: Reason, packet: &Packet, tells: impl FnOnce() -> bool) -> bool {
    match reason {
        Reason::TcpControl => packet.is(flag::CONNECTED) && packet.is(flag::OPENS | flag::ENDS),
        Reason::Request | Reason::Response | Reason::Stream | Reason::Keepalive if packet.protocol == TCP => {
            packet.is(flag::CONNECTED)
        }
        Reason::Request => true,
        Reason::Response => tells(),
        // Only over TCP.
        Reason::Stream | Reason::Keepalive => false,
        Reason::NotIp | Reason::OtherPort | Reason::BadIp | Reason::Fragment | Reason::NotSip => false,
        // Trusted sources are not judged.
        Reason::Trusted => false,
        drops!() => false,
    }
}

/// The reason for a packet that passes although a rule objects to it.
#[inline(always)]
pub fn objected(packet: &Packet, payload: Bytes<'_>) -> Reason {
    if packet.destination_port == 0 {
        return Reason::Fragment;
    }
    if packet.protocol == TCP {
        return if packet.length == 0 { Reason::TcpControl } else { Reason::Stream };
    }
    match sip::classify_plain(payload, packet.length) {
        Some(Kind::Response) => Reason::Response,
        _ => Reason::Request,
    }
}

/// True: the first line of a response says 2xx, 4xx or 6xx.
#[inline(always)]
pub const fn tells(line: &[u8; 9]) -> bool {
    matches!(line[8], b'2' | b'4' | b'6')
}

/// The kind of a packet that could not be handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// A request.
    Asked,
    /// A packet that came in and may be an answer to somebody else.
    Foreign,
    /// An answer that left.
    Answer,
}

impl Loss {
    /// The kind of a packet that came in and passes for this reason. The content of a TCP segment is not known.
    #[inline(always)]
    pub const fn of_incoming(reason: Reason, packet: &Packet) -> Self {
        if packet.protocol == TCP || matches!(reason, Reason::Response) { Self::Foreign } else { Self::Asked }
    }
}

/// The flag that says which budget was charged.
#[inline(always)]
pub const fn charged(budget: Option<Budget>) -> u32 {
    match budget {
        Some(Budget::Issued) => tap::CHARGED_ISSUED,
        Some(Budget::Other) => tap::CHARGED_OTHER,
        None => 0,
    }
}

/// The part of a verdict that is handed over with a packet that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    pub reason: Reason,
    /// Its source has authenticated lately.
    pub known: bool,
    pub charged: Option<Budget>,
}

impl Packed for Passed {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        self.known as u32 | self.charged.pack() << 1 | (self.reason as u32) << 3
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        Self {
            reason: Reason::unpack(word >> 3),
            known: word & 1 != 0,
            charged: Option::unpack(word >> 1 & 3),
        }
    }
}

impl TapHead {
    /// The head of a packet that has come in, or of one that leaves ([`tap::OUT`]), whose source is the PBX. `flags`:
    /// those that its headers do not show.
    #[inline(always)]
    pub const fn new(packet: &Packet, flags: u32, at: u64) -> Self {
        let out = flags & tap::OUT != 0;
        let mut flags = flags;
        if packet.protocol == TCP {
            flags |= tap::TCP;
        }
        if packet.is(flag::CONNECT | flag::OPENS) {
            flags |= tap::BEGINS;
        }
        if packet.is(flag::ENDS) {
            flags |= tap::ENDS;
        }
        if packet.is(flag::ACKNOWLEDGES) {
            flags |= tap::ACKNOWLEDGES;
        }
        if packet.is(flag::FIRST_FRAGMENT) {
            flags |= tap::PART;
        }
        let source = (packet.source, packet.source_port);
        let destination = (packet.destination, packet.destination_port);
        let (remote, local) = if out { (destination, source) } else { (source, destination) };
        Self {
            at,
            remote: remote.0,
            local: local.0,
            length: packet.length,
            kept: 0,
            sequence: packet.sequence,
            remote_port: remote.1,
            local_port: local.1,
            flags,
            acknowledged: packet.acknowledged,
        }
    }
}

impl TapState {
    /// True: there is room for another packet in this second. Known sources always have room.
    #[inline(always)]
    pub fn admits(&mut self, now: u64, known: bool, out: bool, budget: u32) -> bool {
        if known {
            return true;
        }
        let [come, gone] = &mut self.taken;
        let taken = if out { gone } else { come };
        if now.saturating_sub(taken.since) >= SECOND {
            *taken = TapCount { since: now, packets: 0 };
        }
        if taken.packets >= budget as u64 {
            return false;
        }
        taken.packets += 1;
        true
    }

    #[inline(always)]
    pub const fn lose(&mut self, known: bool, loss: Loss) {
        if known {
            self.lost_known += 1;
        } else {
            self.lost_strangers += 1;
        }
        match loss {
            Loss::Asked => {}
            Loss::Foreign => self.lost_foreign += 1,
            Loss::Answer => self.lost_answers += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{abi::Address, frame::UDP, reason::Action};

    fn packet(protocol: u8, flags: u8) -> Packet {
        Packet { protocol, flags, ..Packet::default() }
    }

    #[test]
    fn what_drops_is_never_wanted() {
        for &reason in Reason::ALL {
            for protocol in [UDP, TCP] {
                for flags in [0, flag::CONNECT, flag::CONNECTED | flag::ENDS] {
                    let wanted = is_wanted(reason, &packet(protocol, flags), || true);
                    assert!(!wanted || reason.action() == Action::Pass, "{}", reason.name());
                }
            }
        }
    }

    #[test]
    fn of_what_passes_that_is_wanted_which_says_something() {
        const OPEN: u8 = flag::CONNECTED;
        for (reason, protocol, flags, tells, expected) in [
            (Reason::Request, UDP, 0, false, true),
            (Reason::Response, UDP, 0, true, true),
            (Reason::Response, UDP, 0, false, false),
            (Reason::Keepalive, UDP, 0, false, false),
            (Reason::NotSip, UDP, 0, false, false),
            (Reason::Trusted, UDP, 0, true, false),
            (Reason::Trusted, TCP, OPEN, true, false),
            (Reason::Request, TCP, OPEN, false, true),
            (Reason::Response, TCP, OPEN, false, true),
            (Reason::Stream, TCP, OPEN, false, true),
            // A stream has no holes.
            (Reason::Keepalive, TCP, OPEN, false, true),
            // Anybody can make these up.
            (Reason::Request, TCP, 0, false, false),
            (Reason::Stream, TCP, 0, false, false),
            (Reason::TcpControl, TCP, flag::CONNECT, false, false),
            (Reason::TcpControl, TCP, flag::ENDS, false, false),
            (Reason::TcpControl, TCP, OPEN, false, false),
            (Reason::TcpControl, TCP, OPEN | flag::OPENS, false, true),
            (Reason::TcpControl, TCP, OPEN | flag::ENDS, false, true),
            (Reason::OtherPort, TCP, flag::CONNECT, false, false),
        ] {
            let wanted = is_wanted(reason, &packet(protocol, flags), || tells);
            assert_eq!(wanted, expected, "{} {protocol} {flags} {tells}", reason.name());
        }
    }

    #[test]
    fn what_a_rule_objects_to_is_what_it_would_be_otherwise() {
        let to_port = |packet: Packet, payload: &[u8]| {
            let packet = Packet { destination_port: 5060, length: payload.len() as u32, ..packet };
            objected(&packet, Bytes::of(payload))
        };
        assert_eq!(to_port(packet(UDP, 0), b"REGISTER sip:a SIP/2.0\r\n"), Reason::Request);
        assert_eq!(to_port(packet(UDP, 0), b"SIP/2.0 200 OK\r\n"), Reason::Response);
        assert_eq!(to_port(packet(TCP, 0), b"SIP/2.0 200 OK\r\n"), Reason::Stream);
        assert_eq!(to_port(packet(TCP, flag::OPENS), b""), Reason::TcpControl);
        assert_eq!(objected(&packet(UDP, 0), Bytes::of(b"rest")), Reason::Fragment);
    }

    #[test]
    fn what_accepts_and_what_may_challenge_tells() {
        let lines = [b"SIP/2.0 2", b"SIP/2.0 4", b"SIP/2.0 1", b"SIP/2.0 3", b"SIP/2.0 5", b"SIP/2.0 6"];
        for (line, expected) in lines.into_iter().zip([true, true, false, false, false, true]) {
            assert_eq!(tells(line), expected);
        }
    }

    #[test]
    fn the_remote_end_is_not_the_pbx() {
        let (there, here) = (Address::v4(1), Address::v4(2));
        let packet = Packet {
            source: there,
            destination: here,
            source_port: 1,
            destination_port: 2,
            protocol: TCP,
            flags: flag::CONNECT | flag::ENDS | flag::ACKNOWLEDGES,
            acknowledged: 9,
            ..Packet::default()
        };
        let head = TapHead::new(&packet, 0, 7);
        assert_eq!((head.remote, head.remote_port, head.local, head.local_port), (there, 1, here, 2));
        let flags = tap::TCP | tap::BEGINS | tap::ENDS | tap::ACKNOWLEDGES;
        assert_eq!((head.flags, head.at, head.acknowledged), (flags, 7, 9));
        let head = TapHead::new(&packet, tap::OUT, 7);
        assert_eq!((head.remote, head.remote_port, head.local, head.local_port), (here, 2, there, 1));
        assert_eq!(head.flags, tap::OUT | flags);
        let first = Packet { flags: flag::FIRST_FRAGMENT, ..packet };
        assert_eq!(TapHead::new(&first, 0, 7).flags, tap::TCP | tap::PART);
    }

    #[test]
    fn strangers_have_a_budget_for_each_second_and_known_sources_none() {
        let mut state = TapState::default();
        for second in 60..63 {
            let at = |part| second * SECOND + part;
            for out in [false, true] {
                assert_eq!((0..10).filter(|part| state.admits(at(*part), false, out, 4)).count(), 4);
                assert_eq!((0..10).filter(|part| state.admits(at(*part), true, out, 4)).count(), 10);
            }
        }
        assert!(!state.admits(100 * SECOND, false, false, 0));
        state.lose(true, Loss::Asked);
        state.lose(false, Loss::Answer);
        state.lose(false, Loss::Asked);
        state.lose(false, Loss::Foreign);
        assert_eq!((state.lost_known, state.lost_strangers), (1, 3));
        assert_eq!((state.lost_answers, state.lost_foreign), (1, 1));
    }

    #[test]
    fn what_comes_and_may_be_an_answer_is_one_if_it_is_lost() {
        for (reason, protocol, expected) in [
            (Reason::Request, UDP, Loss::Asked),
            (Reason::Response, UDP, Loss::Foreign),
            (Reason::Request, TCP, Loss::Foreign),
            (Reason::Stream, TCP, Loss::Foreign),
        ] {
            assert_eq!(Loss::of_incoming(reason, &packet(protocol, 0)), expected);
        }
    }
}
