//! Extensions that are asked for one after the other: 100, 101, 102.
//!
//! Accounts count that were asked for in vain. One that exists and only was challenged counts nothing, but does
//! not interrupt: the phones of an office are numbered one after the other as well, and all of them are challenged.
//! The order in which they come does not matter.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::time::is_recent;
use sipward_types::account::Account;
use sipward_types::time::KernelTime;

/// Names of one source that are remembered.
const NAMES: usize = 128;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<SavedName>", into = "Vec<SavedName>")]
pub(super) struct Sequence {
    /// By what is before the number, and the number.
    names: BTreeMap<(Box<str>, u64), AskedName>,
}

/// One of the names, as it is saved.
type SavedName = (Box<str>, u64, AskedName);

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct AskedName {
    at: KernelTime,
    in_vain: bool,
}

/// The number of names in a row, and the time of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SequenceRun {
    pub(super) count: u32,
    pub(super) since: KernelTime,
}

impl From<Vec<SavedName>> for Sequence {
    fn from(saved: Vec<SavedName>) -> Self {
        Self { names: saved.into_iter().map(|(prefix, number, asked)| ((prefix, number), asked)).collect() }
    }
}

impl From<Sequence> for Vec<SavedName> {
    fn from(sequence: Sequence) -> Self {
        sequence.names.into_iter().map(|((prefix, number), asked)| (prefix, number, asked)).collect()
    }
}

impl Sequence {
    pub(super) fn ask(&mut self, account: &Account, at: KernelTime, in_vain: bool) {
        let Some(key) = numbered(account) else { return };
        let asked = self.names.entry(key).or_insert(AskedName { at, in_vain });
        *asked = AskedName { at: asked.at.max(at), in_vain: asked.in_vain || in_vain };
        if self.names.len() > NAMES {
            let oldest = self.names.iter().min_by_key(|(_, asked)| asked.at).map(|(key, _)| key.clone());
            oldest.map(|key| self.names.remove(&key));
        }
    }

    pub(super) fn knows(&self, account: &Account) -> bool {
        numbered(account).is_some_and(|key| self.names.contains_key(&key))
    }

    /// It was no guess.
    pub(super) fn forget(&mut self, account: &Account) {
        numbered(account).map(|key| self.names.remove(&key));
    }

    /// The one that the account is part of.
    pub(super) fn run(&self, account: &Account, now: KernelTime, within: Duration) -> SequenceRun {
        let mut run = SequenceRun { count: 0, since: now };
        let Some(key) = numbered(account) else { return run };
        let up = self.names.range(key.clone()..).zip(key.1..);
        let down = self.names.range(..key.clone()).rev().zip((0..key.1).rev());
        let is_next = |((name, asked), number): &((&(Box<str>, u64), &AskedName), u64)| {
            name.0 == key.0 && name.1 == *number && is_recent(asked.at, now, within)
        };
        for ((_, asked), _) in up.take_while(is_next).chain(down.take_while(is_next)) {
            run.count += u32::from(asked.in_vain);
            run.since = run.since.min(asked.at);
        }
        run
    }

    pub(super) fn longest(&self, now: KernelTime, within: Duration) -> u32 {
        let (mut longest, mut count, mut next) = (0, 0, None);
        for ((prefix, number), asked) in &self.names {
            if !is_recent(asked.at, now, within) {
                continue;
            }
            if next != Some((prefix, *number)) {
                count = 0;
            }
            count += u32::from(asked.in_vain);
            longest = longest.max(count);
            next = number.checked_add(1).map(|number| (prefix, number));
        }
        longest
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }
}

fn numbered(account: &Account) -> Option<(Box<str>, u64)> {
    let name = account.as_str();
    let start = name
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |last| last + name[last..].chars().next().map_or(0, char::len_utf8));
    Some((name[..start].into(), name[start..].parse().ok()?))
}
