//! `[forms]` of the file: the treatment of strangers' messages that PBXs read in different ways.

use xdp_prog::form::Form;

use super::{document::Section, error::ConfigError};

/// By key.
pub(super) const KEYS: [(&str, Form); Form::ALL.len()] = [
    ("line_end", Form::LineEnd),
    ("nul", Form::Nul),
    ("version", Form::Version),
    ("start_line", Form::StartLine),
    ("blank_line", Form::BlankLine),
    ("names", Form::Names),
    ("ip_chain", Form::IpChain),
    ("tcp", Form::Tcp),
];

/// The forms that drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormPolicy {
    bits: u32,
}

impl Default for FormPolicy {
    fn default() -> Self {
        Self { bits: Form::EVERY }
    }
}

impl FormPolicy {
    pub(super) fn read(mut section: Section<'_>) -> Result<Self, ConfigError> {
        let mut bits = 0;
        for (key, form) in KEYS {
            let drops = section.read(key, true, |value| value.choice(&[("drop", true), ("pass", false)]))?;
            bits |= if drops { form.bit() } else { 0 };
        }
        section.finish()?;
        Ok(Self { bits })
    }

    pub(super) const fn bits(self) -> u32 {
        self.bits
    }
}
