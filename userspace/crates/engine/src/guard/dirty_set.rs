//! The keys of a map whose entries are not in the store as they are.

use std::{collections::BTreeSet, ops::Bound};

#[derive(Debug)]
pub(super) struct DirtySet<K> {
    /// Not as the store has it; also what is no more and is still there.
    changed: BTreeSet<K>,
    stored: BTreeSet<K>,
    /// The one that was handed out last: the others have their turn before it.
    last: Option<K>,
}

impl<K> Default for DirtySet<K> {
    fn default() -> Self {
        Self { changed: BTreeSet::new(), stored: BTreeSet::new(), last: None }
    }
}

impl<K: Ord + Clone> DirtySet<K> {
    pub(super) fn changed(&mut self, key: &K) {
        self.changed.insert(key.clone());
    }

    pub(super) fn removed(&mut self, key: &K) {
        if self.stored.contains(key) {
            self.changed.insert(key.clone());
        } else {
            self.changed.remove(key);
        }
    }

    /// The store has it.
    pub(super) fn is_stored(&mut self, key: &K) {
        self.stored.insert(key.clone());
        self.changed.remove(key);
    }

    pub(super) fn is_not_stored(&mut self, key: &K) {
        self.stored.remove(key);
        self.changed.remove(key);
    }

    /// The one whose turn it is.
    pub(super) fn next(&mut self) -> Option<K> {
        let after = self.last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.changed.range((after, Bound::Unbounded)).next();
        self.last = next.or_else(|| self.changed.first()).cloned();
        self.last.clone()
    }

    /// The store has nothing.
    pub(super) fn begin_again<'a>(&mut self, all: impl Iterator<Item = &'a K>)
    where
        K: 'a,
    {
        self.stored.clear();
        self.changed = all.cloned().collect();
    }
}
