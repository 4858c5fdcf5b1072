//! A message as it was received, but for some of its parts.

use std::ops::Range;

use crate::message::{Header, Line, Message};

pub(super) struct Edits<'m, 'a> {
    message: &'m Message<'a>,
    /// None overlaps with another.
    edits: Vec<(Range<usize>, Vec<u8>)>,
}

impl<'m, 'a> Edits<'m, 'a> {
    pub(super) fn new(message: &'m Message<'a>) -> Self {
        Self { message, edits: Vec::with_capacity(8) }
    }

    /// `part` is a part of the message.
    pub(super) fn replace(&mut self, part: &'a [u8], by: impl Into<Vec<u8>>) {
        self.edits.push((self.message.span(part), by.into()));
    }

    pub(super) fn remove(&mut self, line: &Line) {
        self.edits.push((line.whole.clone(), Vec::new()));
    }

    pub(super) fn remove_where(&mut self, is_unwanted: impl Fn(&Line) -> bool) {
        for line in self.message.lines().iter().filter(|line| is_unwanted(line)) {
            self.remove(line);
        }
    }

    /// Above all other lines, and below those that were added before.
    pub(super) fn add_line(&mut self, line: &str) {
        let at = self.first_line();
        self.edits.push((at..at, format!("{line}\r\n").into_bytes()));
    }

    pub(super) fn replace_start_line(&mut self, by: &str) {
        self.edits.push((0..self.first_line() - 2, by.as_bytes().to_vec()));
    }

    /// Of all the values of a header, in their order, only those at `kept` stay.
    pub(super) fn keep_values(&mut self, header: Header, kept: Range<usize>) {
        let values: Vec<_> = self.message.listed(header).collect();
        let mut first = 0;
        for of_line in values.chunk_by(|one, other| one.line.whole == other.line.whole) {
            let line = of_line[0].line;
            let spans: Vec<_> = of_line.iter().map(|listed| self.message.span(listed.value)).collect();
            let within = |at: usize| at.clamp(first, first + spans.len()) - first;
            let (from, to) = (within(kept.start), within(kept.end));
            if from >= to {
                self.remove(line);
            } else {
                self.edits.push((line.value.start..spans[from].start, Vec::new()));
                self.edits.push((spans[to - 1].end..line.value.end, Vec::new()));
            }
            first += spans.len();
        }
    }

    fn first_line(&self) -> usize {
        self.message.lines().first().map_or(0, |line| line.whole.start)
    }

    pub(super) fn apply(mut self) -> Vec<u8> {
        // Additions stand before the line that they are made at.
        self.edits.sort_by_key(|(span, _)| (span.start, span.end));
        let bytes = self.message.bytes();
        let added: usize = self.edits.iter().map(|(_, by)| by.len()).sum();
        let mut edited = Vec::with_capacity(bytes.len() + added);
        let mut at = 0;
        for (span, by) in &self.edits {
            edited.extend_from_slice(&bytes[at..span.start]);
            edited.extend_from_slice(by);
            at = span.end;
        }
        edited.extend_from_slice(&bytes[at..]);
        edited
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Carrier;

    #[test]
    fn edits_may_be_made_in_any_order() {
        const ANSWER: &[u8] =
            b"SIP/2.0 200 OK\r\nX-Sipward-A: x\r\nVia: SIP/2.0/UDP a, SIP/2.0/UDP b ,SIP/2.0/UDP c \r\n\
            From: <sip:1@x>\r\nTo: <sip:2@x>\r\nVia: SIP/2.0/UDP d\r\nCall-ID: c\r\nCSeq: 1 BYE\r\n\r\n";
        let answer = Message::read(ANSWER, Carrier::Datagram).unwrap();
        for (kept, vias) in [
            (0..4, "Via: SIP/2.0/UDP a, SIP/2.0/UDP b ,SIP/2.0/UDP c|Via: SIP/2.0/UDP d"),
            (1..4, "Via: SIP/2.0/UDP b ,SIP/2.0/UDP c|Via: SIP/2.0/UDP d"),
            (1..2, "Via: SIP/2.0/UDP b"),
            (3..4, "Via: SIP/2.0/UDP d"),
            (2..2, ""),
        ] {
            let mut edits = Edits::new(&answer);
            edits.replace(answer.call_id(), "d");
            edits.remove_where(|line| line.header == Header::Sipward);
            edits.keep_values(Header::Via, kept);
            edits.replace_start_line("SIP/2.0 500 No");
            edits.add_line("First: 1");
            edits.add_line("Second: 2");
            let edited = String::from_utf8(edits.apply()).unwrap();
            let (own, vias_kept): (Vec<_>, Vec<_>) =
                edited.lines().map(str::trim_end).partition(|line| !line.starts_with("Via"));
            assert_eq!(vias_kept.join("|"), vias);
            let rest =
                "SIP/2.0 500 No|First: 1|Second: 2|From: <sip:1@x>|To: <sip:2@x>|Call-ID: d|CSeq: 1 BYE|";
            assert_eq!(own.join("|"), rest);
        }
    }
}
