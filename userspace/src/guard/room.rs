//! A map that forgets what carries the least when it is full.
//!
//! What is worth less goes first, and of equal worth what was touched longest ago.

use std::collections::{BTreeMap, BTreeSet};

pub(super) trait Keep: Default {
    /// How much room it takes. Nothing: it need not be kept.
    fn weight(&self) -> usize;
    fn worth(&self) -> u32;
    /// When it was touched.
    fn last(&self) -> u64;
}

#[derive(Debug)]
pub(super) struct Room<K, V> {
    entries: BTreeMap<K, V>,
    /// By worth and time.
    order: BTreeSet<(u32, u64, K)>,
    weight: usize,
    most: usize,
    forgotten: u64,
}

impl<K: Ord + Clone, V: Keep> Room<K, V> {
    pub(super) const fn new(most: usize) -> Self {
        Self { entries: BTreeMap::new(), order: BTreeSet::new(), weight: 0, most, forgotten: 0 }
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

    /// Changes what is there, or what a default would be.
    pub(super) fn change<T>(&mut self, key: &K, change: impl FnOnce(&mut V) -> T) -> T {
        let mut value = self.remove(key).unwrap_or_default();
        let result = change(&mut value);
        let weight = value.weight();
        if weight > 0 {
            self.weight += weight;
            self.order.insert((value.worth(), value.last(), key.clone()));
            self.entries.insert(key.clone(), value);
            self.make_room(key);
        }
        result
    }

    /// Changes what is there.
    pub(super) fn change_if_any<T>(&mut self, key: &K, change: impl FnOnce(&mut V) -> T) -> Option<T> {
        self.entries.contains_key(key).then(|| self.change(key, change))
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let value = self.entries.remove(key)?;
        self.weight -= value.weight();
        self.order.remove(&(value.worth(), value.last(), key.clone()));
        Some(value)
    }

    /// What there had been no room for.
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
impl<K, V> Room<K, V> {
    pub(super) const fn weight(&self) -> usize {
        self.weight
    }
}
