//! `[guard]` of the file: the rules of the guard.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    document::{Section, Value},
    error::ConfigError,
};
use crate::guard::{
    COUNT, GRACE, KnownSettings, LASTS, PHONES, RETRIES, Retries, SUSPENSION, Settings, Threshold, WITHIN,
    WORKED,
};
use sipward_types::time::Lifetime;

/// The guard's settings, and the treatment of packets of suspended accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct GuardPolicy {
    pub settings: Settings,
    /// They pass, so that the PBX answers them.
    pub passes_suspended: bool,
}

impl GuardPolicy {
    /// `is_edge`: by default they pass, because the edge answers them.
    pub(super) fn read(mut section: Section<'_>, is_edge: bool) -> Result<Self, ConfigError> {
        let default = Self::default();
        let passes_suspended =
            section.read("suspended", is_edge, |value| value.choice(&[("drop", false), ("pass", true)]))?;
        let settings = read_settings(&mut section, &default.settings)?;
        check_together(&section, &settings)?;
        section.finish()?;
        Ok(Self { settings, passes_suspended })
    }
}

fn read_settings(section: &mut Section<'_>, default: &Settings) -> Result<Settings, ConfigError> {
    let mut threshold = |key, default| section.read(key, default, |value| read_threshold(value, default));
    let settings = Settings {
        lock: threshold("lock", default.lock)?,
        many_accounts: threshold("many_accounts", default.many_accounts)?,
        sequential: threshold("sequential", default.sequential)?,
        spray: threshold("spray", default.spray)?,
        distributed: threshold("distributed", default.distributed)?,
        persistent: threshold("persistent", default.persistent)?,
        neighbours: threshold("neighbours", default.neighbours)?,
        ..*default
    };
    Ok(Settings {
        suspend: section.read("suspend", default.suspend, |value| read_retries(value, default.suspend))?,
        calls: section.read("calls", default.calls, |value| read_retries(value, default.calls))?,
        known: section.read("known", default.known, |value| read_known(value, default.known))?,
        ..settings
    })
}

/// A rule that counts what other rules do has nothing to count without them.
fn check_together(section: &Section<'_>, settings: &Settings) -> Result<(), ConfigError> {
    let suspends = settings.suspend.on || settings.calls.on;
    if section.says("persistent") && settings.persistent.on && !suspends {
        return Err(section.fail(
            "persistent",
            "this counts suspensions, and suspend and calls are off; switch one of them on, or write \
             persistent = \"off\"",
        ));
    }
    let persists = settings.persistent.on && suspends;
    let bans = [settings.many_accounts.on, settings.sequential.on, settings.spray.on, persists];
    if settings.neighbours.on && !bans.contains(&true) {
        return Err(section.fail(
            "neighbours",
            "this counts banned sources, and no rule is on that bans one; switch on many_accounts, sequential, \
             spray or persistent, or write neighbours = \"off\"",
        ));
    }
    Ok(())
}

/// `"off"`, or a table, of which everything that is left out keeps its default.
fn read_retries(value: Value<'_>, default: Retries) -> Result<Retries, ConfigError> {
    if value.as_text().is_some() {
        return value.choice(&[("off", Retries { on: false, ..default })]);
    }
    let mut section = value.section()?;
    let retries = Retries {
        on: true,
        retries: section.read("retries", default.retries, |value| value.number(RETRIES))?,
        time: section.read("time", default.time, |value| value.length(&SUSPENSION))?,
    };
    section.finish()?;
    Ok(retries)
}

/// The same.
fn read_threshold(value: Value<'_>, default: Threshold) -> Result<Threshold, ConfigError> {
    if value.as_text().is_some() {
        return value.choice(&[("off", Threshold { on: false, ..default })]);
    }
    let mut section = value.section()?;
    let threshold = Threshold {
        on: true,
        count: section.read("count", default.count, |value| value.number(COUNT))?,
        within: section.read("within", default.within, |value| value.length(&WITHIN))?,
        lasts: section.read("lasts", default.lasts, |value| lifetime(&value, &LASTS))?,
    };
    section.finish()?;
    Ok(threshold)
}

fn read_known(value: Value<'_>, default: KnownSettings) -> Result<KnownSettings, ConfigError> {
    let mut section = value.section()?;
    let known = KnownSettings {
        phones: section.read("phones", default.phones, |value| value.number(PHONES))?,
        grace: section.read("grace", default.grace, |value| value.length(&GRACE))?,
        worked: section.read("worked", default.worked, |value| value.length(&WORKED))?,
    };
    section.finish()?;
    Ok(known)
}

fn lifetime(value: &Value<'_>, range: &RangeInclusive<Duration>) -> Result<Lifetime, ConfigError> {
    let text = value.text("a time, such as \"1h\", or \"forever\"")?;
    let lifetime =
        text.parse().map_err(|error: sipward_types::time::DurationError| value.fail(error.to_string()))?;
    match lifetime {
        Lifetime::For(length) if !range.contains(&length) => {
            Err(value.out_of_range(text, range, ", or \"forever\""))
        }
        lifetime => Ok(lifetime),
    }
}
