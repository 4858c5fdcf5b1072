//! An ordered map for a million small entries: sorted runs of limited length, in order.
//!
//! A run is one allocation without pointers or gaps, so that an entry takes little more than its own size; a hash map
//! would need twice its room while it grows, and a tree of the standard library has a third more for its nodes.

use std::mem;

/// Entries in a run: more make insertion slower, fewer make more allocations.
const RUN: usize = 512;

#[derive(Clone, Debug)]
pub(super) struct SortedRuns<K, V> {
    /// None is empty.
    runs: Vec<Vec<(K, V)>>,
    len: usize,
}

impl<K, V> Default for SortedRuns<K, V> {
    fn default() -> Self {
        Self { runs: Vec::new(), len: 0 }
    }
}

impl<K: Copy + Ord, V: Copy> SortedRuns<K, V> {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, key: K) -> Option<V> {
        let run = &self.runs[self.run_of(key)?];
        let index = run.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        Some(run[index].1)
    }

    /// The value that was there before.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let Some(at) = self.run_of(key) else {
            match self.runs.first_mut().filter(|run| run.len() < RUN) {
                Some(first) => first.insert(0, (key, value)),
                None => self.runs.insert(0, vec![(key, value)]),
            }
            self.len += 1;
            return None;
        };
        let is_last = at + 1 == self.runs.len();
        let run = &mut self.runs[at];
        let index = match run.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(index) => return Some(mem::replace(&mut run[index].1, value)),
            Err(index) => index,
        };
        self.len += 1;
        if run.len() < RUN {
            run.insert(index, (key, value));
        } else if index == RUN && is_last {
            // Entries that come in order fill each run.
            self.runs.push(vec![(key, value)]);
        } else {
            let mut second = run.split_off(RUN / 2);
            if index <= RUN / 2 {
                run.insert(index, (key, value));
            } else {
                second.insert(index - RUN / 2, (key, value));
            }
            self.runs.insert(at + 1, second);
        }
        None
    }

    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        let at = self.run_of(key)?;
        let run = &mut self.runs[at];
        let index = run.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        let (_, value) = run.remove(index);
        self.len -= 1;
        if run.is_empty() {
            self.runs.remove(at);
        } else {
            give_back(run);
        }
        Some(value)
    }

    pub(super) fn retain(&mut self, mut stays: impl FnMut(V) -> bool) {
        for run in &mut self.runs {
            run.retain(|(_, value)| stays(*value));
            give_back(run);
        }
        self.runs.retain(|run| !run.is_empty());
        self.len = self.runs.iter().map(Vec::len).sum();
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.runs.iter_mut().flatten().map(|(_, value)| value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (K, V)> + '_ {
        self.runs.iter().flatten().copied()
    }

    /// From the first to the last, both included.
    pub(super) fn range(&self, first: K, last: K) -> impl Iterator<Item = (K, V)> + '_ {
        let runs = &self.runs[self.run_of(first).unwrap_or(0)..];
        let skipped = runs.first().map_or(0, |run| run.partition_point(|(key, _)| *key < first));
        runs.iter().flatten().skip(skipped).copied().take_while(move |(key, _)| *key <= last)
    }

    /// The beginnings of the runs among all entries: see [`Self::rank`].
    pub(super) fn starts(&self) -> Vec<usize> {
        let start = |next: &mut usize, run: &Vec<_>| {
            let start = *next;
            *next += run.len();
            Some(start)
        };
        self.runs.iter().scan(0, start).collect()
    }

    /// The position of the key among all, by the starts of the runs.
    pub(super) fn rank(&self, key: K, starts: &[usize]) -> Option<usize> {
        let at = self.run_of(key)?;
        let index = self.runs[at].binary_search_by_key(&key, |(key, _)| *key).ok()?;
        Some(starts[at] + index)
    }

    /// The run that has the key, if any has.
    fn run_of(&self, key: K) -> Option<usize> {
        self.runs.partition_point(|run| run[0].0 <= key).checked_sub(1)
    }
}

/// The room of many that went.
fn give_back<T>(run: &mut Vec<T>) {
    if run.len() * 4 < run.capacity() {
        run.shrink_to(run.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Insert(u16, u8),
        Remove(u16),
        Retain(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            2_000 => (0..4_000_u16, any::<u8>()).prop_map(|(key, value)| Step::Insert(key, value)),
            600 => (0..4_000_u16).prop_map(Step::Remove),
            1 => any::<u8>().prop_map(Step::Retain),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_is_an_ordered_map(steps in prop::collection::vec(step(), 0..6_000), first: u16, last: u16) {
            let (mut runs, mut model) = (SortedRuns::default(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Insert(key, value) => prop_assert_eq!(runs.insert(key, value), model.insert(key, value)),
                    Step::Remove(key) => prop_assert_eq!(runs.remove(key), model.remove(&key)),
                    Step::Retain(least) => {
                        runs.retain(|value| value >= least);
                        model.retain(|_, value| *value >= least);
                    }
                }
                prop_assert_eq!(runs.len(), model.len());
            }
            prop_assert!(runs.runs.iter().all(|run| (1..=RUN).contains(&run.len())));
            prop_assert!(runs.iter().eq(model.iter().map(|(key, value)| (*key, *value))));
            for key in 0..4_000 {
                prop_assert_eq!(runs.get(key), model.get(&key).copied());
            }
            let starts = runs.starts();
            for (rank, (key, _)) in model.iter().enumerate() {
                prop_assert_eq!(runs.rank(*key, &starts), Some(rank));
            }
            let (first, last) = (first.min(last) % 4_000, first.max(last) % 4_000);
            let between = model.iter().filter(|(key, _)| (first..=last).contains(key));
            prop_assert!(runs.range(first, last).eq(between.map(|(key, value)| (*key, *value))));
        }
    }

    #[test]
    fn what_comes_in_order_leaves_no_gaps() {
        let mut runs = SortedRuns::default();
        for key in 0..10 * RUN {
            runs.insert(key, ());
        }
        assert_eq!(runs.runs.len(), 10);
    }
}
