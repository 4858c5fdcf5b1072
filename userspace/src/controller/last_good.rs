//! The configuration that was last in force, for a start with one that is broken: a host that reboots at night is not
//! to be without protection for a slip of the evening before.

use std::path::Path;

use super::{retrying_store::RetryingStore, settings::Settings};
use crate::{
    clock::Clock,
    control::protocol::Who,
    paths,
    policy::Config,
    signature::SignatureSet,
    store::{Change, Store, StoreError, Switch},
    text_file,
};

/// The names that the store knows its parts by.
const CONFIG: &str = "last-good-configuration";
const SIGNATURES: &str = "last-good-signatures";

/// What was read.
#[derive(Clone, Debug)]
pub(super) struct Texts {
    pub(super) config: String,
    pub(super) signatures: Option<String>,
}

impl Texts {
    /// `None`: gone since it was read for use, so that it is not known what was read.
    pub(super) fn read(config: &Path, signatures: Option<&Path>) -> Option<Self> {
        let config = text_file::read(config).ok()?;
        let signatures = signatures.map(text_file::read).transpose().ok()?;
        Some(Self { config, signatures })
    }
}

pub(super) fn save(store: &mut RetryingStore, texts: &Texts) {
    let before = store.get().ok().and_then(|store| store.switches().ok()).unwrap_or_default();
    let said = |name| before.iter().find(|switch| switch.name == name).map(|switch| switch.value.as_str());
    if said(CONFIG) == Some(&texts.config) && said(SIGNATURES) == texts.signatures.as_deref() {
        return;
    }
    // A store that fails here is reported by the retrying store.
    let _ = store.change(|change, clock| {
        put(change, clock, CONFIG, &texts.config)?;
        match &texts.signatures {
            Some(text) => put(change, clock, SIGNATURES, text),
            None => change.remove_switch(SIGNATURES).map(drop),
        }
    });
}

fn put(change: &mut Change<'_>, clock: &Clock, name: &str, value: &str) -> Result<(), StoreError> {
    let (name, value) = (name.to_owned(), value.to_owned());
    let (since, who, until) = (clock.wall_ms, Who::sipward().name, xdp_prog::abi::FOREVER);
    change.put_switch(&Switch { name, value, since, who, until }, clock)
}

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
