//! One direction of a connection: its segments in their order.

use super::framing::Framing;
use crate::observe::message::Message;

/// In bytes: what is farther from where the stream should go on is of another stream, or forged.
const WINDOW: i32 = 1 << 18;
/// Segments that wait for an earlier one.
const WAITING_MAX: usize = 8;
/// In bytes, of all that wait.
const WAITING_BYTES_MAX: usize = 8 * 1_024;
/// In nanoseconds: an earlier one that is not there by then was lost, to the tap at least.
const GAP_AFTER: u64 = 2_000_000_000;

#[derive(Debug, Default)]
pub(super) struct Half {
    /// Where the stream goes on.
    next: Option<u32>,
    /// Nothing came yet, and `next` may be the number of the SYN itself, one less than that of the first byte.
    loose: bool,
    /// Where the last segment ended that did not fit at all.
    stray: Option<u32>,
    framing: Framing,
    /// It keeps something elsewhere.
    pub(super) keeps: bool,
}

/// What a half keeps until more comes: the larger part, and not always there.
#[derive(Debug, Default)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    waiting: Vec<Waiting>,
    since: u64,
}

#[derive(Debug)]
struct Waiting {
    sequence: u32,
    length: u32,
    payload: Vec<u8>,
}

/// Of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) at: u64,
    pub(super) sequence: u32,
    /// On the wire; of it, `payload` is the beginning.
    pub(super) length: u32,
    pub(super) payload: &'a [u8],
}

impl Half {
    /// Seen from its SYN on, with that number.
    pub(super) fn from_start(sequence: Option<u32>) -> Self {
        Self { next: sequence, loose: sequence.is_some(), ..Self::default() }
    }

    /// Joined where it happens to be.
    pub(super) fn from_the_middle() -> Self {
        Self { framing: Framing::seeking(), ..Self::default() }
    }

    pub(super) fn take_lost(&mut self) -> u64 {
        self.framing.take_lost()
    }

    /// `kept`: what the last call left; `None`: it was forgotten. What is returned is to be kept, if anything.
    pub(super) fn see(
        &mut self,
        kept: Option<Kept>,
        segment: Segment<'_>,
        mut message: impl FnMut(&Message<'_>),
    ) -> Option<Kept> {
        if self.keeps && kept.is_none() {
            self.framing.gap(None);
        }
        let mut kept = kept.unwrap_or_default();
        self.framing.put_bytes(std::mem::take(&mut kept.bytes));
        self.place(&mut kept, segment, &mut message);
        self.go_on(&mut kept, segment.at, &mut message);
        kept.bytes = self.framing.take_bytes();
        self.keeps = !kept.bytes.is_empty() || !kept.waiting.is_empty();
        kept.bytes.shrink_to_fit();
        self.keeps.then_some(kept)
    }

    fn place(&mut self, kept: &mut Kept, segment: Segment<'_>, message: &mut impl FnMut(&Message<'_>)) {
        let Segment { at, sequence, length, payload } = segment;
        let next = *self.next.get_or_insert(sequence);
        if self.loose && sequence == next.wrapping_add(1) {
            self.next = Some(sequence);
        }
        let ahead = self.ahead(sequence);
        if !(-WINDOW..=WINDOW).contains(&ahead) {
            if self.stray.replace(sequence.wrapping_add(length)) == Some(sequence) {
                // Two that fit each other: the stream has gone on there.
                self.framing.gap(None);
                kept.waiting.clear();
                self.next = Some(sequence);
                self.take(sequence, length, payload, message);
            }
        } else if ahead > 0 {
            if kept.waiting.is_empty() {
                kept.since = at;
            }
            let is_there = |waiting: &Waiting| waiting.sequence == sequence && waiting.length >= length;
            if !kept.waiting.iter().any(is_there) {
                kept.waiting.push(Waiting { sequence, length, payload: payload.to_vec() });
            }
        } else {
            self.take(sequence, length, payload, message);
        }
    }

    /// What waited and fits now, and what has waited long enough.
    fn go_on(&mut self, kept: &mut Kept, now: u64, message: &mut impl FnMut(&Message<'_>)) {
        while let Some(nearest) = self.nearest(&kept.waiting) {
            let ahead = self.ahead(kept.waiting[nearest].sequence);
            let bytes: usize = kept.waiting.iter().map(|waiting| waiting.payload.len()).sum();
            let too_much = kept.waiting.len() > WAITING_MAX || bytes > WAITING_BYTES_MAX;
            if ahead > 0 && !too_much && now < kept.since.saturating_add(GAP_AFTER) {
                break;
            }
            let Waiting { sequence, length, payload } = kept.waiting.swap_remove(nearest);
            if ahead > 0 {
                self.framing.gap(Some(ahead.cast_unsigned()));
                self.next = Some(sequence);
            }
            kept.since = now;
            self.take(sequence, length, &payload, message);
        }
    }

    fn nearest(&self, waiting: &[Waiting]) -> Option<usize> {
        (0..waiting.len()).min_by_key(|&index| self.ahead(waiting[index].sequence))
    }

    fn ahead(&self, sequence: u32) -> i32 {
        sequence.wrapping_sub(self.next.unwrap_or(sequence)).cast_signed()
    }

    /// What is new in a segment that begins where the stream goes on, or before.
    fn take(&mut self, sequence: u32, length: u32, payload: &[u8], message: &mut impl FnMut(&Message<'_>)) {
        let known = self.ahead(sequence).unsigned_abs();
        if known >= length {
            return;
        }
        self.loose = false;
        self.stray = None;
        let seen = payload.get(known as usize..).unwrap_or_default();
        self.framing.push(seen, &mut *message);
        let missing = length - known - seen.len() as u32;
        if missing > 0 {
            self.framing.gap(Some(missing));
        }
        self.next = Some(sequence.wrapping_add(length));
    }
}
