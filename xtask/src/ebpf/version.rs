//! Versions of compilers and of LLVM, compared number by number.

use std::fmt;

/// `major.minor.patch`. Suffixes (`-nightly`, `+dfsg1`) do not affect the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

impl Version {
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// Reads a version from the start of `text`. Missing numbers count as 0.
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let mut numbers = text[..end].trim_end_matches('.').split('.').map(str::parse);
        let major = numbers.next()?.ok()?;
        let mut next = || numbers.next().map_or(Some(0), Result::ok);
        Some(Self { major, minor: next()?, patch: next()? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_tools_print() {
        for (text, expected) in [
            ("1.97.0-nightly", Some(Version::new(1, 97, 0))),
            ("1.95.0", Some(Version::new(1, 95, 0))),
            ("22.1.8-rust-1.97.0-nightly", Some(Version::new(22, 1, 8))),
            ("22.1", Some(Version::new(22, 1, 0))),
            ("22", Some(Version::new(22, 0, 0))),
            ("22.", Some(Version::new(22, 0, 0))),
            ("", None),
            (".so", None),
            ("nightly", None),
            ("1..2", None),
        ] {
            assert_eq!(Version::parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn versions_are_ordered_by_number_not_by_text() {
        let parsed = |text| Version::parse(text).unwrap();
        for (older, newer) in [("1.9.0", "1.95.0"), ("9.0.1", "22.0.0"), ("22.1.2", "22.1.10")] {
            assert!(parsed(older) < parsed(newer), "{older} < {newer}");
        }
        assert_eq!(parsed("1.97.0-nightly"), parsed("1.97.0"));
    }
}
