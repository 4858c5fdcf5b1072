//! Two bounded maps: one for what concerns acquaintances, one for everybody else.
//!
//! Strangers can push each other out, but no acquaintance. One acquaintance has a sixteenth of its shelf at most; what it
//! has beyond that stands with the strangers.

use std::{collections::HashMap, hash::Hash};

use super::{acquaintances::Neighbourhood, recent::Recent};

const SHARES: usize = 16;

#[derive(Debug)]
pub(super) struct Shelves<K, V> {
    acquaintances: Recent<K, (Neighbourhood, V)>,
    shares: HashMap<Neighbourhood, usize>,
    share: usize,
    strangers: Recent<K, V>,
}

impl<K: Copy + Eq + Hash, V> Shelves<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            acquaintances: Recent::new(capacity),
            shares: HashMap::new(),
            share: (capacity / SHARES).max(1),
            strangers: Recent::new(capacity),
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.acquaintances.get(key).map(|(_, value)| value).or_else(|| self.strangers.get(key))
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        match self.acquaintances.get_mut(key) {
            Some((_, value)) => Some(value),
            None => self.strangers.get_mut(key),
        }
    }

    /// `whose`: an acquaintance's. True: something else had to make room.
    pub(super) fn insert(&mut self, key: K, value: V, whose: Option<Neighbourhood>) -> bool {
        self.remove(&key);
        let Some(whose) = whose.filter(|whose| self.shares.get(whose).is_none_or(|has| *has < self.share))
        else {
            return self.strangers.insert(key, value).is_some();
        };
        *self.shares.entry(whose).or_default() += 1;
        let forgotten = self.acquaintances.insert(key, (whose, value));
        if let Some((_, (whose, _))) = &forgotten {
            self.return_share(*whose);
        }
        forgotten.is_some()
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let Some((whose, value)) = self.acquaintances.remove(key) else {
            return self.strangers.remove(key);
        };
        self.return_share(whose);
        Some(value)
    }

    /// Removes the oldest if it is like that: of the one shelf or of the other.
    pub(super) fn pop_if(&mut self, is_over: impl Fn(&V) -> bool) -> Option<(K, V)> {
        if self.acquaintances.oldest().is_some_and(|(_, (_, value))| is_over(value)) {
            let (key, (whose, value)) = self.acquaintances.pop()?;
            self.return_share(whose);
            return Some((key, value));
        }
        if self.strangers.oldest().is_some_and(|(_, value)| is_over(value)) {
            return self.strangers.pop();
        }
        None
    }

    fn return_share(&mut self, whose: Neighbourhood) {
        if let Some(has) = self.shares.get_mut(&whose) {
            *has -= 1;
            if *has == 0 {
                self.shares.remove(&whose);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_push_out_strangers_only() {
        let [office, other] = ["192.0.2.1", "192.0.2.2"].map(|ip| Neighbourhood::of(ip.parse().unwrap()));
        let mut shelves = Shelves::new(32);
        assert!(!shelves.insert(1, "office", Some(office)));
        assert!(!shelves.insert(2, "office", Some(office)));
        assert!(!shelves.insert(3, "beyond its share", Some(office)));
        assert!(!shelves.insert(4, "other", Some(other)));
        let forgot = (100..1_000).filter(|key| shelves.insert(*key, "stranger", None)).count();
        assert_eq!(forgot, 900 - 31);
        assert_eq!(shelves.get(&1), Some(&"office"));
        assert_eq!(shelves.get(&4), Some(&"other"));
        assert_eq!(shelves.get(&3), None);
        // What goes makes room for the next.
        assert_eq!(shelves.remove(&2), Some("office"));
        shelves.insert(5, "office", Some(office));
        (1_000..2_000).for_each(|key| assert!(shelves.insert(key, "stranger", None)));
        assert_eq!(shelves.get(&5), Some(&"office"));
    }

    #[test]
    fn shares_come_back_however_their_holders_go() {
        let mut shelves = Shelves::new(16);
        let of = |n: u8| Neighbourhood::of([192, 0, 2, n].into());
        (0..100).for_each(|n| {
            shelves.insert(n, n, Some(of(n)));
        });
        assert_eq!(shelves.shares.len(), 16);
        while shelves.pop_if(|_| true).is_some() {}
        assert!(shelves.shares.is_empty());
    }
}
