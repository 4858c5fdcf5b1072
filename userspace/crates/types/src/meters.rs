//! Copies of the meters of sources and flows, word by word: the meters are atomic and cannot be copied as they are.

use xdp_prog::{
    abi::{Flows, KnownFlow, Meter, PrefixState, SourceState},
    word::Word,
};

pub const SOURCE_WORDS: usize = size_of::<SourceState>() / size_of::<u64>();
pub const PREFIX_WORDS: usize = size_of::<PrefixState>() / size_of::<u64>();
pub const FLOW_WORDS: usize = size_of::<KnownFlow>() / size_of::<u64>();

pub fn source_from_words(values: &[u64; SOURCE_WORDS]) -> SourceState {
    let state = SourceState::default();
    source_words(&state).zip(values).for_each(|(word, value)| word.set(*value));
    state
}

pub fn copy_source(from: &SourceState) -> SourceState {
    let state = SourceState::default();
    source_words(&state).zip(source_words(from)).for_each(|(to, from)| to.set(from.get()));
    state
}

pub fn prefix_from_words(values: &[u64; PREFIX_WORDS]) -> PrefixState {
    let state = PrefixState::default();
    prefix_words(&state).zip(values).for_each(|(word, value)| word.set(*value));
    state
}

pub fn copy_prefix(from: &PrefixState) -> PrefixState {
    let state = PrefixState::default();
    prefix_words(&state).zip(prefix_words(from)).for_each(|(to, from)| to.set(from.get()));
    state
}

pub fn flow_from_words(values: &[u64; FLOW_WORDS]) -> KnownFlow {
    let [expires, phones, meters @ ..] = values;
    let flow = KnownFlow { expires: *expires, phones: *phones, ..KnownFlow::default() };
    meter_words(&flow.meters).zip(meters).for_each(|(word, value)| word.set(*value));
    flow
}

pub fn copy_flow(from: &KnownFlow) -> KnownFlow {
    let flow = KnownFlow { expires: from.expires, phones: from.phones, ..KnownFlow::default() };
    meter_words(&flow.meters).zip(meter_words(&from.meters)).for_each(|(to, from)| to.set(from.get()));
    flow
}

/// In the order in which they lie in memory.
fn source_words(state: &SourceState) -> impl Iterator<Item = &Word> {
    let SourceState { meters, flows, sent } = state;
    meter_words(meters).chain(words_of_flows(flows)).chain([sent])
}

fn prefix_words(state: &PrefixState) -> impl Iterator<Item = &Word> {
    let PrefixState { newcomers, others, flows } = state;
    meter_words(newcomers).chain(meter_words(others)).chain(words_of_flows(flows))
}

fn words_of_flows(flows: &Flows) -> impl Iterator<Item = &Word> {
    [&flows.head].into_iter().chain(&flows.current).chain(&flows.previous)
}

fn meter_words(meters: &[Meter]) -> impl Iterator<Item = &Word> {
    meters.iter().flat_map(|meter| [&meter.empty_at, &meter.window])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_comes_from_its_place_in_memory() {
        let values = std::array::from_fn(|index| 1 << index);
        let state = copy_source(&source_from_words(&values));
        // SAFETY: a state is that many words, and any bytes are a `u64`.
        let memory = unsafe { (&raw const state).cast::<[u64; SOURCE_WORDS]>().read() };
        assert_eq!(memory, values);
        let values = std::array::from_fn(|index| index as u64 + 1);
        let state = copy_prefix(&prefix_from_words(&values));
        // SAFETY: as above.
        let memory = unsafe { (&raw const state).cast::<[u64; PREFIX_WORDS]>().read() };
        assert_eq!(memory, values);
        let values = std::array::from_fn(|index| 1 << index);
        let flow = copy_flow(&flow_from_words(&values));
        // SAFETY: as above.
        let memory = unsafe { (&raw const flow).cast::<[u64; FLOW_WORDS]>().read() };
        assert_eq!(memory, values);
    }
}
