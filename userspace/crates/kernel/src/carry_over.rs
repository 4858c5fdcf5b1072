//! The entries of one filter's maps, copied into those of another that takes its place.

use xdp_prog::abi::{
    Address, AddressHash, FlowKey, Plain, Refunds, SourceEntry, Suspension, SuspensionKey, map,
};

use super::{
    error::{Error, Result},
    hash::Hash,
    layout::{DECLARED, Declared, PrefixKey},
    maps::Maps,
    tables::Tables,
};
use sipward_types::meters::FLOW_WORDS;

impl Tables {
    /// Copies the lists with their marks, the suspensions, the known flows, and the accounts that have worked into these
    /// maps, which are new. The rules and the names of the signatures come from the configuration, and counters and rates
    /// begin anew.
    pub fn carry_over(&mut self, from: &mut Self) -> Result<()> {
        copy::<Address, SourceEntry>(from, self, map::SOURCES)?;
        copy::<PrefixKey, Declared>(from, self, DECLARED)?;
        let prefixes = from.prefixes()?.iter().collect::<Result<Vec<_>>>()?;
        let mut trie = self.prefixes()?;
        prefixes.into_iter().try_for_each(|(net, entry)| trie.put(net, entry))?;
        copy::<SuspensionKey, Suspension>(from, self, map::SUSPENDED)?;
        copy::<FlowKey, [u64; FLOW_WORDS]>(from, self, map::KNOWN_FLOWS)?;
        copy::<AddressHash, u64>(from, self, map::WORKED)?;
        copy::<Address, Refunds>(from, self, map::REFUNDS)?;
        self.suspensions()?.recount()
    }
}

fn copy<K: Plain, V: Plain>(from: &mut Tables, to: &mut Tables, name: &'static str) -> Result<()> {
    let entries = of::<K, V>(&mut from.maps, name)?.iter().collect::<Result<Vec<_>>>()?;
    of::<K, V>(&mut to.maps, name)?.put_all(entries)
}

fn of<'a, K: Plain, V: Plain>(maps: &'a mut Maps, name: &'static str) -> Result<Hash<'a, K, V>> {
    let missing = || Error::failed(format!("use the map {name}"), "it is not there");
    Hash::new(maps.get_mut(name).ok_or_else(missing)?, name)
}
