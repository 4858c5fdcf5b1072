//! The state that outlives a restart besides the decisions in force: where accounts have worked, and what has failed.
//!
//! Without it whoever guesses would begin anew with each restart, and an office whose passwords were all changed just
//! before would be taken for one who guesses. What nothing but alerts comes of is not saved.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Guard, WITHIN, account_history::AccountHistory, bounded_map::Evictable as _, source_net::SourceNet,
    success_history::Worked,
};
use sipward_types::account::Account;
use sipward_types::time::KernelTime;

/// The saved state of one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    pub of: Remembered,
    /// Then it is worth nothing any more.
    pub until: KernelTime,
    /// For nobody but the guard.
    pub state: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remembered {
    /// An account has worked at a source.
    Worked(IpAddr, Account),
    /// Failures at a source, or in a prefix. Their times are those of one boot.
    SourceNet(IpNet),
    /// From where an account failed. The same.
    Account(Account),
}

/// The state that the store does not have yet.
#[derive(Clone, Debug, Default)]
pub struct UnsavedMemory {
    pub kept: Vec<Memory>,
    pub gone: Vec<Remembered>,
}

impl UnsavedMemory {
    pub const fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.gone.is_empty()
    }
}

/// Until when it is worth something, and what it is; `None`: it is no more.
type KeptState = Option<(KernelTime, String)>;

impl Guard {
    /// The state that the store does not have yet, of about so many accounts at sources. It counts as saved from now on.
    pub fn unsaved(&mut self, mut most: usize) -> UnsavedMemory {
        let worked = self.successes.pairs.unsaved(&mut most, |(source_net, account), worked| {
            let kept = worked.map(|worked| {
                let (until, saved) = worked.saved();
                (until, text(&saved))
            });
            (Remembered::Worked(source_net.address(), account.clone()), kept)
        });
        let sources = self.source_histories.unsaved(&mut most, |source_net, history| {
            (Remembered::SourceNet(source_net.net()), history.map(|history| (history.over(), text(history))))
        });
        let accounts = self.account_histories.unsaved(&mut most, |account, account_history| {
            let kept = account_history
                .map(|account_history| (failed_over(account_history.last()), text(account_history)));
            (Remembered::Account(account.clone()), kept)
        });
        unsaved_memory(worked.into_iter().chain(sources).chain(accounts))
    }

    /// The store has lost what it had: all is news.
    pub fn save_again(&mut self) {
        self.successes.pairs.save_again();
        self.source_histories.save_again();
        self.account_histories.save_again();
    }

    /// Takes over what was saved before a restart, before there is any evidence. How many could not be read.
    pub fn recall(&mut self, now: KernelTime, memories: impl IntoIterator<Item = Memory>) -> usize {
        let alive = memories.into_iter().filter(|memory| memory.until > now);
        alive.filter(|memory| self.recall_one(memory).is_none()).count()
    }

    fn recall_one(&mut self, memory: &Memory) -> Option<()> {
        match &memory.of {
            Remembered::Worked(source, account) => {
                let worked = Worked::restored(memory.until, read(&memory.state)?);
                self.successes.restore(SourceNet::of(*source), account, worked);
            }
            Remembered::SourceNet(net) => {
                self.source_histories.restore(&SourceNet::new(*net)?, read(&memory.state)?)
            }
            Remembered::Account(account) => {
                let account_history: AccountHistory = read(&memory.state)?;
                self.account_histories.restore(account, account_history.restored());
            }
        }
        Some(())
    }
}

fn unsaved_memory(all: impl Iterator<Item = (Remembered, KeptState)>) -> UnsavedMemory {
    let mut unsaved_memory = UnsavedMemory::default();
    for (of, kept) in all {
        match kept {
            Some((until, state)) => unsaved_memory.kept.push(Memory { of, until, state }),
            None => unsaved_memory.gone.push(of),
        }
    }
    unsaved_memory
}

/// When no rule counts a failure any more.
pub(super) fn failed_over(last: KernelTime) -> KernelTime {
    last + *WITHIN.end()
}

/// Of what has names for keys and nothing else that could not be written.
fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn read<T: DeserializeOwned>(state: &str) -> Option<T> {
    serde_json::from_str(state).ok()
}
