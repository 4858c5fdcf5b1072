//! Compares a line of the transcript with a line of the program's output.

use std::time::Duration;

use sipward_types::time::parse_duration;

/// Returns true if the lines are the same but for
///
/// - a date and a time of day;
/// - the number of a process, after `pid`;
/// - how long something was, before `ago`, or after `for` at the end of a line;
/// - any other length of time, of which some may have gone by since: up to `passed`;
/// - in brackets after `root`, the name of the user who has become root.
///
/// Columns stay where they are.
pub(crate) fn alike(written: &str, said: &str, passed: Duration) -> bool {
    let (written, said) = (words(written), words(said));
    written.len() == said.len()
        && (0..written.len()).all(|at| {
            let (one, other) = (&written[at], &said[at]);
            one == other
                || (one.width == other.width || one.blanks == other.blanks)
                    && varies(&written, &said, at, passed)
        })
}

/// A word and the blanks before it.
#[derive(Debug, PartialEq, Eq)]
struct Word<'a> {
    blanks: usize,
    text: &'a str,
    /// Of both.
    width: usize,
}

fn words(line: &str) -> Vec<Word<'_>> {
    let mut words: Vec<Word<'_>> = Vec::new();
    let mut blanks = 0;
    for text in line.split(' ') {
        let is_login = text.starts_with('(') && words.last().is_some_and(|word| word.text == "root");
        match text {
            "" => blanks += 1,
            _ if is_login => blanks = 0,
            _ => {
                words.push(Word { blanks, text, width: blanks + text.chars().count() });
                blanks = 0;
            }
        }
    }
    words
}

fn varies(written: &[Word<'_>], said: &[Word<'_>], at: usize, passed: Duration) -> bool {
    let (one, other) = (bare(written[at].text), bare(said[at].text));
    let before = at.checked_sub(1).map(|before| written[before].text);
    let after = written.get(at + 1).map(|after| after.text);
    // The characters around them, such as a comma.
    if written[at].text.replacen(one, "", 1) != said[at].text.replacen(other, "", 1) {
        return false;
    }
    if before == Some("pid") {
        return is_number(one) && is_number(other);
    }
    if let (Ok(one), Ok(other)) = (parse_duration(one), parse_duration(other)) {
        let was = after == Some("ago") || (before == Some("for") && after.is_none());
        return was || (other <= one && one <= other + passed);
    }
    let digits = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "0");
    ["0000-00-00", "00:00:00"].contains(&digits(one).as_str()) && digits(one) == digits(other)
}

fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| !c.is_ascii_alphanumeric())
}

fn is_number(text: &str) -> bool {
    text.parse::<u32>().is_ok()
}

#[test]
fn what_varies_may_and_nothing_else() {
    for (written, said, expected) in [
        ("banned, 2h", "banned, 2h", true),
        ("banned, 2h", "banned, 1h59m", true),
        ("banned, 2h", "banned, 1h58m", false),
        ("banned, 2h", "banned, 3h", false),
        ("banned, 1h59m", "banned, 2h", false),
        ("banned, 2h", "banned, forever", false),
        ("banned, 2h", "banned 2h", false),
        ("banned, 2h", "trusted, 2h", false),
        ("2h  hi", "2h hi", false),
        ("198.51.100.7         2h  hi", "198.51.100.7      1h59m  hi", true),
        ("198.51.100.7         2h  hi", "198.51.100.7  1h59m  hi", false),
        ("198.51.100.7 banned", "198.51.100.8 banned", false),
        ("since 2026-11-20 20:34:51 by hand", "since 2027-01-02 00:00:00 by hand", true),
        ("since 2026-11-20 20:34:51 by hand", "since 2027-01-02 by hand", false),
        ("since 2026-11-20", "since yesterday", false),
        ("daemon: pid 812, for 3h12m", "daemon: pid 11701, for 0s", true),
        ("daemon: pid 812, for 3h12m", "daemon: pid ?, for 0s", false),
        ("packets: 812", "packets: 813", false),
        ("last self-test: passed 2m4s ago", "last self-test: passed 0s ago", true),
        ("taken back in 10s, unless", "taken back in 9s, unless", true),
        ("taken back in 10s, unless", "taken back in 11s, unless", false),
        ("  root  ban add", "  root (alice)  ban add", true),
        ("  root (alice)  ban add", "  root  ban add", true),
        ("  root (alice)  ban add", "  mallory  ban add", false),
        ("  root", "  root  ban add", false),
        ("", "sipward: no", false),
    ] {
        assert_eq!(alike(written, said, Duration::from_secs(60)), expected, "{written:?} {said:?}");
    }
    assert!(!alike("banned, 2h", "banned, 1h59m", Duration::ZERO));
}
