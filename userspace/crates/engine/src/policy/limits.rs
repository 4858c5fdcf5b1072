//! Rate limits: what the file says, what is sensible, and what the meters take.

use std::{ops::RangeInclusive, time::Duration};

use xdp_prog::{
    abi::{RateLimit, TICK_SHIFT, WINDOW_LIMIT, WINDOW_MAX_LIMIT},
    reason::Class,
};

use super::{
    document::{Section, Value},
    error::ConfigError,
};
use sipward_types::time::{format_duration, parse_duration};

const PER_SECOND: RangeInclusive<u32> = 1..=1_000_000;
const BURST: RangeInclusive<u32> = 1..=1_000_000;
const MAX: RangeInclusive<u32> = 1..=WINDOW_MAX_LIMIT;
/// The filter's clock goes in steps of up to ten milliseconds, so this many buckets fit into a second; a
/// burst that is smaller than one step's share would lower the rate.
const CLOCK_STEPS: u32 = 100;

const SHORTEST_WINDOW: Duration = Duration::from_secs(1);
/// The meters hold a little over a day.
const LONGEST_WINDOW: Duration = Duration::from_secs(86_400);
const _: () = assert!(LONGEST_WINDOW.as_nanos() >> TICK_SHIFT <= WINDOW_LIMIT as u128);

/// A limit in both styles; a packet must satisfy each that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Limit {
    pub bucket: Option<Bucket>,
    pub window: Option<Window>,
}

/// So many a second, and so many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    pub per_second: u32,
    pub burst: u32,
}

/// So many within any such time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub max: u32,
    pub length: Duration,
}

/// One limit for each class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits([Limit; Class::COUNT]);

impl Limits {
    fn by_class(limit: impl Fn(Class) -> Limit) -> Self {
        Self(Class::ALL.map(limit))
    }

    pub fn of(&self, class: Class) -> Limit {
        self.0[class as usize]
    }

    /// One stranger. A phone, or a PBX with a handful of lines, stays below it on its worst day.
    pub(super) fn stranger() -> Self {
        Self::by_class(|class| match class {
            // Two for each registration (challenge, answer), every few minutes, of all phones behind one address: forty
            // that start at once, and a few with a wrong password that try again and again. What bounds guesses and
            // questions is elsewhere: this one only bounds a flood.
            Class::Register => Limit::window(240),
            Class::Invite | Class::Connect => Limit::bucket(10, 20),
            // Only where `options = "pass"` lets them come this far: a trickle for monitoring.
            Class::Options => Limit::window(10),
            Class::Dialog => Limit::bucket(50, 100),
            // A phone with a full panel of busy lamps subscribes to all of them when it starts, twice each.
            Class::Other => Limit::bucket(20, 300),
            // All the answers of a provider that we call through; all the phones of an office.
            Class::Response | Class::Keepalive => Limit::bucket(100, 200),
            Class::Stream => Limit::bucket(500, 1000),
        })
    }

    /// A neighbourhood's strangers that send much: six of them at full rate. To send REGISTER or other requests at full
    /// rate for long is a flood.
    pub(super) fn prefix() -> Self {
        let stranger = Self::stranger();
        Self::by_class(|class| match class {
            Class::Register => stranger.of(class),
            Class::Other => Limit::bucket(120, 600),
            _ => stranger.of(class).times(6),
        })
    }

    /// A neighbourhood's newcomers: a carrier's phones that all start anew are in within minutes, and a PBX of ordinary
    /// size bears as much.
    pub(super) fn newcomers() -> Self {
        let prefix = Self::prefix();
        Self::by_class(|class| match class {
            Class::Register => Limit::bucket(100, 300),
            Class::Other => Limit::bucket(100, 500),
            _ => prefix.of(class),
        })
    }

    /// One phone that has registered. It may ask for OPTIONS as a keepalive.
    pub(super) fn known() -> Self {
        let stranger = Self::stranger();
        Self::by_class(|class| match class {
            Class::Options => Limit::window(20),
            _ => stranger.of(class),
        })
    }

    pub(super) fn read(mut section: Section<'_>, default: &Self) -> Result<Self, ConfigError> {
        let mut limits = *default;
        for class in Class::ALL {
            let limit = &mut limits.0[class as usize];
            *limit = section.read(class.name(), *limit, |value| Limit::read(value, *limit))?;
        }
        section.finish()?;
        Ok(limits)
    }

    /// The first class in which one source may send more than its whole neighbourhood, which would make the
    /// limit of the source a dead letter.
    pub(super) fn beyond(&self, prefix: &Self) -> Option<Class> {
        Class::ALL.into_iter().find(|class| self.of(*class).beyond(prefix.of(*class)))
    }

    /// Never below the limits of a stranger: who is known is not to be worse off for it.
    pub(super) fn at_least(&self, stranger: &Self) -> Self {
        Self::by_class(|class| self.of(class).at_least(stranger.of(class)))
    }

    /// The first class in which these let less pass than others do.
    pub(super) fn below(&self, stranger: &Self) -> Option<Class> {
        let least = self.at_least(stranger);
        Class::ALL.into_iter().find(|class| self.of(*class) != least.of(*class))
    }

    pub(super) fn resolve(&self) -> [RateLimit; Class::COUNT] {
        self.0.map(Limit::resolve)
    }
}

impl Bucket {
    fn at_least(self, other: Self) -> Self {
        Self { per_second: self.per_second.max(other.per_second), burst: self.burst.max(other.burst) }
    }
}

impl Window {
    /// At once and in the long run.
    fn at_least(self, other: Self) -> Self {
        let in_the_long_run = |this: Self, other: Self| u128::from(this.max) * other.length.as_nanos();
        let is_enough = self.max >= other.max && in_the_long_run(self, other) >= in_the_long_run(other, self);
        if is_enough { self } else { other }
    }
}

impl Limit {
    const OFF: Self = Self { bucket: None, window: None };

    const fn bucket(per_second: u32, burst: u32) -> Self {
        Self { bucket: Some(Bucket { per_second, burst }), ..Self::OFF }
    }

    /// So many a minute.
    const fn window(max: u32) -> Self {
        Self { window: Some(Window { max, length: Duration::from_secs(60) }), ..Self::OFF }
    }

    fn times(self, factor: u32) -> Self {
        Self {
            bucket: self.bucket.map(|Bucket { per_second, burst }| Bucket {
                per_second: per_second * factor,
                burst: burst * factor,
            }),
            window: self.window.map(|Window { max, length }| Window { max: max * factor, length }),
        }
    }

    /// A style that the other one has not does not limit this one either, unless nothing else would.
    fn at_least(self, other: Self) -> Self {
        let least = Self {
            bucket: self.bucket.zip(other.bucket).map(|(this, other)| this.at_least(other)),
            window: self.window.zip(other.window).map(|(this, other)| this.at_least(other)),
        };
        if least == Self::OFF && self != Self::OFF { other } else { least }
    }

    fn beyond(self, prefix: Self) -> bool {
        let bucket = matches!((self.bucket, prefix.bucket), (Some(source), Some(prefix))
            if source.per_second > prefix.per_second || source.burst > prefix.burst);
        let window = matches!((self.window, prefix.window), (Some(source), Some(prefix))
            if source.length == prefix.length && source.max > prefix.max);
        bucket || window
    }

    /// `"off"`, or a table of which everything that is left out keeps its default.
    fn read(value: Value<'_>, default: Self) -> Result<Self, ConfigError> {
        if value.as_text().is_some() {
            return value.choice(&[("off", Self::OFF)]);
        }
        let mut section = value.section()?;
        let limit = Self {
            bucket: read_bucket(&mut section, default.bucket)?,
            window: read_window(&mut section, default.window)?,
        };
        section.finish()?;
        Ok(limit)
    }

    fn resolve(self) -> RateLimit {
        let (interval, tolerance) = self.bucket.map_or((0, 0), |Bucket { per_second, burst }| {
            let interval = 1_000_000_000 / u64::from(per_second);
            (interval, interval * u64::from(burst))
        });
        let (window, window_max) = self.window.map_or((0, 0), |window| (ticks(window.length), window.max));
        RateLimit { interval, tolerance, window, window_max }
    }
}

fn read_bucket(section: &mut Section<'_>, default: Option<Bucket>) -> Result<Option<Bucket>, ConfigError> {
    let default = default.map(|bucket| (bucket.per_second, bucket.burst));
    let pair =
        read_pair(section, ("per_second", PER_SECOND), ("burst", |value| value.number(BURST)), default)?;
    let Some((per_second, burst)) = pair else { return Ok(None) };
    let least = per_second.div_ceil(CLOCK_STEPS);
    if burst < least {
        let problem = format!("a burst of {burst} cannot carry {per_second} a second; write {least} or more");
        return Err(section.fail("burst", problem));
    }
    Ok(Some(Bucket { per_second, burst }))
}

fn read_window(section: &mut Section<'_>, default: Option<Window>) -> Result<Option<Window>, ConfigError> {
    let default = default.map(|window| (window.max, window.length));
    let pair = read_pair(section, ("max", MAX), ("window", window_length), default)?;
    Ok(pair.map(|(max, length)| Window { max, length }))
}

/// Two keys that make a limit together, or none where the first is `"off"`.
fn read_pair<T>(
    section: &mut Section<'_>,
    (first, range): (&'static str, RangeInclusive<u32>),
    (second, read): (&'static str, impl FnOnce(&Value<'_>) -> Result<T, ConfigError>),
    default: Option<(u32, T)>,
) -> Result<Option<(u32, T)>, ConfigError> {
    let (amount, other) = default.unzip();
    let amount = section.read(first, amount, |value| amount_or_off(&value, range))?;
    let other = section.read(second, other, |value| read(&value).map(Some))?;
    match (amount, other) {
        (Some(amount), Some(other)) => Ok(Some((amount, other))),
        (Some(_), None) => Err(section.fail(first, format!("this needs {second} beside it; add {second}"))),
        (None, _) if section.says(second) => Err(section
            .fail(second, format!("this does nothing without {first}; give a number there or remove this"))),
        (None, _) => Ok(None),
    }
}

/// A number, or nothing for `"off"`. Zero is neither: it might mean "none may pass" as well as "no limit".
pub(super) fn amount_or_off(
    value: &Value<'_>,
    range: RangeInclusive<u32>,
) -> Result<Option<u32>, ConfigError> {
    if value.as_text().is_some() {
        return value.choice(&[("off", None)]);
    }
    if value.is_zero() {
        return Err(
            value.fail("0 would let nothing pass; write \"off\" for no limit, or a number of at least 1")
        );
    }
    value.number(range).map(Some)
}

/// The length of a window.
pub(super) fn window_length(value: &Value<'_>) -> Result<Duration, ConfigError> {
    let text = value.text("a time, such as \"60s\"")?;
    let length = parse_duration(text).map_err(|error| value.fail(error.to_string()))?;
    if length < SHORTEST_WINDOW || length > LONGEST_WINDOW {
        let (shortest, longest) = (format_duration(SHORTEST_WINDOW), format_duration(LONGEST_WINDOW));
        return Err(value.fail(format!("{text} is out of range; write {shortest} to {longest}")));
    }
    Ok(length)
}

/// A length in the meters' ticks.
pub(super) fn ticks(length: Duration) -> u32 {
    (length.as_nanos() >> TICK_SHIFT) as u32
}
