//! Goals beside results. A missed goal is reported and fails nothing.

use serde::Serialize;

use super::case::{Figure, NoRatio};

/// The bound of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

#[derive(Debug, Serialize)]
pub(super) struct Goal {
    pub(super) what: String,
    pub(super) bound: Bound,
    /// `None`: there was no ratio to be had.
    pub(super) found: Option<Figure>,
    pub(super) met: bool,
}

impl Goal {
    pub(super) fn new(what: &str, bound: Bound, found: Result<Figure, NoRatio>) -> Self {
        let found = found.ok();
        let met = found.is_some_and(|found| match bound {
            Bound::AtMost(most) => found.median <= most,
            Bound::AtLeast(least) => found.median >= least,
        });
        Self { what: what.to_owned(), bound, found, met }
    }

    /// As cells of a table: what, the goal, what was found, whether that is enough.
    pub(super) fn cells(&self) -> [String; 4] {
        let bound = match self.bound {
            Bound::AtMost(most) => format!("at most {most}"),
            Bound::AtLeast(least) => format!("at least {least}"),
        };
        let found = self.found.map_or_else(
            || "noise".to_owned(),
            |found| format!("{:.2} ±{:.0} %", found.median, 50.0 * found.spread),
        );
        [self.what.clone(), bound, found, if self.met { "met" } else { "not met" }.to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_by_what_was_found_and_by_nothing_else() {
        let found = |median| Ok(Figure { median, spread: 0.0, least: median, most: median, rounds: 3 });
        let met = |bound, found| Goal::new("a goal", bound, found).met;
        assert!(met(Bound::AtMost(1.5), found(1.5)) && !met(Bound::AtMost(1.5), found(1.6)));
        assert!(met(Bound::AtLeast(12.0), found(12.0)) && !met(Bound::AtLeast(12.0), found(11.9)));
        assert!(!met(Bound::AtMost(1.5), Err(NoRatio::Noise)));
    }
}
