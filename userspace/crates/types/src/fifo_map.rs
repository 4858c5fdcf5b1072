//! A map of bounded size: the oldest goes first.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

#[derive(Debug)]
pub struct FifoMap<K, V> {
    entries: HashMap<K, (u64, V)>,
    /// Oldest first. What was removed or renewed has left a place here that is skipped: its number is not the entry's.
    order: VecDeque<(u64, K)>,
    next: u64,
    capacity: usize,
}

impl<K: Clone + Eq + Hash, V> FifoMap<K, V> {
    pub fn new(capacity: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), next: 0, capacity: capacity.max(1) }
    }

    pub fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    /// As the newest, whether it is new or not. What has to make room for it is returned.
    pub fn insert(&mut self, key: K, value: V) -> Option<(K, V)> {
        let number = self.number(key.clone());
        self.entries.insert(key, (number, value));
        if self.entries.len() > self.capacity { self.pop() } else { None }
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.entries.remove(key).map(|(_, value)| value)
    }

    /// Makes it the newest.
    pub fn renew(&mut self, key: &K) -> Option<&mut V> {
        if !self.entries.contains_key(key) {
            return None;
        }
        let number = self.number(key.clone());
        let (place, value) = self.entries.get_mut(key)?;
        *place = number;
        Some(value)
    }

    pub fn oldest(&mut self) -> Option<(&K, &V)> {
        self.skip();
        let (_, key) = self.order.front()?;
        let (_, value) = self.entries.get(key)?;
        Some((key, value))
    }

    /// Removes the oldest.
    pub fn pop(&mut self) -> Option<(K, V)> {
        self.skip();
        let (_, key) = self.order.pop_front()?;
        let (_, value) = self.entries.remove(&key)?;
        Some((key, value))
    }

    fn number(&mut self, key: K) -> u64 {
        if self.order.len() > 2 * self.entries.len() + 64 {
            let entries = &self.entries;
            self.order.retain(|(number, key)| entries.get(key).is_some_and(|(place, _)| place == number));
        }
        self.next += 1;
        self.order.push_back((self.next, key));
        self.next
    }

    fn skip(&mut self) {
        while let Some((number, key)) = self.order.front()
            && self.entries.get(key).is_none_or(|(place, _)| place != number)
        {
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u8),
        Remove(u8),
        Renew(u8),
        Pop,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..12_u8).prop_map(Step::Insert),
            2 => (0..12_u8).prop_map(Step::Remove),
            2 => (0..12_u8).prop_map(Step::Renew),
            1 => Just(Step::Pop),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_list_with_the_oldest_first(steps in prop::collection::vec(step(), 0..400)) {
            let mut fifo_map = FifoMap::new(5);
            let mut list: Vec<(u8, usize)> = Vec::new();
            for (value, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Insert(key) => {
                        list.retain(|(other, _)| *other != key);
                        list.push((key, value));
                        let forgotten = (list.len() > 5).then(|| list.remove(0));
                        prop_assert_eq!(fifo_map.insert(key, value), forgotten);
                    }
                    Step::Remove(key) => {
                        let place = list.iter().position(|(other, _)| *other == key);
                        prop_assert_eq!(fifo_map.remove(&key), place.map(|place| list.remove(place).1));
                    }
                    Step::Renew(key) => {
                        let place = list.iter().position(|(other, _)| *other == key);
                        if let Some(entry) = place.map(|place| list.remove(place)) {
                            list.push(entry);
                        }
                        prop_assert_eq!(fifo_map.renew(&key).is_some(), place.is_some());
                    }
                    Step::Pop => {
                        let oldest = (!list.is_empty()).then(|| list.remove(0));
                        prop_assert_eq!(fifo_map.pop(), oldest);
                    }
                }
                prop_assert_eq!(fifo_map.oldest().map(|(key, value)| (*key, *value)), list.first().copied());
                prop_assert_eq!(fifo_map.entries.len(), list.len());
                prop_assert!(fifo_map.order.len() <= 2 * 5 + 66, "{}", fifo_map.order.len());
            }
        }
    }
}
