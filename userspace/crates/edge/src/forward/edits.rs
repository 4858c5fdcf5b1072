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
        // What is added stands before what it is added at.
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
