//! The two lists of sources: single addresses in a hash, prefixes in a trie.

use std::net::IpAddr;

use aya::maps::{HashMap, LpmTrie, MapData, MapError, lpm_trie::Key};
use ipnet::IpNet;
use xdp_prog::abi::{Address, SourceEntry, map};

use super::error::{Error, Result};
use crate::address::{from_key, from_prefix, to_key, to_prefix};

#[derive(Debug)]
pub struct Sources<'a>(pub(super) &'a mut HashMap<MapData, Address, SourceEntry>);

impl Sources<'_> {
    pub fn put(&mut self, address: IpAddr, entry: SourceEntry) -> Result<()> {
        self.0.insert(to_key(address), entry, 0).map_err(|error| write_error(map::SOURCES, &error))
    }

    /// Whether there was one to remove.
    pub fn remove(&mut self, address: IpAddr) -> Result<bool> {
        found(self.0.remove(&to_key(address))).map(|entry| entry.is_some())
    }

    pub fn get(&self, address: IpAddr) -> Result<Option<SourceEntry>> {
        found(self.0.get(&to_key(address), 0))
    }

    /// One after the other as the kernel has them; entries that come or go meanwhile may be missed.
    pub fn iter(&self) -> impl Iterator<Item = Result<(IpAddr, SourceEntry)>> + '_ {
        self.0.iter().map(|item| match item {
            Ok((key, entry)) => Ok((from_key(key), entry)),
            Err(error) => Err(Error::map("read the sources", &error)),
        })
    }
}

#[derive(Debug)]
pub struct Prefixes<'a>(pub(super) &'a mut LpmTrie<MapData, [u8; 16], SourceEntry>);

impl Prefixes<'_> {
    pub fn put(&mut self, net: IpNet, entry: SourceEntry) -> Result<()> {
        self.0.insert(&trie_key(net), entry, 0).map_err(|error| write_error(map::PREFIXES, &error))
    }

    /// Whether there was one to remove.
    pub fn remove(&mut self, net: IpNet) -> Result<bool> {
        found(self.0.remove(&trie_key(net))).map(|entry| entry.is_some())
    }

    pub fn iter(&self) -> impl Iterator<Item = Result<(IpNet, SourceEntry)>> + '_ {
        self.0.iter().filter_map(|item| match item {
            Ok((key, entry)) => {
                let length = u8::try_from(key.prefix_len()).ok()?;
                Some(Ok((from_prefix(key.data(), length)?, entry)))
            }
            Err(error) => Some(Err(Error::map("read the prefixes", &error))),
        })
    }
}

fn trie_key(net: IpNet) -> Key<[u8; 16]> {
    let (bytes, length) = to_prefix(net);
    Key::new(u32::from(length), bytes)
}

fn found<T>(result: Result<T, MapError>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(MapError::KeyNotFound) => Ok(None),
        Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(Error::map("look up a source", &error)),
    }
}

fn write_error(name: &'static str, error: &MapError) -> Error {
    match error {
        MapError::SyscallError(error)
            if matches!(error.io_error.raw_os_error(), Some(libc::E2BIG | libc::ENOSPC)) =>
        {
            Error::Full { map: name }
        }
        _ => Error::map(format!("write to the map {name}"), error),
    }
}
