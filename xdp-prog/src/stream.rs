//! The messages in a TCP segment, or in a part of a datagram: their signatures, how many begin, how many have
//! credentials.
//!
//! The automaton knows where headers end, which of them are credentials and which digits are those of Content-Length, and
//! with that where each message begins. A walk stops where the segment ends; what it knows there is [`Carried`] on to the
//! next one. Where the prefilter finds nothing, and the segment is one whole message, there is nothing to walk for.

use crate::{
    abi::{Carried, Signatures, phase},
    bytes::{Bytes, opaque},
    lines,
    matcher::{self, still_below},
    packed::{Packed, packed_enum, packed_newtype},
    reason::Class,
    sip::{self, Kind, SHORTEST},
};

/// Bytes of a segment that are looked at: fewer than of a datagram, as the walk costs more.
pub const SCAN_MAX: u32 = 2048;
/// A longer body than this is nobody's: PBXs refuse it too, and what lies behind it would not be seen.
pub const BODY_MAX: u32 = 1 << 16;

/// What a segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct Stream(u64);

/// In the word: the signature plus one in the low 16 bits, then four bits of count per class of request, of unknown
/// methods, of headers with credentials, of those in the segment's own first message, and then whether there was more.
const COUNTS: u32 = 16;
const UNKNOWN: u32 = COUNTS + 4 * REQUESTS;
const CREDENTIALS: u32 = UNKNOWN + 4;
const OWN_CREDENTIALS: u32 = CREDENTIALS + 4;
const TANGLED: u64 = 1 << (OWN_CREDENTIALS + 4);
/// Requests have the first classes.
const REQUESTS: u32 = Class::Other as u32 + 1;

impl Stream {
    #[inline(always)]
    pub const fn signature(self) -> Option<u16> {
        match self.0 as u16 {
            0 => None,
            id => Some(id - 1),
        }
    }

    /// Besides what stands in the message that the segment begins with.
    #[inline(always)]
    pub const fn nothing_later(self) -> bool {
        self.0 >> COUNTS & !(15 << (OWN_CREDENTIALS - COUNTS)) == 0
    }

    /// Requests of a class that begin in this segment, or whose first bytes are complete with it; at most fifteen. The one
    /// that it begins with is not among them.
    #[inline(always)]
    pub const fn later(self, class: Class) -> u32 {
        (self.0 >> (COUNTS + 4 * class as u32)) as u32 & 15
    }

    #[inline(always)]
    pub const fn later_unknown(self) -> u32 {
        (self.0 >> UNKNOWN) as u32 & 15
    }

    /// Headers with credentials in other messages than the one that the segment begins with.
    #[inline(always)]
    pub const fn credentials(self) -> u32 {
        (self.0 >> CREDENTIALS) as u32 & 15
    }

    /// Headers with credentials in the message that the segment begins with.
    #[inline(always)]
    pub const fn own_credentials(self) -> u32 {
        (self.0 >> OWN_CREDENTIALS) as u32 & 15
    }

    /// Its messages cannot be told apart: there are more than anybody sends at once, or one has two lengths.
    #[inline(always)]
    pub const fn is_tangled(self) -> bool {
        self.0 & TANGLED != 0
    }

    #[inline(always)]
    const fn tangled(self) -> Self {
        Self(self.0 | TANGLED)
    }

    #[inline(always)]
    const fn with_signature(self, signature: u16) -> Self {
        Self(self.0 | (signature as u64 + 1))
    }

    #[inline(always)]
    const fn with_later(self, kind: Kind) -> Self {
        match kind {
            Kind::Request(class) if (class as u32) < REQUESTS => self.with_one(COUNTS + 4 * class as u32),
            Kind::UnknownMethod => self.with_one(UNKNOWN),
            _ => self,
        }
    }

    #[inline(always)]
    const fn with_credentials(self, own: bool) -> Self {
        self.with_one(if own { OWN_CREDENTIALS } else { CREDENTIALS })
    }

    #[inline(always)]
    const fn with_one(self, shift: u32) -> Self {
        // A full count would let the rest through uncharged.
        if self.0 >> shift & 15 == 15 { self.tangled() } else { Self(self.0 + (1 << shift)) }
    }
}

packed_newtype!(Stream, u64);

/// How far [`Signatures::advance`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    pub row: u16,
    /// Bytes read, and the last of them.
    pub count: u32,
    pub last: u8,
}

impl Packed for Advance {
    type Word = u64;

    #[inline(always)]
    fn pack(self) -> u64 {
        (self.count as u64) << 32 | (self.last as u64) << 16 | self.row as u64
    }

    #[inline(always)]
    fn unpack(word: u64) -> Self {
        Self { row: word as u16, count: (word >> 32) as u32, last: (word >> 16) as u8 }
    }
}

/// How a segment is read: the row after a byte, and how the next message begins. The kernel verifies each as a function
/// by itself.
pub trait Segment {
    /// [`Signatures::advance`] over at most `most` bytes from `at` on.
    fn advance(&self, row: u16, at: u32, most: u32) -> Advance;
    /// Where the blanks that begin at `at` end.
    fn skip_blanks(&self, at: u32) -> u32;
    /// What begins at `at`; a method of no standard counts as that, without a look at its shape.
    fn message(&self, at: u32) -> Kind;
    /// Adds what is there from `at` on, before `end`, to the first bytes of a message, and says where it stopped.
    fn take_head(&self, carried: &mut Carried, at: u32, end: u32) -> u32;
}

/// [`Segment::skip_blanks`] over a payload.
#[inline(always)]
pub fn skip_blanks(payload: Bytes<'_>) -> u32 {
    let mut at = 0;
    while at < BLANKS_MAX {
        match payload.byte(at as usize) {
            Some(byte) if byte <= b' ' => at += 1,
            _ => break,
        }
    }
    at
}

/// [`Segment::message`] of a payload.
#[inline(always)]
pub fn later_message(payload: Bytes<'_>) -> Kind {
    sip::message(payload, SCAN_MAX).unwrap_or(Kind::UnknownMethod)
}

/// [`Segment::take_head`] of at most `most` bytes from the beginning of a payload. How many it took.
#[inline(always)]
pub fn take_head(payload: Bytes<'_>, carried: &mut Carried, most: u32) -> u32 {
    let mut taken = 0;
    while taken < SHORTEST {
        if carried.head_length >= SHORTEST as u16 || !still_below(taken, most) {
            break;
        }
        let Some(byte) = payload.byte(taken) else { break };
        carried.add_to_head(byte);
        taken += 1;
    }
    taken as u32
}

impl Carried {
    #[inline(always)]
    const fn add_to_head(&mut self, byte: u8) {
        let word = if self.head_length < 8 { &mut self.head[0] } else { &mut self.head[1] };
        *word |= (byte as u64) << (8 * (self.head_length & 7));
        self.head_length += 1;
    }

    #[inline(always)]
    const fn whole_head(&self) -> [u8; SHORTEST] {
        let ([a, b, c, d, e, f, g, h], [i, j, k, l, ..]) =
            (self.head[0].to_le_bytes(), self.head[1].to_le_bytes());
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }
}

/// Line ends between two messages; more of them hide something.
const BLANKS_MAX: u32 = 64;
/// Turns of the walk: a message takes a few for its end and one for each digit of its length. More than these
/// fit into a segment only if somebody wants to hide the last of them.
const TURNS: u32 = 128;

impl Signatures {
    /// Follows the message from `row` through at most `most` bytes, until something happens: the headers end, a header with
    /// credentials begins, a digit of the length is read, a signature is found, or nothing can be found any more. Reads in
    /// whole steps while it can, and what is less than a step at the next call.
    #[inline(always)]
    pub fn advance(&self, payload: Bytes<'_>, row: u16, most: u32) -> Advance {
        const STEP: usize = 8;
        // Row 0 wraps around: dead and eventful rows are told from ordinary ones at once.
        let quiet = self.head.body.wrapping_sub(1);
        let happens = |row: u16| row.wrapping_sub(1) >= quiet;
        let mut row = row;
        let mut at = 0;
        if most < STEP as u32 {
            while at < STEP {
                let last = if still_below(at, most) { payload.byte(at) } else { None };
                let Some(last) = last else { break };
                row = self.step(row, last);
                at += 1;
                if happens(row) {
                    return Advance { row, count: at as u32, last };
                }
            }
            return Advance { row, count: at as u32, last: 0 };
        }
        while at < SCAN_MAX as usize {
            if at + STEP > most as usize {
                break;
            }
            let Some(chunk) = payload.chunk::<STEP>(at) else { break };
            let mut byte = 0;
            while byte < STEP {
                let last = chunk[byte];
                row = self.step(row, last);
                byte += 1;
                if happens(row) {
                    return Advance { row, count: (at + byte) as u32, last };
                }
            }
            at += STEP;
        }
        Advance { row, count: at as u32, last: 0 }
    }
}

/// Where a walk begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Begin {
    /// With the request, or with the response, that the segment begins with.
    Request = 0,
    Response = 1,
    /// Where the stream's last segment ended.
    Carried = 2,
    /// The same, with what looks like a request and is judged by itself, too.
    CarriedRequest = 3,
    /// With the request of a datagram of which this is the first part: it has no length, and no second message.
    Datagram = 4,
    /// Nobody knows where: among the headers of a message, as that is where something can be found.
    Anywhere = 5,
    /// Nowhere: there is nothing in it, and what is carried on stays what it is.
    Nowhere = 6,
}

packed_enum!(Begin: Request | Response | Carried | CarriedRequest | Datagram | Anywhere | Nowhere, or Anywhere);

/// What is looked for in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Search {
    /// Only where messages begin and which have credentials.
    Messages = 0,
    /// Signatures too. There are none in this segment alone, but one may go on in the next.
    Rest = 1,
    Signatures = 2,
}

packed_enum!(Search: Messages | Rest | Signatures, or Signatures);

/// How the kernel is to walk through a segment. `slot` is that of the set of signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalkPlan {
    pub begin: Begin,
    pub search: Search,
    pub slot: u32,
}

impl Packed for WalkPlan {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        self.begin as u32 | (self.search as u32) << 3 | self.slot << 8
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        Self { begin: Begin::unpack(word & 7), search: Search::unpack(word >> 3 & 3), slot: word >> 8 }
    }
}

impl Search {
    #[inline(always)]
    pub const fn signatures(self) -> bool {
        !matches!(self, Self::Messages)
    }

    /// Whether nothing is to be found in a segment that is one whole message.
    #[inline(always)]
    pub const fn may_be_spared(self, begin: Begin) -> bool {
        matches!(begin, Begin::Request | Begin::Response) && !matches!(self, Self::Signatures)
    }
}

/// A walk through the messages of one segment.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Walk {
    found: Stream,
    /// For the kernel: where the segment's payload begins in the frame, and the slot of the set.
    pub offset: u32,
    pub slot: u32,
    /// Bytes of the segment, and how many of them are looked at.
    whole: u32,
    length: u32,
    at: u32,
    /// Where the last digit of the length was read.
    digit_at: u32,
    /// Where the body ends, while in it.
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
    /// Where the walk is, and where it ended.
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
        // How a segment begins was looked at before: this is no message.
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

    /// What is carried on from where the walk ended.
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

/// What was read of the length.
mod digits {
    pub(super) const NONE: u8 = 0;
    /// The last byte was one of its digits.
    pub(super) const LAST: u8 = 1;
    pub(super) const OVER: u8 = 2;
}

/// A segment that can be read in one go: everywhere but in the kernel.
struct Whole<'a> {
    set: &'a Signatures,
    payload: Bytes<'a>,
}

impl Segment for Whole<'_> {
    fn advance(&self, row: u16, at: u32, most: u32) -> Advance {
        self.set.advance(self.payload.skip(at as usize), row, most)
    }

    fn skip_blanks(&self, at: u32) -> u32 {
        at + skip_blanks(self.payload.skip(at as usize))
    }

    fn message(&self, at: u32) -> Kind {
        later_message(self.payload.skip(at as usize))
    }

    fn take_head(&self, carried: &mut Carried, at: u32, end: u32) -> u32 {
        at + take_head(self.payload.skip(at as usize), carried, end.saturating_sub(at))
    }
}

impl Signatures {
    /// What a segment of `length` bytes holds, and what is carried on to the next one. `carried`: what the one before left,
    /// for [`Begin::Carried`]. `search`: for signatures too.
    pub fn find_in_stream(
        &self,
        payload: Bytes<'_>,
        length: u32,
        begin: Begin,
        search: bool,
        carried: Carried,
    ) -> (Stream, Carried) {
        let may_be = || matcher::scan(payload, length, &self.prefilter).candidate().is_some();
        let search = if !search {
            Search::Messages
        } else if may_be() {
            Search::Signatures
        } else {
            Search::Rest
        };
        self.walk_segment(payload, length, begin, search, carried)
    }

    /// The same where the prefilter was asked.
    pub fn walk_segment(
        &self,
        payload: Bytes<'_>,
        length: u32,
        begin: Begin,
        search: Search,
        carried: Carried,
    ) -> (Stream, Carried) {
        if matches!(begin, Begin::Nowhere) {
            return (Stream::default(), carried);
        }
        if search.may_be_spared(begin) && is_whole_message(payload, length) {
            return (Stream::default(), Carried { generation: self.head.generation, ..Carried::START });
        }
        self.walk_stream(payload, length, begin, search.signatures(), carried)
    }

    /// The same, without a look whether the walk can be spared.
    pub fn walk_stream(
        &self,
        payload: Bytes<'_>,
        length: u32,
        begin: Begin,
        search: bool,
        carried: Carried,
    ) -> (Stream, Carried) {
        let segment = Whole { set: self, payload };
        let mut walk = Walk::new(self, payload, length, begin, search, carried);
        let found = walk.finish(|walk| walk.turn(self, &segment));
        (found, walk.carried)
    }

    /// The row behind a message's first bytes, from the row before them. Zero: something happens in them, as in no message.
    #[inline(always)]
    fn row_behind(&self, head: [u64; 2], row: u16) -> u16 {
        let [first, second] = head;
        let row = self.row_behind_bytes(first, 8, row);
        self.row_behind_bytes(second, SHORTEST as u32 - 8, row)
    }

    #[inline(always)]
    fn row_behind_bytes(&self, bytes: u64, count: u32, row: u16) -> u16 {
        let (mut bytes, mut row) = (bytes, row);
        let mut at = 0;
        while at < count {
            row = self.step(row, bytes as u8);
            if row >= self.head.body {
                return 0;
            }
            bytes >>= 8;
            at += 1;
        }
        row
    }
}

/// How much of a segment is looked at.
#[inline(always)]
pub const fn seen(length: u32) -> u32 {
    if length > SCAN_MAX { SCAN_MAX } else { length }
}

/// Whether a segment that begins with a message ends with it too, as far as its last bytes tell: the headers end there and
/// not before, and the last one says that there is no body.
#[inline(always)]
pub fn is_whole_message(payload: Bytes<'_>, length: u32) -> bool {
    length <= SCAN_MAX
        && ends_without_body(payload, length)
        && !lines::goes_on_behind_empty_line(payload, length, SCAN_MAX)
}

#[inline(always)]
fn ends_in_return(payload: Bytes<'_>, length: u32) -> bool {
    let last = opaque(length.wrapping_sub(1) as usize) & (SCAN_MAX as usize - 1);
    length <= SCAN_MAX && payload.byte(last) == Some(b'\r')
}

/// Whether the last bytes are `Content-Length: 0` and the empty line. A name that only ends like that one, or another
/// length before it, makes more be looked at and not less.
#[inline(always)]
fn ends_without_body(payload: Bytes<'_>, length: u32) -> bool {
    const LAST: usize = 16;
    let Some(at) = (length as usize).checked_sub(LAST) else { return false };
    let Some(last) = payload.chunk::<LAST>(opaque(at) & (SCAN_MAX as usize - 1)) else { return false };
    let last = folded(last);
    last == folded(b"nt-Length: 0\r\n\r\n") || last == folded(b"t-Length:  0\r\n\r\n")
}

/// As two words, with the name's letters in lower case. Other bytes of it change too, the same on both sides of a
/// comparison.
#[inline(always)]
fn folded(bytes: &[u8; 16]) -> [u64; 2] {
    let word = |at: usize| bytes[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    [word(0) | 0x2020_2020_2020_2020, word(8) | 0x20]
}
