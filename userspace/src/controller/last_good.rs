//! The configuration that was last in force, for a start with one that is broken: a host that reboots at night is not
//! to be without protection for a slip of the evening before.

use std::path::Path;

use super::settings::Settings;
use crate::controller::good_texts::{CONFIG, SIGNATURES, Texts};
use crate::refusal::Refusal;
use crate::{paths, store::Store};
use sipward_engine::policy::Config;
use sipward_signature::SignatureSet;

/// Of that file. `None`: there is none, or it is of a version whose settings this one does not know.
pub(super) fn read(file: &Path) -> Option<Settings> {
    let switches = Store::open(&paths::store()).and_then(|store| store.switches()).ok()?;
    let text = |name| switches.iter().find(|switch| switch.name == name).map(|switch| switch.value.clone());
    let texts = Texts { config: text(CONFIG)?, signatures: text(SIGNATURES) };
    let mut config = Config::parse(&texts.config, "the last good configuration").ok()?;
    config.signatures = None;
    let mut resolved = config.resolve().ok()?;
    if let Some(text) = &texts.signatures {
        let own = SignatureSet::parse(text, "the last good signatures").ok()?;
        resolved.signatures = SignatureSet::shipped().overlaid(&own);
    }
    Settings::of(Some(file), &config, resolved, Some(texts)).ok()
}

impl Settings {
    /// As it was last in force, for a file that is broken now. `None`: no such thing is known.
    pub fn last_good(file: &Path, fault: &Refusal) -> Option<Self> {
        let mut settings = read(file)?;
        settings.fault = Some(fault.to_string());
        Some(settings)
    }
}
