//! The filter taken over as it is pinned, or made; with its lists, its rules and its interfaces.

use super::{
    Controller,
    enforced_state::{EnforcedState, ReconcileReport},
    guard::GuardRuntime,
    guesses,
    proof::Proved,
    reconcile::{Reconciled, read_from_kernel, reconcile},
    retrying_store::{OpenOutcome, RetryingStore},
    settings::{self, Settings, Switched},
    status::Rates,
};
use crate::{clock::Clock, lists::Lists, paths, refusal::Refusal};
use sipward_kernel::{self as kernel, Error, Filter, LoadOptions, Pins, Tables, XdpChoice, XdpMode};

/// The outcome of a start.
#[derive(Debug)]
pub struct Started {
    pub program: ProgramFate,
    pub store: OpenOutcome,
    /// `Err`: the store cannot be used, and the kernel's lists are as they were.
    pub lists: Result<Reconciled, String>,
    /// The same of what the guard has in force.
    pub guarded: Result<ReconcileReport, String>,
    /// Of what it had counted.
    pub recalled: Result<(), String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramFate {
    /// It is this build's, and runs on.
    Kept,
    /// That of another build with the same maps was replaced.
    Replaced,
    /// That of a build with other maps was replaced.
    Migrated,
    /// There was none.
    New,
}

impl Controller {
    /// Without settings, what is in force stays in force. `fresh`: as the configuration says, whatever was switched by
    /// hand. The pins are claimed by whoever calls.
    pub fn start(pins: &Pins, settings: Option<Settings>, fresh: bool) -> Result<(Self, Started), Refusal> {
        let (mut store, opened) = RetryingStore::open(paths::store());
        let mut switched = Switched::read(&store);
        let mut found = find(pins, &store)?;
        let tables = found.tables();
        if let Some(settings) = &settings {
            if fresh {
                switched.overrule(&mut store, settings);
            } else if let (Err(_), Some(policy)) = (store.get(), tables.policy()?) {
                switched = Switched::guess(&policy, &settings.resolved.policy);
            }
        }
        let mut lists = Lists::open(tables)?;
        if !matches!(opened, OpenOutcome::AsLeft) {
            lists.mark_all_unsaved(tables, sipward_kernel::clock::now())?;
        }
        if let Some(settings) = &settings {
            let changes = settings::list_changes(&mut store, &settings.resolved);
            settings::apply_lists(&mut lists, tables, &mut store, &changes)?;
        }
        let reconciled = reconcile(&mut lists, tables, &mut store)?;
        if let Err(fault) = &reconciled {
            read_from_kernel(&mut lists, tables, &mut store)?;
            if found.fate == ProgramFate::Migrated {
                // The filter in force has them, and this one would not.
                return Err(Refusal::failed(fault));
            }
        }
        let tables = found.tables();
        let (enforced, guarded) =
            enforced(tables, &mut store, settings.as_ref(), opened != OpenOutcome::AsLeft)?;
        if let Some(settings) = &settings {
            settings::apply(tables, settings, &switched)?;
            settings.keep(&mut store);
        }
        let (tables, program) = found.settle(pins)?;
        let guard = settings.as_ref().map(|settings| settings.resolved.guard.settings).unwrap_or_default();
        let mut guard_runtime = GuardRuntime::new(guard, enforced, sipward_kernel::clock::now());
        let mut tables = tables;
        guard_runtime
            .guard
            .restore_given_back(sipward_kernel::clock::now(), guesses::given_back(&mut tables)?);
        // Without a daemon nothing was given back: an office whose phones started meanwhile would be out for hours.
        tables.forget_issued_guesses()?;
        let mut controller = Self::new(pins.clone(), tables, lists, store, guard_runtime);
        controller.reverts_at = switched.reverts_at();
        controller.switched = switched;
        controller.settings = settings;
        controller.note_edge_sockets();
        let recalled = controller.recall();
        controller.mirror_guesses()?;
        Ok((controller, Started { program, store: opened, lists: reconciled, guarded, recalled }))
    }

    /// A new filter in the place of the one that was taken off, with all that is in memory: the store may lack a part of it.
    pub(super) fn load_again(&mut self, settings: &Settings) -> Result<(), Refusal> {
        let pins = self.pins.clone();
        let mut filter = load(&pins)?;
        filter.carry_over(&mut self.tables)?;
        settings::apply(&mut filter, settings, &self.switched)?;
        let loaded = Found { fate: ProgramFate::New, place: Place::Loaded(Box::new(filter)) };
        (self.tables, _) = loaded.settle(&pins)?;
        self.rates = Rates::default();
        self.proof = Proved::default();
        self.purged = None;
        Ok(())
    }

    /// Attaches to an interface, if it is not already.
    pub fn attach(&mut self, interface: &str, choice: XdpChoice) -> Result<XdpMode, Error> {
        kernel::attach_pinned(&self.pins, interface, choice)
    }
}

/// The state that the guard had in force.
fn enforced(
    tables: &mut Tables,
    store: &mut RetryingStore,
    settings: Option<&Settings>,
    adopt: bool,
) -> Result<(EnforcedState, Result<ReconcileReport, String>), Error> {
    let clock = Clock::read();
    let passes = match settings {
        Some(settings) => settings.keep_passes(store),
        None => settings::passes_as_kept(store),
    };
    let mut enforced = EnforcedState::found(tables, passes, &clock)?;
    enforced.find_known(tables, &clock)?;
    if adopt {
        enforced.adopt(tables)?;
    }
    let guarded = enforced.reconcile(tables, store, &clock)?;
    Ok((enforced, guarded))
}

/// A filter to be filled, and what is to become of the one before.
struct Found {
    fate: ProgramFate,
    place: Place,
}

enum Place {
    Pinned(Tables),
    Loaded(Box<Filter>),
}

fn find(pins: &Pins, store: &RetryingStore) -> Result<Found, Refusal> {
    if pins.is_there()? {
        let mut tables = Tables::open(pins)?;
        if tables.build()? == Some(kernel::object_hash()) {
            return Ok(Found { fate: ProgramFate::Kept, place: Place::Pinned(tables) });
        }
        // Filled only once it is in force: it has the maps of the one before it. Whoever comes after one that was killed
        // meanwhile cannot tell how far it came, and does all of it again.
        tables.set_build(None)?;
        load(pins)?.persist()?;
        tables.set_build(Some(kernel::object_hash()))?;
        return Ok(Found { fate: ProgramFate::Replaced, place: Place::Pinned(tables) });
    }
    let others = pins.others()?;
    if let (false, Err(error)) = (others.is_empty(), store.get()) {
        return Err(Refusal::failed(format!(
            "the filter in force is of another build, so its lists would have to come from the database: {error}. \
             Nothing was changed"
        )));
    }
    let fate = if others.is_empty() { ProgramFate::New } else { ProgramFate::Migrated };
    Ok(Found { fate, place: Place::Loaded(Box::new(load(pins)?)) })
}

fn load(pins: &Pins) -> Result<Filter, Error> {
    Filter::load(&LoadOptions { pins: Some(pins.clone()), ..LoadOptions::default() })
}

impl Found {
    fn tables(&mut self) -> &mut Tables {
        match &mut self.place {
            Place::Pinned(tables) => tables,
            Place::Loaded(filter) => filter,
        }
    }

    /// Everything is in its place when this returns, and nothing of another build is left.
    fn settle(self, pins: &Pins) -> Result<(Tables, ProgramFate), Refusal> {
        let tables = match self.place {
            Place::Pinned(tables) => tables,
            Place::Loaded(mut filter) => {
                filter.set_build(Some(kernel::object_hash()))?;
                filter.persist()?;
                Tables::open(pins)?
            }
        };
        // Also what a build has left that was killed while it took over.
        kernel::keep_links(pins)?;
        for other in pins.others()? {
            kernel::take_links(&other, pins)?;
        }
        Ok((tables, self.fate))
    }
}
