//! Writes down which contacts the PBX has of phones, behind the core, which waits for no disk.

use std::{
    mem,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use sipward_edge::edge::{Binding, BindingChanges};
use tracing::{error, info, warn};

use super::{
    binding_store::{BindingStore, Opened},
    spawn,
};
use crate::{fault_log::FaultLog, locked::locked, refusal::Refusal, store::StoreError};

/// The pause between two writes. What changes meanwhile is written together, the latest of each phone only.
const PAUSE: Duration = Duration::from_millis(250);
/// Until a write that failed is tried again.
const RETRY: Duration = Duration::from_secs(5);
const NAME: &str = "bindings.db";

#[derive(Debug)]
pub(super) struct BindingWriter {
    queue: Arc<Queue>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    is_there: Condvar,
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
        let path = directory.join(NAME);
        let mut faults = FaultLog::default();
        let (store, bindings) = match open(&path) {
            Ok((store, bindings)) => (Some(store), bindings),
            Err(error) => {
                log(&mut faults, &error);
                (None, Vec::new())
            }
        };
        let queue = Arc::new(Queue::default());
        let writing = Arc::clone(&queue);
        let thread = spawn("bindings", move || writing.write(&path, store, faults))?;
        Ok((Self { queue, thread }, bindings))
    }

    pub(super) fn add(&self, changes: BindingChanges) {
        if !changes.is_empty() {
            locked(&self.queue.waiting).changes.extend(changes);
            self.queue.is_there.notify_one();
        }
    }

    /// Writes what waits, if that is possible.
    pub(super) fn finish(self) {
        locked(&self.queue.waiting).is_ending = true;
        self.queue.is_there.notify_one();
        // It has logged what went wrong.
        let _ = self.thread.join();
    }
}

impl Queue {
    fn write(&self, path: &PathBuf, mut store: Option<BindingStore>, mut faults: FaultLog) {
        while let Some(changes) = self.next() {
            let pause = match write(path, &mut store, &changes) {
                Ok(()) => {
                    if faults.end() {
                        info!("contacts of phones are written to {} again", path.display());
                    }
                    PAUSE
                }
                Err(error) => {
                    log(&mut faults, &error);
                    self.put_back(changes);
                    // Perhaps it is another file by then.
                    store = None;
                    RETRY
                }
            };
            if !self.rest(pause) {
                return;
            }
        }
    }

    /// Waits for some. `None`: there are none, and there will be no more.
    fn next(&self) -> Option<BindingChanges> {
        let waiting = locked(&self.waiting);
        let is_idle = |waiting: &mut Waiting| waiting.changes.is_empty() && !waiting.is_ending;
        let mut waiting = unpoisoned(self.is_there.wait_while(waiting, is_idle));
        let changes = mem::take(&mut waiting.changes);
        (!changes.is_empty()).then_some(changes)
    }

    /// What has come since is newer.
    fn put_back(&self, changes: BindingChanges) {
        let mut waiting = locked(&self.waiting);
        let newer = mem::replace(&mut waiting.changes, changes);
        waiting.changes.extend(newer);
    }
}
