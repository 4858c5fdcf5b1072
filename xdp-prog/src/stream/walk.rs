//! The walk through the messages of a segment.

use super::{
    BODY_MAX, SCAN_MAX,
    found::Stream,
    plan::Begin,
    seen,
    segment::{BLANKS_MAX, Segment, TURNS},
};
use crate::{
    abi::{Carried, Signatures, phase},
    bytes::{Bytes, opaque},
    sip::{self, Kind, SHORTEST},
};

/// A walk through the messages of one segment.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Walk {
    found: Stream,
    /// For the kernel: the beginning of the segment's payload in the frame, and the slot of the set.
    pub offset: u32,
    pub slot: u32,
    /// Bytes of the segment, and how many of them are looked at.
    whole: u32,
    length: u32,
    at: u32,
    /// The place where the last digit of the length was read.
    digit_at: u32,
    /// The end of the body, while in it.
    body_end: u32,
    /// The row at the beginning of a request.
    request: u16,
    /// 1: the message is the one that the segment begins with.
    own: u8,
    /// 1: between two messages, where the segment begins with none.
    fresh: u8,
    /// 1: the segment ends with a CR.
    ends_in_return: u8,
    reserved: [u8; 3],
    /// The place of the walk, and later the place where it ended.
    pub carried: Carried,
}

impl Walk {
    /// `search`: there may be signatures in it, and not only messages. `carried`: what the segment before left, for
    /// [`Begin::Carried`].
    #[inline(always)]
    pub fn new(
        set: &Signatures,
        payload: Bytes<'_>,
        length: u32,
        begin: Begin,
        search: bool,
        carried: Carried,
    ) -> Self {
        let mut walk = Self { carried, ..Self::default() };
        walk.start(set, payload, length, begin, search);
        walk
    }

    /// Begins anew, where [`carried`](Self::carried) says for [`Begin::Carried`].
    #[inline(always)]
    pub fn start(&mut self, set: &Signatures, payload: Bytes<'_>, length: u32, begin: Begin, search: bool) {
        self.ends_in_return = ends_in_return(payload, length) as u8;
        // A response's rows know the lines, and no signature.
        self.request = if search { set.head.request } else { set.head.response };
        self.found = Stream::default();
        self.whole = length;
        self.length = seen(length);
        (self.at, self.digit_at, self.body_end) = (0, NO_DIGIT, 0);
        (self.own, self.fresh) = (0, 0);
        match begin {
            Begin::Carried | Begin::CarriedRequest => {
                self.own = matches!(begin, Begin::CarriedRequest) as u8;
                self.fresh = (self.carried.phase == phase::START) as u8;
                self.body_end = self.carried.length;
                if self.carried.digits == digits::LAST {
                    self.digit_at = 0;
                }
            }
            Begin::Nowhere => {}
            Begin::Request | Begin::Response | Begin::Datagram | Begin::Anywhere => {
                self.carried = Carried::LOST;
                self.carried.phase =
                    if matches!(begin, Begin::Datagram) { phase::DATAGRAM } else { phase::HEADERS };
                self.own = !matches!(begin, Begin::Anywhere) as u8;
                self.carried.row = match begin {
                    Begin::Response => set.head.response,
                    Begin::Anywhere if search && set.head.line != 0 => set.head.line,
                    _ => self.request,
                };
            }
        }
        self.carried.generation = set.head.generation;
    }

    /// The whole walk. `turn` is [`turn`](Self::turn), which the kernel verifies as a function by itself.
    #[inline(always)]
    pub fn finish(&mut self, turn: impl Fn(&mut Self) -> bool) -> Stream {
        let mut turns = 0;
        while turns < TURNS {
            if turn(self) {
                self.settle();
                return self.found;
            }
            turns += 1;
        }
        self.carried = Carried::LOST;
        self.found.tangled()
    }

    /// Goes on to where something happens; true: the walk is over.
    #[inline(always)]
    pub fn turn(&mut self, set: &Signatures, segment: &impl Segment) -> bool {
        // Before a set is loaded all rows are dead, and row 0 accepting as well.
        if set.head.accept == 0 {
            return true;
        }
        match self.carried.phase {
            phase::START => self.next_message(set, segment),
            phase::HEAD => self.complete_head(set, segment),
            phase::HEADERS | phase::BODY | phase::DATAGRAM => self.follow(set, segment),
            _ => true,
        }
    }

    #[inline(always)]
    fn follow(&mut self, set: &Signatures, segment: &impl Segment) -> bool {
        let head = &set.head;
        let in_body = self.carried.phase == phase::BODY;
        if in_body && self.carried.row == 0 {
            return self.end_body(set, segment);
        }
        let end = if in_body && self.body_end < self.length { self.body_end } else { self.length };
        let step = segment.advance(self.carried.row, self.at, end.saturating_sub(self.at));
        if step.count == 0 {
            return true;
        }
        self.carried.row = step.row;
        self.at += step.count;
        if step.row >= head.accept {
            self.found = self.found.with_signature(set.accepted(step.row));
            self.carried.phase = phase::LOST;
            return true;
        }
        if step.row >= head.digit {
            return self.digit(step.last);
        }
        if step.row >= head.credentials {
            self.found = self.found.with_credentials(self.own != 0);
            return false;
        }
        if step.row >= head.body && self.carried.phase == phase::HEADERS {
            self.carried.phase = phase::BODY;
            self.body_end = self.at + self.carried.length;
        }
        if self.carried.phase == phase::BODY && (step.row == 0 || self.at >= self.body_end) {
            return self.end_body(set, segment);
        }
        // The message goes on in another segment, or cannot be followed.
        step.row == 0 || self.at >= self.length
    }

    /// Another digit of the length; true: the walk is over.
    #[inline(always)]
    fn digit(&mut self, digit: u8) -> bool {
        if self.carried.phase == phase::DATAGRAM {
            return false;
        }
        let length = self.carried.length * 10 + (digit & 15) as u32;
        let has_two = self.carried.digits != digits::NONE && self.digit_at + 1 != self.at;
        if has_two || length > BODY_MAX {
            return self.tangle();
        }
        self.carried.digits = digits::LAST;
        self.digit_at = self.at;
        self.carried.length = length;
        false
    }

    #[inline(always)]
    const fn tangle(&mut self) -> bool {
        self.found = self.found.tangled();
        self.carried.phase = phase::LOST;
        true
    }

    /// Goes on behind the body, if that is in this segment.
    #[inline(always)]
    fn end_body(&mut self, set: &Signatures, segment: &impl Segment) -> bool {
        if self.body_end > self.length {
            return true;
        }
        self.at = self.body_end;
        self.carried.phase = phase::START;
        self.next_message(set, segment)
    }

    #[inline(always)]
    fn next_message(&mut self, set: &Signatures, segment: &impl Segment) -> bool {
        self.own = 0;
        let from = self.at;
        self.at = segment.skip_blanks(from);
        if self.at >= self.length {
            self.at = self.length;
            return true;
        }
        if self.at - from >= BLANKS_MAX {
            return self.tangle();
        }
        if self.length - self.at < SHORTEST as u32 {
            self.carried = Carried { phase: phase::HEAD, generation: set.head.generation, ..Carried::LOST };
            self.at = segment.take_head(&mut self.carried, self.at, self.length);
            return true;
        }
        let kind = segment.message(self.at);
        // The beginning of a segment was looked at before: this is no message.
        if self.fresh == 0 || !matches!(kind, Kind::UnknownMethod) {
            self.found = self.found.with_later(kind);
        }
        self.begin_message(set, self.first_row(set, kind));
        false
    }

    #[inline(always)]
    const fn first_row(&self, set: &Signatures, kind: Kind) -> u16 {
        if matches!(kind, Kind::Response) { set.head.response } else { self.request }
    }

    #[inline(always)]
    const fn begin_message(&mut self, set: &Signatures, row: u16) {
        self.carried =
            Carried { phase: phase::HEADERS, row, generation: set.head.generation, ..Carried::LOST };
        self.fresh = 0;
    }

    /// Goes on in a message of which the segment before had only the first few bytes.
    #[inline(always)]
    fn complete_head(&mut self, set: &Signatures, segment: &impl Segment) -> bool {
        self.at = segment.take_head(&mut self.carried, self.at, self.length);
        if self.carried.head_length < SHORTEST as u16 {
            return true;
        }
        let kind = sip::known(&self.carried.whole_head()).unwrap_or(Kind::UnknownMethod);
        self.found = self.found.with_later(kind);
        match set.row_behind(self.carried.head, self.first_row(set, kind)) {
            0 => return self.tangle(),
            row => self.begin_message(set, row),
        }
        self.at >= self.length
    }

    /// Prepares the state that is carried on from the end of the walk.
    #[inline(always)]
    const fn settle(&mut self) {
        let carried = &mut self.carried;
        match carried.phase {
            // The rest is known by its length alone.
            phase::BODY if self.body_end >= self.whole => {
                carried.length = self.body_end - self.whole;
                if self.at < self.whole {
                    carried.row = 0;
                }
                if carried.length == 0 {
                    *carried = Carried { generation: carried.generation, ..Carried::START };
                    return;
                }
            }
            // In the body, where no signature looks.
            phase::DATAGRAM if carried.row == 0 => {}
            _ if self.at < self.whole => *carried = Carried::LOST,
            phase::START => {
                *carried = Carried { generation: carried.generation, ..Carried::START };
                return;
            }
            phase::HEADERS if carried.digits == digits::LAST && self.digit_at != self.at => {
                carried.digits = digits::OVER;
            }
            _ => {}
        }
        carried.after_return = self.ends_in_return as u16;
    }
}

/// No place in a segment, and none before one.
const NO_DIGIT: u32 = u32::MAX - 1;

/// The part of Content-Length that was read.
pub(super) mod digits {
    pub(super) const NONE: u8 = 0;
    /// The last byte was one of its digits.
    pub(super) const LAST: u8 = 1;
    pub(super) const OVER: u8 = 2;
}

#[inline(always)]
fn ends_in_return(payload: Bytes<'_>, length: u32) -> bool {
    let last = opaque(length.wrapping_sub(1) as usize) & (SCAN_MAX as usize - 1);
    length <= SCAN_MAX && payload.byte(last) == Some(b'\r')
}
