//! The number of flows (source ports over UDP) that one source and one neighbourhood may use.

use std::time::Duration;

use xdp_prog::abi::FLOWS_MAX;

use super::{
    document::Section,
    error::ConfigError,
    limits::{amount_or_off, window_length},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowLimits {
    pub per_source: Option<u32>,
    pub per_prefix: Option<u32>,
    /// A flow that was silent for so long no longer counts.
    pub window: Duration,
}

impl Default for FlowLimits {
    fn default() -> Self {
        // All phones behind one address of an office or a carrier may start at once. A neighbourhood of such addresses
        // has no number of flows that would tell it from an attacker's.
        Self { per_source: Some(100), per_prefix: None, window: Duration::from_secs(30) }
    }
}

impl FlowLimits {
    /// As a connlimit rule of the usual guides sets it.
    const STRICT: Self = Self { per_source: Some(10), per_prefix: Some(30), window: Duration::from_secs(30) };

    pub(super) fn read(mut section: Section<'_>) -> Result<Self, ConfigError> {
        let presets = [("default", Self::default()), ("strict", Self::STRICT)];
        let default = section.read("preset", Self::default(), |value| value.choice(&presets))?;
        let flows = Self {
            per_source: section
                .read("per_source", default.per_source, |v| amount_or_off(&v, 1..=FLOWS_MAX))?,
            per_prefix: section
                .read("per_prefix", default.per_prefix, |v| amount_or_off(&v, 1..=FLOWS_MAX))?,
            window: section.read("window", default.window, |value| window_length(&value))?,
        };
        if let (Some(source), Some(prefix)) = (flows.per_source, flows.per_prefix)
            && source > prefix
        {
            let key = if section.says("per_prefix") { "per_prefix" } else { "per_source" };
            let problem = format!(
                "one source may have {source} flows but its whole prefix only {prefix}; raise per_prefix or \
                 write \"off\" there"
            );
            return Err(section.fail(key, problem));
        }
        section.finish()?;
        Ok(flows)
    }
}
