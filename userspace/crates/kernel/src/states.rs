//! The recent traffic of each source, and of each prefix around sources.

use std::net::IpAddr;

use aya::maps::{HashMap, MapData};
use xdp_prog::abi::{Address, PrefixState, SourceState};

use super::{error::Result, hash::found, pod::Pod};
use sipward_types::{
    address::to_key,
    meters::{PREFIX_WORDS, SOURCE_WORDS, prefix_from_words, source_from_words},
};

pub(super) type StateMap<'a, const WORDS: usize> = HashMap<&'a MapData, Pod<Address>, [u64; WORDS]>;

/// The meters as they stand: looking at them does not count as use, and keeps none from being forgotten.
#[derive(Debug)]
pub struct States<'a> {
    pub(super) sources: StateMap<'a, SOURCE_WORDS>,
    pub(super) prefixes: StateMap<'a, PREFIX_WORDS>,
}

impl States<'_> {
    /// Of the source that the address belongs to; `None`: it has not sent anything, or not for long.
    pub fn source(&self, address: IpAddr) -> Result<Option<SourceState>> {
        let words = found(self.sources.get(&Pod(to_key(address).source()), 0))?;
        Ok(words.map(|words| source_from_words(&words)))
    }

    /// Of its neighbourhood.
    pub fn prefix(&self, address: IpAddr) -> Result<Option<PrefixState>> {
        let words = found(self.prefixes.get(&Pod(to_key(address).limit_prefix()), 0))?;
        Ok(words.map(|words| prefix_from_words(&words)))
    }
}
