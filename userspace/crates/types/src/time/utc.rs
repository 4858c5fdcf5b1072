//! Times as text, always in UTC: `2026-11-20T18:00:00Z`, which is the plainest form of RFC 3339. Days as `2026-11-20`.

const DAY: u64 = 86_400;
/// The calendar is the same every 400 years.
const ERA_YEARS: u64 = 400;
const ERA_DAYS: u64 = 146_097;
/// From the 1st of March of the year 0 to the 1st of January 1970. Years that begin in March end with the day that is
/// not always there.
const EPOCH: u64 = 719_468;

/// Seconds since 1970.
pub fn format_utc(seconds: u64) -> String {
    let (days, time) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", time / 3_600, time / 60 % 60, time % 60)
}

/// Seconds since 1970. A leap second is the one after it.
pub fn parse_utc(text: &str) -> Option<u64> {
    let bytes: &[u8; 20] = text.as_bytes().try_into().ok()?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'Z')];
    if marks.iter().any(|&(at, mark)| bytes[at] != mark) {
        return None;
    }
    let number = |from: usize, to: usize| {
        let digits = &bytes[from..to];
        let all = digits.iter().all(u8::is_ascii_digit);
        all.then(|| digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if year < 1970 || !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days(year, month, day);
    // A day that the month does not have is one of the next.
    (date(days) == (year, month, day)).then_some(days * DAY + hour * 3_600 + minute * 60 + second)
}

/// Seconds since 1970: the beginning of a day.
pub fn parse_utc_day(text: &str) -> Option<u64> {
    // Anything longer than a day makes the whole too long for a time.
    parse_utc(&format!("{text}T00:00:00Z"))
}

/// Of a day since 1970.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + EPOCH;
    let (era, day) = (days / ERA_DAYS, days % ERA_DAYS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let january = month >= 10;
    (
        era * ERA_YEARS + year + u64::from(january),
        if january { month - 9 } else { month + 3 },
        day - (153 * month + 2) / 5 + 1,
    )
}

/// Days since 1970.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, of_era) = (year / ERA_YEARS, year % ERA_YEARS);
    let day = (153 * month + 2) / 5 + day;
    (era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + day).saturating_sub(EPOCH + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn moments_are_written_and_read() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_795_197_600, "2026-11-20T18:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(format_utc(seconds), text);
            assert_eq!(parse_utc(text), Some(seconds), "{text}");
        }
        assert_eq!(parse_utc("2016-12-31T23:59:60Z"), parse_utc("2017-01-01T00:00:00Z"));
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "",
            "2026-11-20",
            "2026-11-20T18:00:00",
            "2026-11-20 18:00:00Z",
            "2026-11-20T18:00:00+01:00",
            "2026-11-20T18:00:00.5Z",
            "2026-11-20t18:00:00z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-32T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:61Z",
            "1969-12-31T23:59:59Z",
            "+026-01-01T00:00:00Z",
            "2026-01-01T00:00:0éZ",
        ] {
            assert_eq!(parse_utc(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_begins_at_midnight() {
        for (text, seconds) in [
            ("1970-01-01", Some(0)),
            ("2000-02-29", Some(951_782_400)),
            ("2027-01-31", Some(1_801_353_600)),
            ("2027-02-29", None),
            ("2027-1-31", None),
            ("2027-01-31T00:00:00Z", None),
            ("31.01.2027", None),
            ("", None),
        ] {
            assert_eq!(parse_utc_day(text), seconds, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(seconds in 0..253_402_300_800_u64) {
            prop_assert_eq!(parse_utc(&format_utc(seconds)), Some(seconds));
        }

        #[test]
        fn the_order_of_the_texts_is_that_of_the_moments(a in 0..253_402_300_800_u64, b in 0..253_402_300_800_u64) {
            prop_assert_eq!(format_utc(a).cmp(&format_utc(b)), a.cmp(&b));
        }

        #[test]
        fn only_days_that_there_are_are_read(year in 1970..2500_u64, month in 0..15_u64, day in 0..35_u64) {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let days = match month {
                1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
                4 | 6 | 9 | 11 => 30,
                2 if leap => 29,
                2 => 28,
                _ => 0,
            };
            let text = format!("{year:04}-{month:02}-{day:02}T12:34:56Z");
            let read = parse_utc(&text).map(format_utc);
            prop_assert_eq!(read, (1..=days).contains(&day).then_some(text));
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = parse_utc(&text);
        }
    }
}
