//! Two bounded maps: one for verified sources, one for everybody else.
//!
//! Strangers can push each other out, but no verified source. One of these has a sixteenth of its tier at most; what it
//! has beyond that stands with the strangers.

use std::{collections::HashMap, hash::Hash};

use super::verified_sources::VerifiedNet;
use sipward_types::fifo_map::FifoMap;

const SHARES: usize = 16;

#[derive(Debug)]
pub(super) struct TwoTierMap<K, V> {
    verified_sources: FifoMap<K, (VerifiedNet, V)>,
    shares: HashMap<VerifiedNet, usize>,
    share: usize,
    strangers: FifoMap<K, V>,
}

impl<K: Copy + Eq + Hash, V> TwoTierMap<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            verified_sources: FifoMap::new(capacity),
            shares: HashMap::new(),
            share: (capacity / SHARES).max(1),
            strangers: FifoMap::new(capacity),
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.verified_sources.get(key).map(|(_, value)| value).or_else(|| self.strangers.get(key))
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        match self.verified_sources.get_mut(key) {
            Some((_, value)) => Some(value),
            None => self.strangers.get_mut(key),
        }
    }

    /// `whose`: a verified source's. True: something else had to make room.
    pub(super) fn insert(&mut self, key: K, value: V, whose: Option<VerifiedNet>) -> bool {
        self.remove(&key);
        let Some(whose) = whose.filter(|whose| self.shares.get(whose).is_none_or(|has| *has < self.share))
        else {
            return self.strangers.insert(key, value).is_some();
        };
        *self.shares.entry(whose).or_default() += 1;
        let forgotten = self.verified_sources.insert(key, (whose, value));
        if let Some((_, (whose, _))) = &forgotten {
            self.return_share(*whose);
        }
        forgotten.is_some()
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let Some((whose, value)) = self.verified_sources.remove(key) else {
            return self.strangers.remove(key);
        };
        self.return_share(whose);
        Some(value)
    }

    /// Removes the oldest if it is like that: of the one tier or of the other.
    pub(super) fn pop_if(&mut self, is_over: impl Fn(&V) -> bool) -> Option<(K, V)> {
        if self.verified_sources.oldest().is_some_and(|(_, (_, value))| is_over(value)) {
            let (key, (whose, value)) = self.verified_sources.pop()?;
            self.return_share(whose);
            return Some((key, value));
        }
        if self.strangers.oldest().is_some_and(|(_, value)| is_over(value)) {
            return self.strangers.pop();
        }
        None
    }

    fn return_share(&mut self, whose: VerifiedNet) {
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
        let [office, other] = ["192.0.2.1", "192.0.2.2"].map(|ip| VerifiedNet::of(ip.parse().unwrap()));
        let mut map = TwoTierMap::new(32);
        assert!(!map.insert(1, "office", Some(office)));
        assert!(!map.insert(2, "office", Some(office)));
        assert!(!map.insert(3, "beyond its share", Some(office)));
        assert!(!map.insert(4, "other", Some(other)));
        let forgot = (100..1_000).filter(|key| map.insert(*key, "stranger", None)).count();
        assert_eq!(forgot, 900 - 31);
        assert_eq!(map.get(&1), Some(&"office"));
        assert_eq!(map.get(&4), Some(&"other"));
        assert_eq!(map.get(&3), None);
        // An entry that goes makes room for the next.
        assert_eq!(map.remove(&2), Some("office"));
        map.insert(5, "office", Some(office));
        (1_000..2_000).for_each(|key| assert!(map.insert(key, "stranger", None)));
        assert_eq!(map.get(&5), Some(&"office"));
    }

    #[test]
    fn shares_come_back_however_their_holders_go() {
        let mut map = TwoTierMap::new(16);
        let of = |n: u8| VerifiedNet::of([192, 0, 2, n].into());
        (0..100).for_each(|n| {
            map.insert(n, n, Some(of(n)));
        });
        assert_eq!(map.shares.len(), 16);
        while map.pop_if(|_| true).is_some() {}
        assert!(map.shares.is_empty());
    }
}
