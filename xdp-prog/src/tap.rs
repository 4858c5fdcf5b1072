//! Which packets are handed to the daemon. Those that drop never are: a flood pays nothing for this.

use crate::{
    abi::{TapCount, TapHead, TapState, tap},
    frame::{Packet, TCP, flag},
    reason::Reason,
};

const SECOND: u64 = 1_000_000_000;

/// Whether a packet that passes for this reason is of use: a request, what accepts a request of ours or brings a nonce
/// that a proxy may pass on, and all of a TCP stream, that its messages may be put together. `clear`: the port's TCP is
/// not TLS. `tells`: the response is of one of those kinds.
#[inline(always)]
pub fn is_wanted(
    reason: Reason,
    packet: &Packet,
    clear: impl FnOnce() -> bool,
    tells: impl FnOnce() -> bool,
) -> bool {
    match reason {
        Reason::TcpControl => packet.is(flag::CONNECT | flag::ENDS) && clear(),
        Reason::Request | Reason::Response | Reason::Stream | Reason::Keepalive if packet.protocol == TCP => {
            clear()
        }
        Reason::Request => true,
        Reason::Response => tells(),
        // Trusted sources are nobody's to judge.
        _ => false,
    }
}

/// Whether a response's first line says 2xx or 4xx.
#[inline(always)]
pub const fn tells(line: &[u8; 9]) -> bool {
    matches!(line[8], b'2' | b'4')
}

impl TapHead {
    /// Of a packet that has come in, or of one that leaves: then its source is the PBX.
    #[inline(always)]
    pub const fn new(packet: &Packet, out: bool, at: u64) -> Self {
        let mut flags = if out { tap::OUT } else { 0 };
        if packet.protocol == TCP {
            flags |= tap::TCP;
        }
        if packet.is(flag::CONNECT) {
            flags |= tap::BEGINS;
        }
        if packet.is(flag::ENDS) {
            flags |= tap::ENDS;
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
            reserved: 0,
        }
    }
}

impl TapState {
    /// Whether there is room for another packet in this second: always for those of known sources.
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
    pub const fn lose(&mut self, known: bool, out: bool) {
        if known {
            self.lost_known += 1;
        } else {
            self.lost_strangers += 1;
        }
        if out {
            self.lost_answers += 1;
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
                for flags in [0, flag::CONNECT, flag::ENDS] {
                    let wanted = is_wanted(reason, &packet(protocol, flags), || true, || true);
                    assert!(!wanted || reason.action() == Action::Pass, "{}", reason.name());
                }
            }
        }
    }

    #[test]
    fn of_what_passes_that_is_wanted_which_says_something() {
        for (reason, protocol, flags, clear, tells, expected) in [
            (Reason::Request, UDP, 0, false, false, true),
            (Reason::Response, UDP, 0, false, true, true),
            (Reason::Response, UDP, 0, false, false, false),
            (Reason::Keepalive, UDP, 0, false, false, false),
            (Reason::NotSip, UDP, 0, false, false, false),
            (Reason::Trusted, UDP, 0, true, true, false),
            (Reason::Trusted, TCP, 0, true, true, false),
            (Reason::Request, TCP, 0, true, false, true),
            (Reason::Response, TCP, 0, true, false, true),
            (Reason::Stream, TCP, 0, true, false, true),
            // A stream has no holes.
            (Reason::Keepalive, TCP, 0, true, false, true),
            (Reason::Stream, TCP, 0, false, false, false),
            (Reason::TcpControl, TCP, 0, true, false, false),
            (Reason::TcpControl, TCP, flag::CONNECT, true, false, true),
            (Reason::TcpControl, TCP, flag::ENDS, true, false, true),
            (Reason::TcpControl, TCP, flag::CONNECT, false, false, false),
            (Reason::OtherPort, TCP, flag::CONNECT, true, false, false),
        ] {
            let wanted = is_wanted(reason, &packet(protocol, flags), || clear, || tells);
            assert_eq!(wanted, expected, "{} {protocol} {flags} {clear} {tells}", reason.name());
        }
    }

    #[test]
    fn what_accepts_and_what_may_challenge_tells() {
        let lines = [b"SIP/2.0 2", b"SIP/2.0 4", b"SIP/2.0 1", b"SIP/2.0 3", b"SIP/2.0 5", b"SIP/2.0 6"];
        for (line, expected) in lines.into_iter().zip([true, true, false, false, false, false]) {
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
            flags: flag::CONNECT | flag::ENDS,
            ..Packet::default()
        };
        let head = TapHead::new(&packet, false, 7);
        assert_eq!((head.remote, head.remote_port, head.local, head.local_port), (there, 1, here, 2));
        assert_eq!((head.flags, head.at), (tap::TCP | tap::BEGINS | tap::ENDS, 7));
        let head = TapHead::new(&packet, true, 7);
        assert_eq!((head.remote, head.remote_port, head.local, head.local_port), (here, 2, there, 1));
        assert_eq!(head.flags, tap::OUT | tap::TCP | tap::BEGINS | tap::ENDS);
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
        state.lose(true, false);
        state.lose(false, true);
        state.lose(false, false);
        assert_eq!((state.lost_known, state.lost_strangers, state.lost_answers), (1, 2, 1));
    }
}
