//! The taps: packets that pass to the PBX, and its answers, as the filter hands them over.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd as _, AsRawFd as _},
    time::Duration,
};

use xdp_prog::abi::{GuardState, TapHead, TapState, tap};

use super::{
    error::{Error, Result},
    ring::{Record, Ring},
};
use sipward_types::{
    address::from_key,
    tapped::{Charged, Direction, Tapped, TcpSegment},
    time::KernelTime,
};

/// The limit of what is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tapping {
    /// Packets of strangers in a second and direction, on each CPU; the others are lost, and counted. Those of known sources have no
    /// such limit.
    pub strangers_per_second: u32,
}

pub(super) fn to_map(tapping: Option<Tapping>, guard: GuardState) -> GuardState {
    let stranger_taps = tapping.map_or(0, |tapping| tapping.strangers_per_second);
    GuardState { tap: u32::from(tapping.is_some()), stranger_taps, ..guard }
}

pub(super) fn from_map(guard: GuardState) -> Option<Tapping> {
    (guard.tap != 0).then_some(Tapping { strangers_per_second: guard.stranger_taps })
}

/// One packet that was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tap {
    head: TapHead,
    payload: Vec<u8>,
}

impl Record for Tap {
    fn decode(record: &[u8]) -> Option<Self> {
        let (head, payload) = record.split_at_checked(size_of::<TapHead>())?;
        // SAFETY: long enough, and a `TapHead` is integers, for which any bytes do.
        let head: TapHead = unsafe { head.as_ptr().cast::<TapHead>().read_unaligned() };
        Some(Self { head, payload: payload.get(..head.kept as usize)?.to_vec() })
    }
}

impl Tap {
    pub fn tapped(&self) -> Tapped<'_> {
        let head = &self.head;
        let is = |flag| head.flags & flag != 0;
        let end = |address, port| SocketAddr::new(from_key(address), port);
        let segment = TcpSegment {
            sequence: head.sequence,
            acknowledged: is(tap::ACKNOWLEDGES).then_some(head.acknowledged),
            begins: is(tap::BEGINS),
            ends: is(tap::ENDS),
        };
        Tapped {
            at: KernelTime::from_nanos(head.at),
            direction: if is(tap::OUT) { Direction::Out } else { Direction::In },
            remote: end(head.remote, head.remote_port),
            local: end(head.local, head.local_port),
            tcp: is(tap::TCP).then_some(segment),
            length: head.length,
            part: is(tap::PART),
            charged: match () {
                () if is(tap::CHARGED_ISSUED) => Some(Charged::Issued),
                () if is(tap::CHARGED_OTHER) => Some(Charged::Other),
                () => None,
            },
            listed: is(tap::LISTED),
            payload: &self.payload,
        }
    }
}

/// Packets that were to be handed over and were not, since the filter was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TapLosses {
    /// The daemon was too slow.
    pub known: u64,
    /// The same, or they were over their budget.
    pub strangers: u64,
    /// Of both, those that left.
    pub answers: u64,
    /// Of both, those that came and may have been answers to others.
    pub foreign: u64,
    /// Of neither: what left over TLS, or in answers on connections that the PBX has opened.
    pub hidden: u64,
}

impl TapLosses {
    /// Packets since then that may have shown that somebody works: all but requests of strangers.
    pub fn may_have_shown(&self, before: &Self) -> u64 {
        let since = |of: fn(&Self) -> u64| of(self).saturating_sub(of(before));
        since(|losses| losses.answers).max(since(|losses| losses.known)) + since(|losses| losses.foreign)
    }
}

pub(super) fn losses<'a>(states: impl IntoIterator<Item = &'a TapState>) -> TapLosses {
    states.into_iter().fold(TapLosses::default(), |sum, state| TapLosses {
        known: sum.known + state.lost_known,
        strangers: sum.strangers + state.lost_strangers,
        answers: sum.answers + state.lost_answers,
        foreign: sum.foreign + state.lost_foreign,
        hidden: sum.hidden + state.hidden,
    })
}

/// The reading end of both lanes. One reader at a time.
#[derive(Debug)]
pub struct Taps {
    known: Lane,
    strangers: Lane,
}

#[derive(Debug)]
struct Lane {
    ring: Ring<Tap>,
    /// Read, and not handed on yet.
    next: Option<Tap>,
}

impl Lane {
    const fn new(ring: Ring<Tap>) -> Self {
        Self { ring, next: None }
    }

    /// When the next one was there; later than any if there is none.
    fn at(&mut self) -> KernelTime {
        if self.next.is_none() {
            self.next = self.ring.next();
        }
        self.next.as_ref().map_or(KernelTime::FOREVER, |tap| KernelTime::from_nanos(tap.head.at))
    }
}

impl Taps {
    pub(super) const fn new(known: Ring<Tap>, strangers: Ring<Tap>) -> Self {
        Self { known: Lane::new(known), strangers: Lane::new(strangers) }
    }

    /// Waits until there is something to read, or the time is over.
    pub fn wait(&self, timeout: Duration) -> Result<()> {
        let milliseconds = timeout.as_millis().try_into().unwrap_or(libc::c_int::MAX);
        let poll = |ring: &Ring<Tap>| libc::pollfd {
            fd: ring.as_fd().as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let mut polls = [poll(&self.known.ring), poll(&self.strangers.ring)];
        // SAFETY: as many `pollfd`s as said.
        if unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, milliseconds) } >= 0 {
            return Ok(());
        }
        match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            error => Err(Error::io("wait for what passes", &error)),
        }
    }

    /// Hands on what was there at `until`, in the order of time over both lanes: who asks whether somebody else has been
    /// told a secret before must not be a lane ahead. At most `most` packets, so that a flood does not keep the caller
    /// here. How many it were.
    pub fn drain(&mut self, until: KernelTime, most: usize, mut each: impl FnMut(&Tap)) -> usize {
        for count in 0..most {
            let (known, stranger) = (self.known.at(), self.strangers.at());
            if known.min(stranger) > until {
                return count;
            }
            let lane = if known <= stranger { &mut self.known } else { &mut self.strangers };
            match lane.next.take() {
                Some(tap) => each(&tap),
                None => return count,
            }
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(kept: u32, flags: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; size_of::<TapHead>()];
        let mut set = |at: usize, value: u32| bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        set(std::mem::offset_of!(TapHead, kept), kept);
        set(std::mem::offset_of!(TapHead, flags), flags);
        [&bytes, payload].concat()
    }

    #[test]
    fn a_payload_is_as_long_as_the_kernel_says_and_never_longer_than_its_record() {
        let payload = [7; 512];
        for kept in [0, 1, 511, 512] {
            let tap = Tap::decode(&record(kept, 0, &payload)).unwrap();
            assert_eq!(tap.tapped().payload.len(), kept as usize);
        }
        for kept in [513, u32::MAX] {
            assert_eq!(Tap::decode(&record(kept, 0, &payload)), None);
        }
    }

    #[test]
    fn the_flags_say_what_it_is() {
        let segment = |begins, ends| Some(TcpSegment { sequence: 0, acknowledged: None, begins, ends });
        for (flags, direction, tcp) in [
            (0, Direction::In, None),
            (tap::OUT, Direction::Out, None),
            (tap::TCP, Direction::In, segment(false, false)),
            (tap::TCP | tap::BEGINS, Direction::In, segment(true, false)),
            (tap::OUT | tap::TCP | tap::ENDS, Direction::Out, segment(false, true)),
        ] {
            let tap = Tap::decode(&record(0, flags, &[])).unwrap();
            assert_eq!((tap.tapped().direction, tap.tapped().tcp), (direction, tcp));
        }
    }

    #[test]
    fn a_switch_is_read_as_it_was_set_and_leaves_the_suspensions_alone() {
        let before = GuardState { suspended: 3, locked: 4, ..GuardState::default() };
        for tapping in [None, Some(Tapping { strangers_per_second: 7 })] {
            let guard = to_map(tapping, before);
            assert_eq!(from_map(guard), tapping);
            assert_eq!((guard.suspended, guard.locked), (3, 4));
        }
    }

    proptest! {
        #[test]
        fn whatever_stands_in_a_record_it_is_decoded_or_not(record: Vec<u8>) {
            if let Some(tap) = Tap::decode(&record) {
                prop_assert!(tap.tapped().payload.len() <= record.len());
            }
        }
    }
}
