//! When a rule is thought to hit the wrong ones: `[false_positives]` of the file.

use super::{document::Section, error::ConfigError};
use crate::false_positives::{SHARE, SOURCES, Settings};

pub(super) fn read(mut section: Section<'_>) -> Result<Settings, ConfigError> {
    let default = Settings::default();
    let settings = Settings {
        share: section.read("share", default.share, |value| value.number(SHARE))?,
        sources: section.read("sources", default.sources, |value| value.number(SOURCES))?,
        switch_off: section.read("switch_off", default.switch_off, |value| value.flag())?,
    };
    section.finish()?;
    Ok(settings)
}
