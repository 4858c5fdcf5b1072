//! Snapshots of the guard's counts, saved periodically and never while a verdict waits.
//!
//! A killed daemon loses the counts since the last snapshot: some seconds.

use super::Controller;
use crate::clock::Clock;

/// Accounts at sources that are saved at once: no more is written in any five seconds, whatever is counted meanwhile.
const PART: usize = 8_192;

/// The state of the store's snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum SnapshotState {
    /// Not loaded yet.
    #[default]
    Unread,
    Right,
    /// Wrong; it must be written anew.
    Wrong,
}

impl SnapshotState {
    /// A new store replaced the previous one.
    pub(super) fn is_lost(&mut self) {
        *self = Self::Wrong;
    }
}

impl Controller {
    /// Loads the saved counts, once. A command's own controller needs them for its orders only.
    pub(super) fn recall(&mut self) -> Result<(), String> {
        if self.guard_runtime.snapshot != SnapshotState::Unread {
            return Ok(());
        }
        let memories = self.store.read(|store| store.memory(&Clock::read()))?;
        let unreadable = self.guard_runtime.guard.recall(sipward_kernel::clock::now(), memories);
        if unreadable > 0 {
            self.guard_runtime.snapshot = SnapshotState::Wrong;
            return Err(format!("{unreadable} of its saved counts cannot be read"));
        }
        self.guard_runtime.snapshot = SnapshotState::Right;
        Ok(())
    }

    /// Saves a part of the new counts.
    pub fn keep_memory(&mut self) -> Result<(), String> {
        // A change that is behind is reported already, and tried again once it can be written.
        if self.store.fault().is_some() {
            return Ok(());
        }
        self.recall().and(self.keep_part(PART))
    }

    /// Saves everything, at the end of the daemon.
    pub fn keep_all_memory(&mut self) -> Result<(), String> {
        self.keep_part(usize::MAX)
    }

    fn keep_part(&mut self, most: usize) -> Result<(), String> {
        let guard = &mut self.guard_runtime.guard;
        let is_wrong = self.guard_runtime.snapshot == SnapshotState::Wrong;
        if is_wrong {
            guard.save_again();
        }
        let unsaved_memory = guard.unsaved(most);
        if unsaved_memory.is_empty() && !is_wrong {
            return Ok(());
        }
        let saved = self.store.change(|change, clock| {
            if is_wrong {
                change.forget_memory()?;
            }
            change.remember(&unsaved_memory, clock)
        });
        self.guard_runtime.snapshot = if saved.is_ok() { SnapshotState::Right } else { SnapshotState::Wrong };
        saved
    }
}
