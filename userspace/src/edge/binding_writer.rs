//! Writes down which contacts the PBX has of phones, behind the core, which waits for no disk.

use std::{
    mem,
    path::Path,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use sipward_edge::edge::{Binding, BindingChanges};
use tracing::{error, info, warn};

use super::{
    binding_store::{BindingStore, StoredBindings},
    threads::spawn,
};
use crate::{fault_log::FaultLog, locked::locked, refusal::Refusal, store::StoreError};

/// The pause between two writes. What changes meanwhile is written together, the latest of each phone only.
const PAUSE: Duration = Duration::from_millis(250);
/// Until a write that failed is tried again.
const RETRY: Duration = Duration::from_secs(5);
const NAME: &str = "bindings.db";
/// Changes that wait for a disk: several times as many as there can be phones.
const WAITING: usize = 262_144;

#[derive(Debug)]
pub(super) struct BindingWriter {
    queue: Arc<Queue>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    has_changed: Condvar,
}

/// Each phone is in it once, however long it waits.
#[derive(Debug, Default)]
struct Waiting {
    changes: BindingChanges,
    is_ending: bool,
}

impl BindingWriter {
    /// Begins with the file in this directory, and returns what is in it. A file that cannot be used is no reason not to
    /// start: phones that come back from elsewhere are then registered twice until the former registration expires.
    pub(super) fn start(directory: &Path) -> Result<(Self, Vec<Binding>), Refusal> {
        let (path, mut faults) = (directory.join(NAME), FaultLog::default());
        let opened = open(&path).inspect_err(|error| log(&mut faults, error));
        let (store, bindings) = match opened {
            Ok((store, bindings)) => (Some(store), bindings),
            Err(_) => (None, Vec::new()),
        };
        let queue = Arc::new(Queue::default());
        let of_thread = Arc::clone(&queue);
        let thread = spawn("bindings", move || of_thread.write_all(&path, store, faults))?;
        Ok((Self { queue, thread }, bindings))
    }

    pub(super) fn add(&self, changes: BindingChanges) {
        if !changes.is_empty() {
            let mut waiting = locked(&self.queue.waiting);
            waiting.changes.extend(changes);
            if waiting.changes.len() > WAITING {
                // The next start finds out by itself that those have ended.
                waiting.changes.retain(|_, change| change.is_some());
            }
            self.queue.has_changed.notify_one();
        }
    }

    /// Writes what waits, if that is possible.
    pub(super) fn finish(self) {
        locked(&self.queue.waiting).is_ending = true;
        self.queue.has_changed.notify_one();
        // It has logged its faults.
        let _ = self.thread.join();
    }
}

impl Queue {
    fn write_all(&self, path: &Path, mut store: Option<BindingStore>, mut faults: FaultLog) {
        while let Some(changes) = self.next() {
            match write(path, &mut store, &changes) {
                Ok(()) => {
                    if faults.end() {
                        info!("the contacts of phones are written down again, in {}", path.display());
                    }
                    self.ends_within(PAUSE);
                }
                Err(error) => {
                    log(&mut faults, &error);
                    self.put_back(changes);
                    // By then it may be another file.
                    store = None;
                    if self.ends_within(RETRY) {
                        return;
                    }
                }
            }
        }
    }

    /// Waits for some. `None`: there are none, and there will be no more.
    fn next(&self) -> Option<BindingChanges> {
        let is_idle = |waiting: &mut Waiting| waiting.changes.is_empty() && !waiting.is_ending;
        let waiting = self.has_changed.wait_while(locked(&self.waiting), is_idle);
        let changes = mem::take(&mut waiting.unwrap_or_else(PoisonError::into_inner).changes);
        (!changes.is_empty()).then_some(changes)
    }

    /// Changes that have come since are newer.
    fn put_back(&self, changes: BindingChanges) {
        let mut waiting = locked(&self.waiting);
        let newer = mem::replace(&mut waiting.changes, changes);
        waiting.changes.extend(newer);
    }

    fn ends_within(&self, time: Duration) -> bool {
        let goes_on = |waiting: &mut Waiting| !waiting.is_ending;
        let waited = self.has_changed.wait_timeout_while(locked(&self.waiting), time, goes_on);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_ending
    }
}

fn write(path: &Path, store: &mut Option<BindingStore>, changes: &BindingChanges) -> Result<(), StoreError> {
    let store = match store {
        Some(store) => store,
        None => store.insert(open(path)?.0),
    };
    store.write(changes)
}

fn open(path: &Path) -> Result<(BindingStore, Vec<Binding>), StoreError> {
    let StoredBindings { store, bindings, set_aside } = BindingStore::open(path)?;
    if let Some((damage, to)) = set_aside {
        error!(
            "{damage}, and is now {}: phones that connect anew may be registered twice until the former \
             registration expires",
            to.display()
        );
    }
    Ok((store, bindings))
}

fn log(faults: &mut FaultLog, error: &StoreError) {
    faults.update([error.to_string()], |fault| {
        warn!("contacts of phones are not written down, and are forgotten at a restart: {fault}");
    });
}

#[cfg(test)]
mod tests {
    use std::fs;

    use sipward_edge::edge::PhoneName;
    use sipward_testkit::scratch::Scratch;
    use sipward_types::{account::Account, time::WallSeconds};

    use super::*;

    fn changes(number: u64, until: u64) -> BindingChanges {
        let binding = Binding {
            number,
            account: Account::new(b"201").unwrap(),
            phone: PhoneName { device: b"call".to_vec(), contact: None },
            contacts: vec!["sip:one@127.0.0.1:5070".to_owned()],
            until: WallSeconds::new(until),
        };
        [(number, Some(binding))].into()
    }

    fn start(directory: &Path) -> (BindingWriter, BindingChanges) {
        let (writer, bindings) = BindingWriter::start(directory).unwrap();
        (writer, bindings.into_iter().map(|binding| (binding.number, Some(binding))).collect())
    }

    #[test]
    fn what_waits_at_the_end_is_written_and_the_latest_of_each_phone() {
        let directory = Scratch::new("binding-writer");
        let (writer, before) = start(directory.path());
        assert!(before.is_empty());
        for until in 1..=100 {
            writer.add(changes(1, until));
            writer.add(changes(2, until));
        }
        writer.add([(2, None)].into());
        writer.finish();
        let (writer, kept) = start(directory.path());
        assert_eq!(kept, changes(1, 100));
        writer.finish();
    }

    #[test]
    fn where_nothing_can_be_written_it_starts_and_ends_all_the_same() {
        let directory = Scratch::new("binding-writer");
        // A directory in the place of the file: to root, nothing else is forbidden.
        fs::create_dir(directory.path().join(NAME)).unwrap();
        let (writer, before) = start(directory.path());
        assert!(before.is_empty());
        writer.add(changes(1, 1));
        writer.finish();
    }

    #[test]
    fn changes_that_could_not_be_written_stay_behind_newer_ones() {
        let queue = Queue::default();
        locked(&queue.waiting).changes.extend(changes(1, 2));
        queue.put_back([changes(1, 1), changes(2, 1)].into_iter().flatten().collect());
        assert_eq!(queue.next(), Some([changes(1, 2), changes(2, 1)].into_iter().flatten().collect()));
    }
}
