//! The text of the configuration in force, kept for a start with one that is broken.

use std::path::Path;

use crate::{
    caller::Who,
    clock::Clock,
    controller::retrying_store::RetryingStore,
    store::{Change, StoreError, Switch},
};
use sipward_types::{text_file, time::KernelTime};

/// The names that the store knows its parts by.
pub(super) const CONFIG: &str = "last-good-configuration";

pub(super) const SIGNATURES: &str = "last-good-signatures";

/// The texts that were read.
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
    let (since, who, until) = (clock.wall, Who::sipward().name, KernelTime::FOREVER);
    change.put_switch(&Switch { name, value, since, who, until }, clock)
}
