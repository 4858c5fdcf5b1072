//! The store, retried when it fails: a fault of the disk is reported, and stops nothing.

use std::{
    collections::VecDeque,
    fmt,
    path::{Path, PathBuf},
};

use crate::{
    clock::Clock,
    store::{Change, Store, StoreError, StoreErrorKind},
};
use sipward_types::list_entry::{ListKind, Origin};

#[derive(Debug)]
pub(super) struct RetryingStore {
    path: PathBuf,
    store: Result<Store, StoreError>,
    /// The fault of the last change that could not be saved.
    behind: Option<String>,
    /// Changes that wait for the store.
    later: VecDeque<Later>,
}

/// A change that could not be saved, and the moment it was made.
struct Later {
    at: Clock,
    work: Box<Work>,
}

type Work = dyn Fn(&mut Change<'_>, &Clock) -> Result<(), StoreError> + Send;

/// Maximum of waiting changes; the oldest of more are dropped. The kernel has the lists in any case.
const MOST: usize = 1_000;

/// The state in which the store was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenOutcome {
    AsLeft,
    /// There was none, or nothing was ever written to it.
    New,
    /// The database could not be read and was moved aside.
    SetAside {
        to: PathBuf,
        fault: String,
    },
    /// It cannot be used.
    Closed {
        fault: String,
    },
}

/// The state of a change that is in force in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum SaveOutcome {
    Saved,
    /// The fault of the store.
    Unsaved(String),
}

impl SaveOutcome {
    pub(super) fn and(self, next: Self) -> Self {
        if self == Self::Saved { next } else { self }
    }
}

impl From<Result<(), String>> for SaveOutcome {
    fn from(result: Result<(), String>) -> Self {
        match result {
            Ok(()) => Self::Saved,
            Err(fault) => Self::Unsaved(fault),
        }
    }
}

impl RetryingStore {
    pub(super) fn open(path: PathBuf) -> (Self, OpenOutcome) {
        let (store, opened) = open(&path);
        (Self { path, store, behind: None, later: VecDeque::new() }, opened)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The store, to be read.
    pub(super) fn get(&self) -> Result<&Store, &StoreError> {
        self.store.as_ref()
    }

    pub(super) fn get_mut(&mut self) -> Option<&mut Store> {
        self.store.as_mut().ok()
    }

    /// Saves a change as a whole, or nothing of it.
    pub(super) fn change(
        &mut self,
        work: impl FnOnce(&mut Change<'_>, &Clock) -> Result<(), StoreError>,
    ) -> Result<(), String> {
        let later = &self.later;
        let result = match &mut self.store {
            Ok(store) => changed(store, |change, now| {
                // Earlier changes come first.
                later.iter().try_for_each(|Later { at, work }| work(change, at))?;
                work(change, now)
            }),
            Err(error) => return Err(error.to_string()),
        };
        result.map_err(|error| self.failed(error))?;
        self.later.clear();
        Ok(())
    }

    /// Saves a change, and retries it later if that fails.
    pub(super) fn change_now_or_later(
        &mut self,
        work: impl Fn(&mut Change<'_>, &Clock) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), String> {
        let result = self.change(&work);
        if result.is_err() {
            if self.later.len() == MOST {
                self.later.pop_front();
            }
            self.later.push_back(Later { at: Clock::read(), work: Box::new(work) });
        }
        result
    }

    fn failed(&mut self, error: StoreError) -> String {
        self.behind = Some(error.to_string());
        self.give_up_if_broken(error)
    }

    /// Notices a store that is no longer writable, without a change to save.
    pub(super) fn look(&mut self) {
        if let Ok(store) = &mut self.store
            && let Err(error) = store.begin().map(drop)
        {
            self.failed(error);
        }
    }

    /// Reads from the store.
    pub(super) fn read<T>(
        &mut self,
        work: impl FnOnce(&Store) -> Result<T, StoreError>,
    ) -> Result<T, String> {
        match &self.store {
            Ok(store) => work(store).map_err(|error| self.give_up_if_broken(error)),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Gives up a broken store; the next `recover` replaces it.
    fn give_up_if_broken(&mut self, error: StoreError) -> String {
        let fault = error.to_string();
        if matches!(error.kind(), StoreErrorKind::Corrupt | StoreErrorKind::Lost) {
            self.store = Err(error);
        }
        fault
    }

    /// The fault, if not everything in force is in the store.
    pub(super) fn fault(&self) -> Option<String> {
        match &self.store {
            Err(error) => Some(error.to_string()),
            Ok(_) => self.behind.clone(),
        }
    }

    /// Retries what failed. Returns the state of the store if it is writable now.
    pub(super) fn recover(&mut self) -> Option<OpenOutcome> {
        let mut opened = OpenOutcome::AsLeft;
        if let Err(error) = &self.store {
            let corrupt = (error.kind() == StoreErrorKind::Corrupt).then(|| error.to_string());
            // Damage may show only after opening.
            (self.store, opened) = match corrupt {
                Some(fault) => set_aside(&self.path, fault),
                None => open(&self.path),
            };
        }
        let works = self.change(|_, _| Ok(())).is_ok();
        // A new store counts as the complete state until it is filled.
        (works || matches!(opened, OpenOutcome::New | OpenOutcome::SetAside { .. })).then_some(opened)
    }

    /// The store has every entry of the lists.
    pub(super) fn caught_up(&mut self) {
        self.behind = None;
    }
}

/// The refusal of changes by hand, if the entry is one of the configuration.
pub(super) fn by_file(kind: ListKind, origin: Origin) -> Option<String> {
    (origin == Origin::Config).then(|| {
        let kind = kind.name();
        format!("{kind} by the configuration file: change it there, then `sipward reload`")
    })
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Later").field("at", &self.at).finish_non_exhaustive()
    }
}

fn changed(
    store: &mut Store,
    work: impl FnOnce(&mut Change<'_>, &Clock) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let clock = Clock::read();
    let mut change = store.begin()?;
    work(&mut change, &clock)?;
    change.commit()
}

fn open(path: &Path) -> (Result<Store, StoreError>, OpenOutcome) {
    match Store::open(path).and_then(|store| Ok((store.is_new()?, store))) {
        Ok((is_new, store)) => (Ok(store), if is_new { OpenOutcome::New } else { OpenOutcome::AsLeft }),
        Err(error) if error.kind() == StoreErrorKind::Corrupt => set_aside(path, error.to_string()),
        Err(error) => {
            let fault = error.to_string();
            (Err(error), OpenOutcome::Closed { fault })
        }
    }
}

/// `corrupt`: the damage.
fn set_aside(path: &Path, corrupt: String) -> (Result<Store, StoreError>, OpenOutcome) {
    let opened = Store::set_aside(path).and_then(|to| Ok((Store::open(path)?, to)));
    match opened {
        Ok((store, to)) => (Ok(store), OpenOutcome::SetAside { to, fault: corrupt }),
        Err(error) => {
            let fault = format!("{corrupt}; and it cannot be moved aside: {error}");
            (Err(error), OpenOutcome::Closed { fault })
        }
    }
}
