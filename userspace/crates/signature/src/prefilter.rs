//! The grams that let a clean packet pass without the automaton: `xdp_prog::matcher` says how they are looked
//! up, this file which are chosen.
//!
//! A pattern is first written out as a few *literals*: runs of bytes, one of which every match contains. Of
//! each literal, for each of the three ways it can lie on the grid, one gram or two neighbouring ones are
//! chosen, the rarest in ordinary messages.

use regex_syntax::hir::Hir;
use xdp_prog::{
    abi::PREFILTER_SIZE,
    matcher::{CREDENTIALS, CREDENTIALS_GROUP, LITERAL_SPAN_MAX, LONE_GROUP, STRIDE, slot},
};

use super::{
    Place, Signature, SignatureError,
    literal::{self, Literal},
    pattern,
    sample::Sample,
};
use crate::sample::{GRAM, Gram};

/// Groups of pairs that signatures are in.
const GROUPS: usize = 6;
const _: () = assert!(CREDENTIALS_GROUP == 1 << GROUPS);

/// The rate at which one gram sends an ordinary message to the automaton by chance: its share of the table times the
/// message's grams.
const LONE_CHANCE: f64 = 170.0 / PREFILTER_SIZE as f64;
/// The likelihood that the neighbour of a gram in a pair is of the same group, in a full set.
const PAIR_CHANCE: f64 = 3e-4;
/// The cost of a gram in a pair to all others of its group.
const CROWDING: f64 = 4e-6;
/// A signature may send this share of ordinary messages to the automaton by chance.
const CHANCE_MAX: f64 = 0.02;
/// Grams that classes of bytes may be written out to.
const WRITTEN_OUT_MAX: usize = 1024;

const TOO_COMMON: &str = "too short or too common to look for in every packet; give it at least six characters in \
                          a row that ordinary messages do not have, or leave it to the daemon with `judge = \
                          \"daemon\"`";

/// The grams that can be found, or why there are none.
pub(super) fn check(tree: &Hir, places: &[Place]) -> Result<(), String> {
    choices(tree, places, Sample::get()).map(|_| ())
}

/// Fills the table for all `signatures`.
pub(super) fn fill(
    signatures: &[&Signature],
    table: &mut [u8; PREFILTER_SIZE],
) -> Result<(), SignatureError> {
    let sample = Sample::get();
    let mut filler = Filler { table, sample, filled: [0; GROUPS] };
    for signature in signatures {
        let refuse = |what| SignatureError::Signature { name: signature.name.clone(), what };
        let tree = pattern::tree(&signature.matching, &signature.places).map_err(refuse)?;
        for choice in choices(&tree, &signature.places, sample).map_err(refuse)? {
            filler.enter(&choice.way);
        }
    }
    filler.enter_credentials();
    Ok(())
}

/// The grams for a literal that lies on the grid in one of the three ways.
#[derive(Clone, Debug)]
struct Choice {
    way: Way,
    /// Of sending an ordinary message to the automaton, by chance alone.
    chance: f64,
    /// The same with what the sample shows.
    cost: f64,
}

impl Choice {
    const fn chance(&self) -> f64 {
        self.chance
    }

    const fn cost(&self) -> f64 {
        self.cost
    }
}

#[derive(Clone, Debug)]
enum Way {
    Lone(Vec<Gram>),
    /// Two neighbours: any of the first and then any of the second.
    Pair(Vec<Gram>, Vec<Gram>),
}

/// Three for one literal of each alternative.
fn choices(tree: &Hir, places: &[Place], sample: &Sample) -> Result<Vec<Choice>, String> {
    let mut chosen = vec![];
    for literals in literal::alternatives(tree, places) {
        let windows = literals.iter().flat_map(windows);
        let best = windows
            .filter_map(|window| in_window(window, sample))
            .min_by(|one, other| total(one, Choice::cost).total_cmp(&total(other, Choice::cost)));
        chosen.extend(best.ok_or(TOO_COMMON)?);
    }
    if chosen.is_empty() || total(&chosen, Choice::chance) > CHANCE_MAX {
        return Err(TOO_COMMON.into());
    }
    Ok(chosen)
}

fn total(choices: &[Choice], of: impl Fn(&Choice) -> f64) -> f64 {
    choices.iter().map(of).sum()
}

/// The parts of a literal that are short enough.
fn windows(literal: &Literal) -> impl Iterator<Item = &[Vec<u8>]> {
    literal.windows(literal.len().clamp(1, LITERAL_SPAN_MAX))
}

/// The best choice for each place on the grid; none, if there is none for one of them.
fn in_window(window: &[Vec<u8>], sample: &Sample) -> Option<Vec<Choice>> {
    let grams: Vec<Option<Vec<Gram>>> = window.array_windows().map(write_out).collect();
    let at = |place: usize| grams.get(place)?.as_ref();
    (0..STRIDE)
        .map(|first| {
            let places = (first..grams.len()).step_by(STRIDE);
            let ways = places.flat_map(|place| {
                let lone = at(place).and_then(|grams| lone(grams, sample));
                let pair =
                    at(place).zip(at(place + STRIDE)).and_then(|(one, other)| pair(one, other, sample));
                lone.into_iter().chain(pair)
            });
            ways.min_by(|one, other| one.cost.total_cmp(&other.cost))
        })
        .collect()
}

/// Every gram of four classes, unless they are too many.
fn write_out(classes: &[Vec<u8>; GRAM]) -> Option<Vec<Gram>> {
    let [a, b, c, d] = classes;
    if a.len() * b.len() * c.len() * d.len() > WRITTEN_OUT_MAX {
        return None;
    }
    let grams = a.iter().flat_map(|a| {
        b.iter().flat_map(move |b| c.iter().flat_map(move |c| d.iter().map(move |d| [*a, *b, *c, *d])))
    });
    Some(grams.collect())
}

fn lone(grams: &[Gram], sample: &Sample) -> Option<Choice> {
    if grams.iter().any(|gram| sample.has(*gram)) {
        return None;
    }
    let chance = grams.len() as f64 * LONE_CHANCE;
    Some(Choice { way: Way::Lone(grams.to_vec()), chance, cost: chance + sample.rate(grams) })
}

fn pair(firsts: &[Gram], seconds: &[Gram], sample: &Sample) -> Option<Choice> {
    if sample.has_pair(firsts, seconds) {
        return None;
    }
    let chance = (firsts.len() + seconds.len()) as f64 * CROWDING;
    let cost = chance + (sample.rate(firsts) + sample.rate(seconds)) * PAIR_CHANCE;
    Some(Choice { way: Way::Pair(firsts.to_vec(), seconds.to_vec()), chance, cost })
}

struct Filler<'a> {
    table: &'a mut [u8; PREFILTER_SIZE],
    sample: &'a Sample,
    /// Grams by group.
    filled: [usize; GROUPS],
}

impl Filler<'_> {
    fn enter(&mut self, way: &Way) {
        match way {
            Way::Lone(grams) => self.mark(grams, LONE_GROUP),
            Way::Pair(firsts, seconds) => {
                let grams = [firsts.as_slice(), seconds].concat();
                let group = (0..GROUPS).min_by_key(|group| self.price(&grams, *group)).unwrap_or_default();
                self.filled[group] += self.missing(&grams, 1 << group);
                self.mark(&grams, 1 << group);
            }
        }
    }

    /// The literal that every header with credentials has, however it lies on the grid: no signature, but looked for
    /// with the same eyes.
    fn enter_credentials(&mut self) {
        for first in 0..STRIDE {
            for place in [first, first + STRIDE] {
                if let Some(gram) = CREDENTIALS[place..].first_chunk() {
                    self.mark(&[*gram], CREDENTIALS_GROUP);
                }
            }
        }
    }

    /// Of adding a pair to a group: false candidates in the sample first, then new entries, then how many
    /// there are.
    fn price(&self, grams: &[Gram], group: usize) -> (usize, usize, usize) {
        let bit = 1 << group;
        let there = |gram: Gram| self.table[slot(gram)] & bit != 0;
        (self.sample.pairs_with(grams, there), self.missing(grams, bit), self.filled[group])
    }

    fn missing(&self, grams: &[Gram], bit: u8) -> usize {
        grams.iter().filter(|gram| self.table[slot(**gram)] & bit == 0).count()
    }

    fn mark(&mut self, grams: &[Gram], bit: u8) {
        for gram in grams {
            self.table[slot(*gram)] |= bit;
        }
    }
}
