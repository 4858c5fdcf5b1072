//! Ordinary SIP, to tell which grams are common.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use xdp_prog::matcher::{STRIDE, slot};

use super::literal::fold;

/// Messages as phones, gateways and servers of several makes send them, one after the other.
const MESSAGES: &str = include_str!("sample.txt");
/// The line between two of them.
const SEPARATOR: &str = "\n----\n";

/// All grams of the sample, wherever they may lie on the grid.
#[derive(Debug)]
pub(super) struct Sample {
    messages: usize,
    known: HashSet<Gram>,
    /// In order; `None` between two messages, so that no gram there has a neighbour.
    grams: Vec<Option<Gram>>,
    by_slot: HashMap<usize, Vec<usize>>,
}

impl Sample {
    pub(super) fn get() -> &'static Self {
        static SAMPLE: LazyLock<Sample> = LazyLock::new(Sample::read);
        &SAMPLE
    }

    /// The messages as they are on the wire.
    pub(super) fn messages() -> impl Iterator<Item = String> {
        MESSAGES.split(SEPARATOR).map(|message| message.replace('\n', "\r\n"))
    }

    fn read() -> Self {
        let mut sample = Self { messages: 0, known: HashSet::new(), grams: vec![], by_slot: HashMap::new() };
        for message in Self::messages() {
            let folded: Vec<u8> = message.bytes().map(fold).collect();
            for gram in folded.array_windows() {
                sample.known.insert(*gram);
                sample.by_slot.entry(slot(*gram)).or_default().push(sample.grams.len());
                sample.grams.push(Some(*gram));
            }
            sample.grams.extend([None; STRIDE]);
            sample.messages += 1;
        }
        sample
    }

    pub(super) fn has(&self, gram: Gram) -> bool {
        self.known.contains(&gram)
    }

    /// True if one of `seconds` ever follows one of `firsts` as its neighbour.
    pub(super) fn has_pair(&self, firsts: &[Gram], seconds: &[Gram]) -> bool {
        self.at(firsts).any(|at| {
            self.grams[at].is_some_and(|gram| firsts.contains(&gram))
                && self.after(at).is_some_and(|gram| seconds.contains(&gram))
        })
    }

    /// The number of times that a message has one of `grams`, or one that falls into the same slot.
    pub(super) fn rate(&self, grams: &[Gram]) -> f64 {
        self.at(grams).count() as f64 / self.messages as f64
    }

    /// Neighbours that the table would take for a pair, if `grams` came to those that are `there` already.
    pub(super) fn pairs_with(&self, grams: &[Gram], there: impl Fn(Gram) -> bool) -> usize {
        let slots: HashSet<usize> = grams.iter().map(|gram| slot(*gram)).collect();
        let hits = |gram: Gram| slots.contains(&slot(gram)) || there(gram);
        let beside = |at: usize| {
            [at.checked_sub(STRIDE).and_then(|before| self.grams[before]), self.after(at)]
                .into_iter()
                .flatten()
                .filter(|gram| hits(*gram))
                .count()
        };
        self.at(grams).map(beside).sum()
    }

    fn at(&self, grams: &[Gram]) -> impl Iterator<Item = usize> {
        let slots: HashSet<usize> = grams.iter().map(|gram| slot(*gram)).collect();
        slots.into_iter().filter_map(|slot| self.by_slot.get(&slot)).flatten().copied()
    }

    fn after(&self, at: usize) -> Option<Gram> {
        self.grams.get(at + STRIDE).copied().flatten()
    }
}

/// Bytes of a gram.
pub(super) const GRAM: usize = 4;

/// Four bytes as the table sees them: without their case.
pub(super) type Gram = [u8; GRAM];
