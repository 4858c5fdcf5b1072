//! Snapshots of the guard's counts, saved from time to time and never while somebody waits for a verdict.
//!
//! What came after the last time is lost where the daemon is killed: some seconds.

use super::Controller;
use crate::clock::Clock;

/// Accounts at sources that are saved at once: no more is written in any five seconds, whatever is counted meanwhile.
const PART: usize = 8_192;

/// The state of the store's snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum SnapshotState {
    /// The guard does not know it yet.
    #[default]
    Unread,
    Right,
    /// Not what it should have; it is to be made anew.
    Wrong,
}

impl SnapshotState {
    /// Another store took the place of the one before.
    pub(super) fn is_lost(&mut self) {
        *self = Self::Wrong;
    }
}

impl Controller {
    /// What was saved before a restart, once; or why not all of it can be had. A command's own controller needs it for its
    /// orders alone.
    pub(super) fn recall(&mut self) -> Result<(), String> {
        if self.guard_runtime.snapshot != SnapshotState::Unread {
            return Ok(());
        }
        let memories = self.store.read(|store| store.memory(&Clock::read()))?;
        let unreadable = self.guard_runtime.guard.recall(sipward_kernel::clock::now(), memories);
        if unreadable > 0 {
            self.guard_runtime.snapshot = SnapshotState::Wrong;
            return Err(format!("{unreadable} of the things that it had counted cannot be read"));
        }
        self.guard_runtime.snapshot = SnapshotState::Right;
        Ok(())
    }

    /// Saves a part of what is new.
    pub fn keep_memory(&mut self) -> Result<(), String> {
        // A change that is behind is reported already, and tried again once it can be written.
        if self.store.fault().is_some() {
            return Ok(());
        }
        self.recall().and(self.keep_part(PART))
    }

    /// At the end.
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
