//! A map that forgets what was not used for long, as the kernel's LRU maps do.

use std::{collections::HashMap, hash::Hash};

/// Two generations. What is used moves to the young one; when that is full, it becomes the old one, and what
/// is still in the old one is forgotten. At most `capacity` entries, and at least half of them the latest.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    generation: usize,
}

impl<K: Hash + Eq + Copy, V> Recent<K, V> {
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
        let mut recent = Recent::new(10);
        recent.insert(0, "used");
        recent.insert(1, "left alone");
        for key in 2..100 {
            recent.insert(key, "filler");
            assert_eq!(recent.get(&0), Some(&"used"));
            assert!(recent.young.len() + recent.old.len() <= 10);
        }
        assert_eq!(recent.get(&1), None);
        assert_eq!(recent.get(&98), Some(&"filler"));
    }

    #[test]
    fn a_removed_entry_is_gone_from_both_generations() {
        let mut recent = Recent::new(4);
        for key in 0..3 {
            recent.insert(key, key);
        }
        (0..3).for_each(|key| recent.remove(&key));
        assert!((0..3).all(|key| recent.get(&key).is_none()));
    }

    #[test]
    fn a_value_that_is_replaced_does_not_come_back() {
        let mut recent = Recent::new(4);
        for (key, value) in [(0, "first"), (1, ""), (2, ""), (0, "second"), (3, ""), (4, "")] {
            recent.insert(key, value);
        }
        assert!(matches!(recent.get(&0), None | Some(&"second")));
    }
}
