//! How much each source, and each neighbourhood, has sent lately.

use std::net::IpAddr;

use aya::maps::{HashMap, MapData};
use xdp_prog::abi::{Address, SourceState};

use super::{error::Result, hash::found};
use crate::{
    address::to_key,
    meters::{SOURCE_WORDS, source_from_words},
};

pub(super) type StateMap<'a> = HashMap<&'a MapData, Address, [u64; SOURCE_WORDS]>;

/// The meters as they stand: looking at them does not count as use, and keeps none from being forgotten.
#[derive(Debug)]
pub struct States<'a> {
    pub(super) sources: StateMap<'a>,
    pub(super) prefixes: StateMap<'a>,
}

impl States<'_> {
    /// Of the source that the address belongs to; `None`: it has not sent anything, or not for long.
    pub fn source(&self, address: IpAddr) -> Result<Option<SourceState>> {
        get(&self.sources, to_key(address).source())
    }

    /// Of its neighbourhood.
    pub fn prefix(&self, address: IpAddr) -> Result<Option<SourceState>> {
        get(&self.prefixes, to_key(address).neighbourhood())
    }
}

fn get(map: &StateMap<'_>, key: Address) -> Result<Option<SourceState>> {
    Ok(found(map.get(&key, 0))?.map(|words| source_from_words(&words)))
}
