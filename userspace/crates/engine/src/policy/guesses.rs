//! The number of passwords that one line may try.

use std::ops::RangeInclusive;

use xdp_prog::{
    abi::{GuessLimit, GuessLimits},
    guess::INTERVAL_MAX as HOUR,
};

use super::{
    document::{Section, Value},
    error::ConfigError,
};

const AT_ONCE: RangeInclusive<u32> = 1..=1000;
const PER_HOUR: RangeInclusive<u32> = 1..=3600;

/// The budgets of a stranger's line; none: guesses are not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuessPolicy(Option<Budgets>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Budgets {
    /// For nonces that were issued to the very address.
    issued: Tries,
    other: Tries,
}

/// So many at once, and so many more in each hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tries {
    at_once: u32,
    per_hour: u32,
}

impl Default for GuessPolicy {
    /// At most twelve in ten minutes and twenty in an hour, both budgets taken together.
    fn default() -> Self {
        let issued = Tries { at_once: 8, per_hour: 7 };
        let other = Tries { at_once: 2, per_hour: 3 };
        Self(Some(Budgets { issued, other }))
    }
}

impl GuessPolicy {
    pub(super) const OFF: Self = Self(None);

    /// `"off"`, or a table with both budgets.
    pub(super) fn read(value: Value<'_>, default: Self) -> Result<Self, ConfigError> {
        if value.as_text().is_some() {
            return value.choice(&[("off", Self::OFF)]);
        }
        let Some(default) = default.0 else { return Ok(default) };
        let mut section = value.section()?;
        let budgets = Budgets {
            issued: section.read("issued", default.issued, |value| Tries::read(value, default.issued))?,
            other: section.read("other", default.other, |value| Tries::read(value, default.other))?,
        };
        section.finish()?;
        Ok(Self(Some(budgets)))
    }

    pub(super) fn resolve(&self) -> GuessLimits {
        self.0.map_or_else(GuessLimits::default, |budgets| GuessLimits {
            issued: budgets.issued.resolve(),
            other: budgets.other.resolve(),
        })
    }
}

impl Tries {
    fn read(value: Value<'_>, default: Self) -> Result<Self, ConfigError> {
        let mut section: Section<'_> = value.section()?;
        let tries = Self {
            at_once: section.read("at_once", default.at_once, |value| value.number(AT_ONCE))?,
            per_hour: section.read("per_hour", default.per_hour, |value| value.number(PER_HOUR))?,
        };
        section.finish()?;
        Ok(tries)
    }

    fn resolve(self) -> GuessLimit {
        // Rounded up: an hour must not be a nanosecond short.
        let interval = HOUR.div_ceil(u64::from(self.per_hour));
        GuessLimit { interval, burst: self.at_once, reserved: 0 }
    }
}
