//! A map that forgets what was not used for long, as the kernel's LRU maps do.

use std::{collections::HashMap, hash::Hash};

/// Two generations. What is used moves to the young one; when that is full, it becomes the old one, and what
/// is still in the old one is forgotten. At most `capacity` entries, and at least half of them the latest.
#[derive(Debug)]
pub(super) struct LruMap<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    generation: usize,
}

impl<K: Hash + Eq + Copy, V> LruMap<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), generation: (capacity / 2).max(1) }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<&V> {
        self.get_mut(key).map(|value| &*value)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        if let Some(value) = self.old.remove(key) {
            self.insert(*key, value);
        }
        self.young.get_mut(key)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.generation && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    pub(super) fn remove(&mut self, key: &K) {
        self.old.remove(key);
        self.young.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_what_is_not_makes_room() {
        let mut lru_map = LruMap::new(10);
        lru_map.insert(0, "used");
        lru_map.insert(1, "left alone");
        for key in 2..100 {
            lru_map.insert(key, "filler");
            assert_eq!(lru_map.get(&0), Some(&"used"));
            assert!(lru_map.young.len() + lru_map.old.len() <= 10);
        }
        assert_eq!(lru_map.get(&1), None);
        assert_eq!(lru_map.get(&98), Some(&"filler"));
    }

    #[test]
    fn a_removed_entry_is_gone_from_both_generations() {
        let mut lru_map = LruMap::new(4);
        for key in 0..3 {
            lru_map.insert(key, key);
        }
        (0..3).for_each(|key| lru_map.remove(&key));
        assert!((0..3).all(|key| lru_map.get(&key).is_none()));
    }

    #[test]
    fn a_value_that_is_replaced_does_not_come_back() {
        let mut lru_map = LruMap::new(4);
        for (key, value) in [(0, "first"), (1, ""), (2, ""), (0, "second"), (3, ""), (4, "")] {
            lru_map.insert(key, value);
        }
        assert!(matches!(lru_map.get(&0), None | Some(&"second")));
    }
}
