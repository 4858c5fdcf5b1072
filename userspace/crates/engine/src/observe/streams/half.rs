//! One direction of a connection: its segments in their order.
//!
//! Bytes that the other side's segments acknowledge have been read there, and nothing else has. That matters for what
//! comes to the PBX, where anybody can put in segments that the kernel drops: they do not fit, their checksum is
//! wrong, they die on the way. So the stream goes on where the PBX says, over a gap too, and never where a segment
//! from nowhere does. Until the PBX has said something on the connection, two segments that fit each other are
//! believed; nothing follows from them, as that takes an answer.
//!
//! Of two segments in the same place nobody knows which one the kernel took. Each that holds a whole request is told: the PBX's
//! answer shows which it was.

use std::time::Duration;

use sipward_sip::framing::Framing;
use sipward_sip::{Message, Start};
use sipward_types::time::KernelTime;

/// In bytes: what is farther from where the stream should go on is of another stream, or forged.
const WINDOW: i32 = 1 << 18;
/// Segments that wait for an earlier one.
const WAITING_MAX: usize = 8;
/// In bytes, of all that wait.
const WAITING_BYTES_MAX: usize = 8 * 1_024;
/// An earlier one that is not there by then was lost, to the tap at least.
const GAP_AFTER: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(super) struct Half {
    /// Where the stream goes on.
    next: Option<u32>,
    /// Nothing came yet, and `next` may be the number of the SYN itself, one less than that of the first byte.
    loose: bool,
    /// Where the last segment ended that did not fit at all.
    stray: Option<u32>,
    /// Up to where the other side has acknowledged it, as far as was seen.
    read: Option<u32>,
    framing: Framing,
    /// It keeps something elsewhere.
    pub(super) keeps: bool,
}

/// The segments that a half keeps until more come: the larger part of its memory, and not always there.
#[derive(Debug, Default)]
pub(super) struct KeptSegments {
    bytes: Vec<u8>,
    waiting: Vec<WaitingSegment>,
    since: KernelTime,
}

#[derive(Debug)]
struct WaitingSegment {
    sequence: u32,
    length: u32,
    payload: Vec<u8>,
}

/// Of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) at: KernelTime,
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

    /// Something of it was there and not understood, or is still to be.
    pub(super) fn take_missed(&mut self) -> bool {
        self.framing.take_missed() | self.keeps
    }

    /// The stream goes on there.
    pub(super) fn is_at(&self, sequence: u32) -> bool {
        self.next == Some(sequence)
    }

    /// `kept`: what the last call left; `None`: it was forgotten. What is returned is to be kept, if anything. `message` is
    /// told where the message's header ends.
    pub(super) fn see(
        &mut self,
        kept: Option<KeptSegments>,
        segment: Segment<'_>,
        mut message: impl FnMut(&Message<'_>, u32),
    ) -> Option<KeptSegments> {
        let mut kept = self.unpack(kept);
        let is_unread = self.is_unread(segment.sequence);
        let mut emitted = false;
        let mut emit = |found: &Message<'_>, ends| {
            emitted = true;
            message(found, ends);
        };
        self.place(&mut kept, segment, &mut emit);
        self.go_on(&mut kept, segment.at, &mut emit);
        if is_unread && !emitted {
            emit_alone(segment, message);
        }
        self.pack(kept)
    }

    /// The other side has read it up to there. As [`see`](Self::see).
    pub(super) fn acknowledge(
        &mut self,
        kept: Option<KeptSegments>,
        at: KernelTime,
        read: u32,
        mut message: impl FnMut(&Message<'_>, u32),
    ) -> Option<KeptSegments> {
        let mut kept = self.unpack(kept);
        self.read = Some(read);
        self.next.get_or_insert(read);
        if !(-WINDOW..=WINDOW).contains(&self.ahead(read)) {
            self.framing.gap(None);
            kept.waiting.clear();
            self.next = Some(read);
        }
        self.go_on(&mut kept, at, &mut message);
        let missing = self.ahead(read);
        if missing > 0 {
            self.framing.gap(Some(missing.cast_unsigned()));
            self.next = Some(read);
        }
        self.pack(kept)
    }

    fn unpack(&mut self, kept: Option<KeptSegments>) -> KeptSegments {
        if self.keeps && kept.is_none() {
            self.framing.gap(None);
        }
        let mut kept = kept.unwrap_or_default();
        self.framing.put_bytes(std::mem::take(&mut kept.bytes));
        kept
    }

    fn pack(&mut self, mut kept: KeptSegments) -> Option<KeptSegments> {
        kept.bytes = self.framing.take_bytes();
        self.keeps = !kept.bytes.is_empty() || !kept.waiting.is_empty();
        kept.bytes.shrink_to_fit();
        self.keeps.then_some(kept)
    }

    /// A segment that begins there is next, or in the place of one that was taken before and may not have been read.
    fn is_unread(&self, sequence: u32) -> bool {
        let behind = |read: u32| sequence.wrapping_sub(read).cast_signed();
        self.read.is_some_and(|read| behind(read) >= 0) && self.ahead(sequence) <= 0
    }

    fn place(
        &mut self,
        kept: &mut KeptSegments,
        segment: Segment<'_>,
        message: &mut impl FnMut(&Message<'_>, u32),
    ) {
        let Segment { at, sequence, length, payload } = segment;
        let next = *self.next.get_or_insert(sequence);
        if self.loose && sequence == next.wrapping_add(1) {
            self.next = Some(sequence);
        }
        let ahead = self.ahead(sequence);
        if !(-WINDOW..=WINDOW).contains(&ahead) {
            let fits = self.stray.replace(sequence.wrapping_add(length)) == Some(sequence);
            if fits && self.read.is_none() {
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
            let is_there =
                |waiting: &WaitingSegment| waiting.sequence == sequence && waiting.length >= length;
            let has_room = self.read.is_none() || !kept.is_full(payload.len());
            if has_room && !kept.waiting.iter().any(is_there) {
                kept.waiting.push(WaitingSegment { sequence, length, payload: payload.to_vec() });
            }
        } else {
            self.take(sequence, length, payload, message);
        }
    }

    /// Takes segments that waited and fit now, and those that have waited long enough.
    fn go_on(
        &mut self,
        kept: &mut KeptSegments,
        now: KernelTime,
        message: &mut impl FnMut(&Message<'_>, u32),
    ) {
        while let Some(nearest) = self.nearest(&kept.waiting) {
            let ahead = self.ahead(kept.waiting[nearest].sequence);
            let goes_on = match self.read {
                Some(read) => ahead < self.ahead(read),
                None => kept.is_full(0) || now >= kept.since + GAP_AFTER,
            };
            if ahead > 0 && !goes_on {
                break;
            }
            let WaitingSegment { sequence, length, payload } = kept.waiting.swap_remove(nearest);
            if ahead > 0 {
                self.framing.gap(Some(ahead.cast_unsigned()));
                self.next = Some(sequence);
            }
            kept.since = now;
            self.take(sequence, length, &payload, message);
        }
    }

    fn nearest(&self, waiting: &[WaitingSegment]) -> Option<usize> {
        (0..waiting.len()).min_by_key(|&index| self.ahead(waiting[index].sequence))
    }

    fn ahead(&self, sequence: u32) -> i32 {
        sequence.wrapping_sub(self.next.unwrap_or(sequence)).cast_signed()
    }

    /// Takes the new part of a segment that begins where the stream goes on, or before.
    fn take(
        &mut self,
        sequence: u32,
        length: u32,
        payload: &[u8],
        message: &mut impl FnMut(&Message<'_>, u32),
    ) {
        let known = self.ahead(sequence).unsigned_abs();
        if known >= length {
            return;
        }
        self.loose = false;
        self.stray = None;
        let seen = payload.get(known as usize..).unwrap_or_default();
        let end = sequence.wrapping_add(known + seen.len() as u32);
        self.framing.push(seen, |found, behind| message(found, end.wrapping_sub(behind as u32)));
        let missing = length - known - seen.len() as u32;
        if missing > 0 {
            self.framing.gap(Some(missing));
        }
        self.next = Some(sequence.wrapping_add(length));
    }
}

impl KeptSegments {
    /// With so many more bytes.
    fn is_full(&self, more: usize) -> bool {
        let bytes: usize = self.waiting.iter().map(|waiting| waiting.payload.len()).sum();
        self.waiting.len() > WAITING_MAX || bytes + more > WAITING_BYTES_MAX
    }
}

/// The request that a segment holds, whatever comes before it.
fn emit_alone(segment: Segment<'_>, mut message: impl FnMut(&Message<'_>, u32)) {
    if let Some(found) = Message::parse(segment.payload, true)
        && let (Start::Request { .. }, Some(body)) = (found.start, found.body)
    {
        message(&found, segment.sequence.wrapping_add(body as u32));
    }
}
