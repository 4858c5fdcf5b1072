//! Lengths of time as people write them: `90s`, `10m`, `1h30m`, `2h`, `1d`.

use std::time::Duration;

/// From the largest down, as they must stand in a text.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// The text that is no length of time. The message shows the right form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurationError(String);

impl std::fmt::Display for DurationError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\" is no length of time; write for example 90s, 10m, 1h30m or 1d", self.0)
    }
}

impl std::error::Error for DurationError {}

/// Reads `90s`, `10m`, `2h`, `1d` and sums of them, the larger unit first.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    seconds(text).map(Duration::from_secs).ok_or_else(|| DurationError(text.to_owned()))
}

fn seconds(text: &str) -> Option<u64> {
    let mut units = UNITS.iter();
    let (mut rest, mut total) = (text, 0u64);
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let unit = rest[digits..].chars().next()?;
        let (_, length) = units.find(|(name, _)| *name == unit)?;
        let count: u64 = rest[..digits].parse().ok()?;
        total = total.checked_add(count.checked_mul(*length)?)?;
        rest = &rest[digits + 1..];
        if rest.is_empty() {
            return Some(total);
        }
    }
}

/// The two largest units that matter: a rest of seconds in a day is noise. Whole seconds, rounded down.
pub fn format_duration(duration: Duration) -> String {
    let mut left = duration.as_secs();
    let mut text = String::new();
    let mut parts = 0;
    for (unit, length) in UNITS {
        let count = left / length;
        left %= length;
        if count > 0 {
            text += &format!("{count}{unit}");
        }
        if parts > 0 || count > 0 {
            parts += 1;
        }
        if parts == 2 {
            break;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// The time that an entry stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    For(Duration),
    Forever,
}

impl std::str::FromStr for Lifetime {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        match text {
            "forever" => Ok(Self::Forever),
            _ => parse_duration(text).map(Self::For),
        }
    }
}

impl std::fmt::Display for Lifetime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::For(duration) => f.write_str(&format_duration(*duration)),
            Self::Forever => f.write_str("forever"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, expected) in [
            ("0s", 0),
            ("90s", 90),
            ("10m", 600),
            ("2h", 7_200),
            ("1h30m", 5_400),
            ("1d", 86_400),
            ("1d2h3m4s", 93_784),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(expected)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_by_name() {
        for text in [
            "",
            "s",
            "10",
            "10 m",
            "-1s",
            "1.5h",
            "5x",
            "10ms",
            "30m1h",
            "1s1s",
            "ten",
            "5é",
            "99999999999999999999s",
            "999999999999999d",
        ] {
            assert_eq!(parse_duration(text), Err(DurationError(text.to_owned())), "{text}");
        }
        assert_eq!(
            parse_duration("soon").unwrap_err().to_string(),
            "\"soon\" is no length of time; write for example 90s, 10m, 1h30m or 1d"
        );
    }

    #[test]
    fn times_are_shown_by_their_two_largest_units() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (61, "1m1s"),
            (3_600, "1h"),
            (3_601, "1h"),
            (5_400, "1h30m"),
            (93_784, "1d2h"),
        ] {
            assert_eq!(format_duration(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn forever_is_a_lifetime_and_no_duration() {
        assert_eq!("forever".parse(), Ok(Lifetime::Forever));
        assert_eq!("2h".parse(), Ok(Lifetime::For(Duration::from_secs(7_200))));
        assert!(parse_duration("forever").is_err());
        assert_eq!(Lifetime::Forever.to_string(), "forever");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = parse_duration(&text);
        }

        #[test]
        fn what_is_shown_reads_back_to_within_a_smaller_unit(seconds in 0u64..10_000_000_000) {
            let back = parse_duration(&format_duration(Duration::from_secs(seconds))).unwrap().as_secs();
            prop_assert!(back <= seconds && seconds - back < 3_600);
            prop_assert!(seconds >= 3_600 || back == seconds);
        }
    }
}
