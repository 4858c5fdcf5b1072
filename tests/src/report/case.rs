//! One case of a benchmark: its measurements by round, and its ratio to another case.

use std::{collections::BTreeMap, fmt};

use serde::{Serialize, Serializer};

use crate::figures::{median, middle_half, spread};

/// The unit of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Nanoseconds,
    Milliseconds,
    Seconds,
    Percent,
    Requests,
    PerSecond,
    Mebibytes,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nanoseconds => "ns",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::Percent => "%",
            Self::Requests => "requests",
            Self::PerSecond => "a second",
            Self::Mebibytes => "MiB",
        })
    }
}

impl Serialize for Unit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The measurements of one case, by round.
#[derive(Clone, Debug)]
pub struct Case {
    pub(super) name: String,
    pub(super) unit: Unit,
    rounds: BTreeMap<usize, f64>,
    pub(super) counts: BTreeMap<&'static str, u64>,
}

/// All rounds in one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figure {
    pub median: f64,
    /// The interquartile range of the rounds, as a fraction of the median.
    pub spread: f64,
    pub least: f64,
    pub most: f64,
    pub rounds: usize,
}

/// Of the rounds in which both were measured, one after the other.
#[derive(Clone, Debug, Serialize)]
pub struct Ratio {
    pub to: String,
    #[serde(flatten)]
    pub figure: Figure,
}

/// Why there is no ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NoRatio {
    /// It is the base.
    Base,
    /// The two were not measured in the same rounds, or in too few of them.
    Rounds,
    /// There is nothing to compare with.
    Nothing,
    /// The rounds differ among themselves by as much as the two cases do.
    Noise,
}

impl fmt::Display for NoRatio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Base => "1",
            Self::Rounds | Self::Nothing => "-",
            Self::Noise => "noise",
        })
    }
}

/// With fewer rounds in common a ratio means nothing.
const FEWEST: usize = 3;
/// A ratio whose middle half is wider than this part of it is noise.
const WIDEST: f64 = 0.5;

impl Case {
    pub fn new(name: impl Into<String>, unit: Unit) -> Self {
        Self { name: name.into(), unit, rounds: BTreeMap::new(), counts: BTreeMap::new() }
    }

    /// One that was measured in all rounds.
    pub fn of(name: impl Into<String>, unit: Unit, rounds: &[f64]) -> Self {
        Self { rounds: rounds.iter().copied().enumerate().collect(), ..Self::new(name, unit) }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds the value of a round. Cases that are to be compared have their turns in the same rounds.
    pub fn round(&mut self, round: usize, value: f64) {
        self.rounds.insert(round, value);
    }

    /// Adds to a sum that is shown beside the figures.
    pub fn count(&mut self, what: &'static str, count: u64) {
        *self.counts.entry(what).or_default() += count;
    }

    /// The difference to another case, in each round that both have.
    pub fn above(&self, other: &Self) -> Self {
        let both =
            self.rounds.iter().filter_map(|(round, value)| Some((*round, value - other.rounds.get(round)?)));
        Self { rounds: both.collect(), counts: BTreeMap::new(), ..self.clone() }
    }

    pub fn figure(&self) -> Figure {
        Figure::of(&self.values())
    }

    fn values(&self) -> Vec<f64> {
        self.rounds.values().copied().collect()
    }

    /// Refused where the rounds do not carry it.
    pub fn ratio(&self, base: &Self) -> Result<Ratio, NoRatio> {
        if self.name == base.name || self.unit != base.unit {
            return Err(NoRatio::Base);
        }
        let common = self.rounds.iter().filter_map(|(round, value)| Some((value, base.rounds.get(round)?)));
        let (values, bases): (Vec<f64>, Vec<f64>) = common.unzip();
        if values.len() < FEWEST {
            return Err(NoRatio::Rounds);
        }
        if bases.iter().all(|base| *base == 0.0) {
            return Err(NoRatio::Nothing);
        }
        let ratios: Vec<_> = values.iter().zip(&bases).map(|(value, base)| value / base).collect();
        let figure = Figure::of(&ratios);
        // A difference of two measurements may well be nothing, or less.
        let is_clear = middle_half(&bases).0 > 0.0 && figure.median >= 0.0 && figure.spread <= WIDEST;
        if !is_clear || ratios.iter().any(|ratio| !ratio.is_finite()) {
            return Err(NoRatio::Noise);
        }
        Ok(Ratio { to: base.name.clone(), figure })
    }
}

impl Figure {
    fn of(values: &[f64]) -> Self {
        let ends = |pick: fn(f64, f64) -> f64| values.iter().copied().reduce(pick).unwrap_or_default();
        Self {
            median: median(values.to_vec()),
            spread: spread(values),
            least: ends(f64::min),
            most: ends(f64::max),
            rounds: values.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str, rounds: &[(usize, f64)]) -> Case {
        Case { rounds: rounds.iter().copied().collect(), ..Case::new(name, Unit::Nanoseconds) }
    }

    #[test]
    fn a_ratio_is_of_rounds_in_which_both_were_measured() {
        let base = case("base", &[(0, 1.0), (1, 2.0), (2, 4.0), (3, 8.0)]);
        let other = case("other", &[(1, 4.0), (2, 8.0), (3, 16.0), (4, 1.0)]);
        let Ratio { to, figure } = other.ratio(&base).unwrap();
        assert_eq!((to.as_str(), figure.median, figure.spread, figure.rounds), ("base", 2.0, 0.0, 3));
    }

    #[test]
    fn there_is_no_ratio_of_rounds_that_have_nothing_in_common() {
        let base = case("base", &[(0, 1.0), (1, 2.0), (2, 4.0)]);
        let refusal = |rounds: &[(usize, f64)]| case("other", rounds).ratio(&base).unwrap_err();
        assert_eq!(refusal(&[(3, 4.0), (4, 8.0), (5, 1.0)]), NoRatio::Rounds);
        assert_eq!(refusal(&[(1, 4.0), (2, 8.0)]), NoRatio::Rounds);
        assert_eq!(base.ratio(&base).unwrap_err(), NoRatio::Base);
    }

    #[test]
    fn there_is_no_ratio_that_is_mostly_noise() {
        let base = case("base", &[(0, 1.0), (1, 1.0), (2, 1.0), (3, 1.0), (4, 1.0)]);
        let jumps = case("jumps", &[(0, 1.0), (1, 1.5), (2, 3.0), (3, 0.4), (4, 6.0)]);
        assert_eq!(jumps.ratio(&base).unwrap_err(), NoRatio::Noise);
        // A base net of the cost of sending can be zero.
        let sending = case("sending", &[(0, 0.9), (1, 1.1), (2, 0.8), (3, 1.2), (4, 1.0)]);
        let net = base.above(&sending);
        assert_eq!(case("other", &[(0, 9.0), (1, 9.0), (2, 9.0)]).ratio(&net).unwrap_err(), NoRatio::Noise);
        let nothing = case("nothing", &[(0, 0.0), (1, 0.0), (2, 0.0)]);
        assert_eq!(base.ratio(&nothing).unwrap_err(), NoRatio::Nothing);
    }

    #[test]
    fn one_disturbed_round_does_not_hide_a_ratio() {
        let base = case("base", &[(0, 1.0), (1, 1.0), (2, 1.0), (3, 1.0), (4, 1.0)]);
        let other = case("other", &[(0, 2.0), (1, 2.0), (2, 90.0), (3, 2.0), (4, 2.1)]);
        assert_eq!(other.ratio(&base).unwrap().figure.median, 2.0);
    }
}
