//! The walk over a payload that can be read in one go, outside the kernel.

use super::{
    Begin, Search, Stream,
    segment::{Advance, Segment, later_message, skip_blanks, take_head},
    walk::Walk,
    whole_message::is_whole_message,
};
use crate::{
    abi::{Carried, Signatures},
    bytes::Bytes,
    matcher,
    sip::{Kind, SHORTEST},
};

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
    /// The contents of a segment of `length` bytes, and the state that is carried on to the next one. `carried`: the
    /// state after the one before, for [`Begin::Carried`]. `search`: for signatures too.
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

    /// The same after the search with the prefilter.
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
    pub(super) fn row_behind(&self, head: [u64; 2], row: u16) -> u16 {
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
