//! What a source has sent lately, word by word: its meters are atomic, so that they cannot be copied as they are.

use xdp_prog::{abi::SourceState, word::Word};

pub(crate) const WORDS: usize = size_of::<SourceState>() / size_of::<u64>();

pub(crate) fn from_words(values: &[u64; WORDS]) -> SourceState {
    let state = SourceState::default();
    words(&state).zip(values).for_each(|(word, value)| word.set(*value));
    state
}

pub(crate) fn copy(from: &SourceState) -> SourceState {
    let state = SourceState::default();
    words(&state).zip(words(from)).for_each(|(to, from)| to.set(from.get()));
    state
}

/// In the order in which they lie in memory.
fn words(state: &SourceState) -> impl Iterator<Item = &Word> {
    let SourceState { meters, flows } = state;
    let meters = meters.iter().flat_map(|meter| [&meter.empty_at, &meter.window]);
    meters.chain([&flows.head]).chain(&flows.current).chain(&flows.previous)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_comes_from_its_place_in_memory() {
        let values = std::array::from_fn(|index| 1 << index);
        let state = copy(&from_words(&values));
        // SAFETY: a state is that many words, and any bytes are a `u64`.
        let memory = unsafe { (&raw const state).cast::<[u64; WORDS]>().read() };
        assert_eq!(memory, values);
    }
}
