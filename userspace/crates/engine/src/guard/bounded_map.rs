//! A map that forgets what carries the least when it is full.
//!
//! The entry of least worth goes first, and of equal worth the one that was touched longest ago.

use std::collections::{BTreeMap, BTreeSet};

use super::dirty_set::DirtySet;

pub(super) trait Evictable: Default {
    /// The room that it takes. Zero: it need not be kept.
    fn weight(&self) -> usize;
    fn worth(&self) -> u32;
    /// When it was touched.
    fn last(&self) -> KernelTime;
    /// Asked once after each change: whether the store has to know of it.
    fn take_dirty(&mut self) -> bool {
        true
    }
}
use sipward_types::time::KernelTime;

#[derive(Debug)]
pub(super) struct BoundedMap<K, V> {
    entries: BTreeMap<K, V>,
    /// By worth and time.
    order: BTreeSet<(u32, KernelTime, K)>,
    weight: usize,
    most: usize,
    forgotten: u64,
    /// Where it is saved.
    dirty: Option<DirtySet<K>>,
}

impl<K: Ord + Clone, V: Evictable> BoundedMap<K, V> {
    pub(super) const fn new(most: usize) -> Self {
        Self { entries: BTreeMap::new(), order: BTreeSet::new(), weight: 0, most, forgotten: 0, dirty: None }
    }

    /// One that outlives a restart, as far as somebody [saves](Self::unsaved) it.
    pub(super) fn saved(most: usize) -> Self {
        Self { dirty: Some(DirtySet::default()), ..Self::new(most) }
    }

    pub(super) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.entries.get(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter()
    }

    pub(super) fn starting_at(&self, first: K) -> impl Iterator<Item = (&K, &V)> {
        self.entries.range(first..)
    }

    /// Changes what is there, or what a default would be.
    pub(super) fn change<T>(&mut self, key: &K, change: impl FnOnce(&mut V) -> T) -> T {
        let mut value = self.take(key).unwrap_or_default();
        let result = change(&mut value);
        let is_dirty = value.take_dirty();
        if !self.put(key, value) {
            self.dirty.iter_mut().for_each(|dirty| dirty.removed(key));
        } else if is_dirty {
            self.dirty.iter_mut().for_each(|dirty| dirty.changed(key));
        }
        result
    }

    /// Takes over the store's entry, unless there is a newer one.
    pub(super) fn restore(&mut self, key: &K, value: V) {
        self.dirty.iter_mut().for_each(|dirty| dirty.is_stored(key));
        if self.entries.contains_key(key) {
            self.dirty.iter_mut().for_each(|dirty| dirty.changed(key));
        } else if !self.put(key, value) {
            self.dirty.iter_mut().for_each(|dirty| dirty.removed(key));
        }
    }

    /// True if it is worth to be kept.
    fn put(&mut self, key: &K, value: V) -> bool {
        let weight = value.weight();
        if weight > 0 {
            self.weight += weight;
            self.order.insert((value.worth(), value.last(), key.clone()));
            self.entries.insert(key.clone(), value);
            self.make_room(key);
        }
        weight > 0
    }

    /// Entries that the store does not have as they are, `None` where one is no more: of about so much weight, which
    /// is taken off. From now on it passes for saved.
    pub(super) fn unsaved<T>(
        &mut self,
        most: &mut usize,
        mut say: impl FnMut(&K, Option<&V>) -> T,
    ) -> Vec<T> {
        let mut said = Vec::new();
        let Some(dirty) = &mut self.dirty else { return said };
        while *most > 0
            && let Some(key) = dirty.next()
        {
            let value = self.entries.get(&key);
            match value {
                Some(_) => dirty.is_stored(&key),
                None => dirty.is_not_stored(&key),
            }
            *most = most.saturating_sub(value.map_or(1, Evictable::weight));
            said.push(say(&key, value));
        }
        said
    }

    /// The store has nothing of it.
    pub(super) fn save_again(&mut self) {
        self.dirty.iter_mut().for_each(|dirty| dirty.begin_again(self.entries.keys()));
    }

    /// Changes what is there.
    pub(super) fn change_if_any<T>(&mut self, key: &K, change: impl FnOnce(&mut V) -> T) -> Option<T> {
        self.entries.contains_key(key).then(|| self.change(key, change))
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.dirty.iter_mut().for_each(|dirty| dirty.removed(key));
        self.take(key)
    }

    fn take(&mut self, key: &K) -> Option<V> {
        let value = self.entries.remove(key)?;
        self.weight -= value.weight();
        self.order.remove(&(value.worth(), value.last(), key.clone()));
        Some(value)
    }

    /// The number of entries that were forgotten to make room.
    pub(super) const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn make_room(&mut self, newest: &K) {
        while self.weight > self.most {
            let Some((_, _, least)) = self.order.iter().find(|(_, _, key)| key != newest) else { return };
            let least = least.clone();
            self.remove(&least);
            self.forgotten += 1;
        }
    }
}

#[cfg(test)]
impl<K, V> BoundedMap<K, V> {
    pub(super) const fn weight(&self) -> usize {
        self.weight
    }
}
