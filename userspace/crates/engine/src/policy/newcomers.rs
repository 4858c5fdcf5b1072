//! The newcomers of a neighbourhood: who they are, and how much they may send together.

use std::ops::RangeInclusive;

use super::{document::Section, error::ConfigError, limits::Limits};

/// More packets a minute than any limit of a stranger lets pass for long: beyond it nobody is told apart.
const PACKETS: RangeInclusive<u32> = 1..=10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newcomers {
    /// A source that has sent no more than this in the last minute is a newcomer; `None`: no source is.
    pub packets: Option<u32>,
    /// Of a neighbourhood's newcomers together.
    pub limits: Limits,
}

impl Default for Newcomers {
    fn default() -> Self {
        // One registration over a lossy link: eleven packets in 32 s for the question, and some for the answer.
        Self { packets: Some(20), limits: Limits::newcomers() }
    }
}

impl Newcomers {
    pub(super) fn read(mut section: Section<'_>) -> Result<Self, ConfigError> {
        let default = Self::default();
        let packets = section.read("packets", default.packets, |value| match value.as_text() {
            Some(_) => value.choice(&[("off", None)]),
            None => value.number(PACKETS).map(Some),
        })?;
        Ok(Self { packets, limits: Limits::read(section, &default.limits)? })
    }
}
