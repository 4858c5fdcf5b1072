//! The configuration, and what was switched by hand, put in force together.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use xdp_prog::{abi::Policy, form::Form, reason::Reason};

use super::{
    good_texts::{self, Texts},
    overruled,
    retrying_store::RetryingStore,
    switch_names::{self, SIGNATURE},
};
use crate::{
    caller::Who,
    clock::Clock,
    lists::Lists,
    refusal::Refusal,
    store::{Change, Entry, Store, StoreError, Switch},
};
use sipward_api::{Query, name::FilterMode};
use sipward_engine::{
    lists::ListChange,
    policy::{Config, Mode, Resolved},
};
use sipward_kernel::Tables;
use sipward_signature::{Compiled, SignatureSet};
use sipward_types::{
    list_entry::{ListEntry, ListKind, Origin},
    time::KernelTime,
};

/// A configuration that is valid as a whole.
#[derive(Debug)]
pub struct Settings {
    pub file: Option<PathBuf>,
    pub resolved: Resolved,
    pub signatures: Compiled,
    /// Settings that the file states explicitly, so that they override switches by hand.
    says_mode: bool,
    says_trusted_only: bool,
    texts: Option<Texts>,
    /// The reason why the settings are not those of the file.
    pub fault: Option<String>,
}

impl Settings {
    pub fn read(file: Option<&Path>, mode: Option<Mode>) -> Result<Self, Refusal> {
        let mut config = file.map(Config::load).transpose()?.unwrap_or_default();
        config.mode = mode.unwrap_or(config.mode);
        config.says_mode |= mode.is_some();
        let resolved = config.resolve()?;
        let texts = file.and_then(|file| Texts::read(file, config.signatures.as_deref()));
        Self::of(file, &config, resolved, texts)
    }

    /// For a daemon, which is there to protect something: an empty file is a broken one.
    pub fn of_daemon(file: &Path) -> Result<Self, Refusal> {
        let settings = Self::read(Some(file), None)?;
        if settings.resolved.interfaces.is_empty() {
            return Err(Refusal::wrong(format!(
                "{}: interface: missing, so there is nothing to protect; add `interface = \"eth0\"`",
                file.display()
            )));
        }
        Ok(settings)
    }

    pub(super) fn of(
        file: Option<&Path>,
        config: &Config,
        resolved: Resolved,
        texts: Option<Texts>,
    ) -> Result<Self, Refusal> {
        Ok(Self {
            file: file.map(Path::to_owned),
            signatures: resolved.signatures.compile()?,
            resolved,
            says_mode: config.says_mode,
            says_trusted_only: config.says_trusted_only,
            texts,
            fault: None,
        })
    }

    /// Switches that the configuration overrides, always those of signatures and of rules that were switched off.
    pub(super) fn overrules(&self) -> impl Iterator<Item = &'static str> {
        let mode = self.says_mode.then_some(switch_names::MODE);
        let only = self.says_trusted_only.then_some(switch_names::ONLY);
        [mode, only, Some(switch_names::SIGNATURES), Some(switch_names::OFF)].into_iter().flatten()
    }

    /// True if packets of suspended accounts pass. Saved for commands, which do not read the file.
    pub(super) fn keep_passes(&self, store: &mut RetryingStore) -> bool {
        let passes = self.resolved.guard.passes_suspended;
        if passes != passes_as_kept(store) {
            // A store that fails here is reported by the retrying store.
            let _ = store.change_now_or_later(move |change, clock| {
                if !passes {
                    return change.remove_switch(PASSES).map(drop);
                }
                let (name, value) = (PASSES.to_owned(), switch_names::on_off(true).to_owned());
                let (since, who, until) = (clock.wall, Who::sipward().name, KernelTime::FOREVER);
                change.put_switch(&Switch { name, value, since, who, until }, clock)
            });
        }
        passes
    }

    /// For a start at which the file is broken.
    pub(super) fn keep(&self, store: &mut RetryingStore) {
        if let Some(texts) = &self.texts {
            good_texts::save(store, texts);
        }
    }
}

/// The name that the store knows it by.
const PASSES: &str = "suspended-pass";

/// True if packets of suspended accounts pass, by the configuration that was last in force.
pub(super) fn passes_as_kept(store: &RetryingStore) -> bool {
    let switches = store.get().ok().and_then(|store| store.switches().ok()).unwrap_or_default();
    switches.iter().any(|switch| switch.name == PASSES)
}

/// Switches by hand, as they were saved.
#[derive(Debug, Default)]
pub(super) struct Switched(BTreeMap<String, Switch>);

impl Switched {
    pub(super) fn read(store: &RetryingStore) -> Self {
        // A store that cannot be read is reported elsewhere; the configuration counts then.
        let switches = store.get().ok().and_then(|store| store.switches().ok()).unwrap_or_default();
        let by_hand = switches.into_iter().filter(|switch| switch_names::ALL.contains(&switch.name.as_str()));
        Self(by_hand.map(|switch| (switch.name.clone(), switch)).collect())
    }

    /// Without a readable store, every setting in force that differs from the configuration counts as switched by
    /// hand.
    pub(super) fn guess(in_force: &Policy, configured: &Policy) -> Self {
        let mut switched = Self::default();
        let mut differs = |name: &str, value: &str| {
            switched.put(Switch {
                name: name.to_owned(),
                value: value.to_owned(),
                since: Clock::read().wall,
                who: Who::sipward().name,
                until: KernelTime::FOREVER,
            });
        };
        if in_force.enforce != configured.enforce {
            differs(switch_names::MODE, FilterMode::of(in_force.enforce != 0).name());
        }
        if in_force.trusted_only != configured.trusted_only {
            differs(switch_names::ONLY, switch_names::on_off(in_force.trusted_only != 0));
        }
        switched
    }

    /// Removes the switches that the configuration overrides explicitly.
    pub(super) fn overrule(&mut self, store: &mut RetryingStore, settings: &Settings) {
        let names: Vec<_> = settings.overrules().collect();
        names.iter().for_each(|name| self.remove(name));
        // A store that fails here is reported by the retrying store.
        let _ = store.change_now_or_later(move |change, _| {
            names.iter().try_for_each(|name| change.remove_switch(name).map(drop))
        });
    }

    /// For a store that was made anew.
    pub(super) fn save(&self, store: &mut RetryingStore) {
        let switches: Vec<_> = self.0.values().cloned().collect();
        // As above.
        let _ = store.change_now_or_later(move |change, clock| {
            switches.iter().try_for_each(|switch| change.put_switch(switch, clock))
        });
    }

    pub(super) fn put(&mut self, switch: Switch) {
        self.0.insert(switch.name.clone(), switch);
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    fn value(&self, name: &str) -> Option<&str> {
        Some(self.0.get(name)?.value.as_str())
    }

    /// Rules that were switched off by themselves.
    pub(super) fn off(&self) -> BTreeSet<String> {
        self.value(switch_names::OFF).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// These and no others are off.
    pub(super) fn put_off(&mut self, off: &BTreeSet<String>, who: &str) -> Switch {
        let switch = Switch {
            name: switch_names::OFF.to_owned(),
            // A list of strings always has a form in JSON.
            value: serde_json::to_string(off).unwrap_or_default(),
            since: Clock::read().wall,
            who: who.to_owned(),
            until: KernelTime::FOREVER,
        };
        self.put(switch.clone());
        switch
    }

    /// The signatures that an operator loaded.
    pub(super) fn signatures(&self) -> Option<SignatureSet> {
        let text = self.value(switch_names::SIGNATURES)?;
        let set = SignatureSet::parse(text, "the signatures loaded by hand").ok()?;
        Some(SignatureSet::shipped().overlaid(&set))
    }

    /// When the lock-down is to be taken back.
    pub(super) fn reverts_at(&self) -> Option<KernelTime> {
        self.0.get(switch_names::ONLY).map(|switch| switch.until).filter(|until| !until.is_forever())
    }
}

/// Puts policy and signatures in force: those of the settings, and over them what was switched.
pub(super) fn apply(tables: &mut Tables, settings: &Settings, switched: &Switched) -> Result<(), Refusal> {
    let (by_hand, off) = (switched.signatures(), switched.off());
    let others = (by_hand.is_some() || !off.is_empty())
        .then(|| without(by_hand.as_ref().unwrap_or(&settings.resolved.signatures), &off).compile().ok());
    put_in_force(tables, others.flatten().as_ref().unwrap_or(&settings.signatures))?;
    let mut policy = settings.resolved.policy.clone();
    put_off(&mut policy, &off);
    if let Some(mode) = switched.value(switch_names::MODE) {
        policy.enforce = u8::from(mode == FilterMode::of(true).name());
    }
    if let Some(only) = switched.value(switch_names::ONLY) {
        policy.trusted_only = u8::from(only == switch_names::on_off(true));
    }
    // The same as before, or flows and requests that are counted already would be counted again.
    let before = tables.policy()?;
    policy.key = before.as_ref().map_or_else(|| random() as u32, |before| before.key);
    policy.fingerprint_key = before.map_or_else(|| [random(), random()], |before| before.fingerprint_key);
    Ok(tables.set_policy(&policy)?)
}

/// Rules that are not limits: without them the limits are left.
pub(super) fn can_be_off(rule: &str) -> bool {
    let forms = Form::ALL.into_iter().map(Form::reason);
    METHODS.into_iter().chain(forms).any(|reason| reason.name() == rule)
}

/// Rules that look at nothing but the method.
const METHODS: [Reason; 2] = [Reason::OptionsStranger, Reason::MethodUnknown];

pub(super) fn put_off(policy: &mut Policy, off: &BTreeSet<String>) {
    for (reason, drops) in
        METHODS.into_iter().zip([&mut policy.drop_options, &mut policy.drop_unknown_methods])
    {
        if off.contains(reason.name()) {
            *drops = 0;
        }
    }
    for form in Form::ALL.into_iter().filter(|form| off.contains(form.reason().name())) {
        policy.forms &= !form.bit();
    }
}

/// Those of the set that are not off.
pub(super) fn without(set: &SignatureSet, off: &BTreeSet<String>) -> SignatureSet {
    let names = off.iter().filter_map(|rule| rule.strip_prefix(SIGNATURE));
    names.fold(set.clone(), SignatureSet::without)
}

/// Has the filter look for these, and remembers what they are called.
pub(super) fn put_in_force(tables: &mut Tables, compiled: &Compiled) -> Result<(), Refusal> {
    tables.set_signatures(&compiled.tables)?;
    Ok(tables.set_signature_names(&compiled.names)?)
}

/// The standard library's hashers are keyed by the system's random numbers.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The changes that make the lists say what the configuration says: what it no longer names goes, if it came from there.
pub(super) fn list_changes(store: &mut RetryingStore, resolved: &Resolved) -> Vec<ListChange> {
    let clock = Clock::read();
    // Nothing, where the store cannot be read; which is reported elsewhere.
    let read = store.read(|store| Ok((configured(store, &clock)?, store.switches()?)));
    let (before, switches) = read.unwrap_or_default();
    changes(&before, &overruled::read(&switches, clock.kernel), resolved)
}

/// Puts these changes in force and saves them. On an error, all is as it was.
pub(super) fn apply_lists(
    lists: &mut Lists,
    tables: &mut Tables,
    store: &mut RetryingStore,
    changes: &[ListChange],
) -> Result<(), Refusal> {
    if changes.is_empty() {
        return Ok(());
    }
    let clock = Clock::read();
    lists.set_all(tables, changes, clock.kernel)?;
    if store.change(|change, clock| save_lists(change, clock, changes)).is_err() {
        // The retrying store reports the fault. An unmarked entry would count as unacknowledged after a restart.
        for (net, _) in changes {
            lists.mark_unsaved(tables, *net, clock.kernel)?;
        }
    }
    Ok(())
}

/// A source that the file no longer names goes from the list, or has its entry by hand again.
fn changes(
    before: &BTreeMap<IpNet, ListKind>,
    overruled: &BTreeMap<IpNet, Entry>,
    resolved: &Resolved,
) -> Vec<ListChange> {
    let said = |kind| move |net: &IpNet| (*net, kind);
    let trusted = resolved.trusted.iter().map(said(ListKind::Trusted));
    let wanted: BTreeMap<_, _> = trusted.chain(resolved.banned.iter().map(said(ListKind::Banned))).collect();
    let again = |net| overruled.get(net).map(overruled::list_entry);
    let gone = before.keys().filter(|net| !wanted.contains_key(net)).map(|net| (*net, again(net)));
    let new = wanted.iter().filter(|(net, kind)| before.get(net) != Some(kind));
    let list_entry = |kind| Some(ListEntry { kind, until: KernelTime::FOREVER, origin: Origin::Config });
    gone.chain(new.map(|(net, kind)| (*net, list_entry(*kind)))).collect()
}

fn save_lists(change: &mut Change<'_>, clock: &Clock, changes: &[ListChange]) -> Result<(), StoreError> {
    let overruled = overruled::read(&change.switches()?, clock.kernel);
    let mut came = 0;
    for &(net, list_entry) in changes {
        match list_entry {
            Some(ListEntry { kind, until, origin: Origin::Config }) => {
                overruled::keep(change, clock, net)?;
                let (since, origin) = (clock.wall, Origin::Config);
                change.put(&Entry { net, kind, until, since, origin, note: None, evidence: None }, clock)?;
                came += 1;
            }
            again => match overruled.get(&net).filter(|_| again.is_some()) {
                Some(entry) => overruled::bring_back(change, clock, entry)?,
                None => {
                    change.remove(net)?;
                    overruled::forget(change, net)?;
                }
            },
        }
    }
    let detail = format!("{came} came, {} went", changes.len() - came);
    change.audit("sipward", "configuration", "", &detail, clock)
}

/// Read at once.
const ROWS: usize = 1_000;

/// The entries of the store that come from the configuration.
fn configured(store: &Store, clock: &Clock) -> Result<BTreeMap<IpNet, ListKind>, StoreError> {
    let mut configured = BTreeMap::new();
    for list in [ListKind::Trusted, ListKind::Banned] {
        let query = Query { list, within: None, origin: Some(Origin::Config), note: None };
        let mut after = None;
        loop {
            let page = store.page(&query, after, ROWS, clock)?;
            configured.extend(page.iter().map(|entry| (entry.net, entry.kind)));
            if page.len() < ROWS {
                break;
            }
            after = page.last().map(|entry| entry.net);
        }
    }
    Ok(configured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_the_file_no_longer_names_has_its_entry_by_hand_again_or_goes() {
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        let [overruled_net, other, wanted] = ["192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32"].map(net);
        let by_hand = Entry {
            net: overruled_net,
            kind: ListKind::Trusted,
            until: KernelTime::from_nanos(7),
            since: Clock::read().wall,
            origin: Origin::Hand,
            note: None,
            evidence: None,
        };
        let overruled = BTreeMap::from([(overruled_net, by_hand.clone()), (wanted, by_hand)]);
        let before = [overruled_net, other, wanted].map(|net| (net, ListKind::Banned)).into();
        let config = Config { banned: vec![wanted], ..Config::default() };
        let changes = changes(&before, &overruled, &config.resolve().unwrap());
        let back =
            ListEntry { kind: ListKind::Trusted, until: KernelTime::from_nanos(7), origin: Origin::Hand };
        assert_eq!(changes, [(overruled_net, Some(back)), (other, None)]);
    }
}
