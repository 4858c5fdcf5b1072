//! The lists of sources: single addresses in a hash, prefixes in a trie, and what was said about both.

use std::net::IpAddr;

use aya::maps::{LpmTrie, Map, MapData, lpm_trie::Key};
use ipnet::IpNet;
use xdp_prog::abi::{Address, SourceEntry, kind, map};

use super::{
    error::{Error, Result},
    hash::{Batch, Hash, found, write_error},
    layout::{DECLARED, Declared, PrefixKey},
    pod::Pod,
    sys::Bucket,
};
use crate::clock;
use sipward_types::{
    address::{from_key, from_prefix, to_key, to_prefix},
    list_entry::{ListEntry, ListKind, Origin},
    time::KernelTime,
};

#[derive(Debug)]
pub struct Sources<'a>(Hash<'a, Address, SourceEntry>);

impl<'a> Sources<'a> {
    pub(super) fn new(map: &'a mut Map) -> Result<Self> {
        Hash::new(map, map::SOURCES).map(Self)
    }

    pub fn put(&mut self, address: IpAddr, entry: SourceEntry) -> Result<()> {
        self.0.put(to_key(address), entry)
    }

    /// Many at once, which is faster than one by one. On an error, some are written.
    pub fn put_all(&mut self, entries: impl IntoIterator<Item = (IpAddr, SourceEntry)>) -> Result<()> {
        self.0.put_all(entries.into_iter().map(|(address, entry)| (to_key(address), entry)))
    }

    /// True if there was one to remove.
    pub fn remove(&mut self, address: IpAddr) -> Result<bool> {
        self.0.remove(&to_key(address))
    }

    pub fn get(&self, address: IpAddr) -> Result<Option<SourceEntry>> {
        self.0.get(&to_key(address))
    }

    /// Makes a source known, with so many phones' budget. Not one that is trusted or banned, which says more: false.
    pub fn put_known(&mut self, address: IpAddr, phones: u32, until: KernelTime) -> Result<bool> {
        let may = self
            .get(address)?
            .is_none_or(|entry| entry.kind == kind::KNOWN || entry.expires <= clock::now().as_nanos());
        if may {
            self.put(address, SourceEntry::known(phones, until.as_nanos()))?;
        }
        Ok(may)
    }

    /// True if it was known.
    pub fn remove_known(&mut self, address: IpAddr) -> Result<bool> {
        let known = self.get(address)?.is_some_and(|entry| entry.kind == kind::KNOWN);
        Ok(known && self.remove(address)?)
    }

    /// The known sources with their phones, and until when; those that have expired too.
    pub fn iter_known(&self) -> impl Iterator<Item = Result<(IpAddr, u32, KernelTime)>> + '_ {
        self.iter().filter_map(|item| match item {
            Ok((address, entry)) => {
                let until = KernelTime::from_nanos(entry.expires);
                (entry.kind == kind::KNOWN).then_some(Ok((address, entry.phones(), until)))
            }
            Err(error) => Some(Err(error)),
        })
    }

    /// All, as the kernel has them. Entries that come or go meanwhile may be missed.
    pub fn iter(&self) -> impl Iterator<Item = Result<(IpAddr, SourceEntry)>> + '_ {
        self.0.iter().map(|item| item.map(|(key, entry)| (from_key(key), entry)))
    }

    /// Some of them: from there, or from the beginning.
    pub fn batch(&self, from: Option<Bucket>) -> Result<Batch<(IpAddr, SourceEntry)>> {
        let Batch { entries, next } = self.0.batch(from)?;
        Ok(Batch { entries: entries.into_iter().map(|(key, entry)| (from_key(key), entry)).collect(), next })
    }
}

#[derive(Debug)]
pub struct Prefixes<'a>(pub(super) LpmTrie<&'a mut MapData, [u8; 16], Pod<SourceEntry>>);

impl Prefixes<'_> {
    pub fn put(&mut self, net: IpNet, entry: SourceEntry) -> Result<()> {
        self.0.insert(&trie_key(net), Pod(entry), 0).map_err(|error| write_error(map::PREFIXES, &error))
    }

    /// True if there was one to remove.
    pub fn remove(&mut self, net: IpNet) -> Result<bool> {
        found(self.0.remove(&trie_key(net))).map(|entry| entry.is_some())
    }

    /// The entry of the longest prefix that holds the address.
    pub fn longest(&self, address: IpAddr) -> Result<Option<SourceEntry>> {
        Ok(found(self.0.get(&trie_key(address.into()), 0))?.map(|Pod(entry)| entry))
    }

    pub fn iter(&self) -> impl Iterator<Item = Result<(IpNet, SourceEntry)>> + '_ {
        self.0.iter().filter_map(|item| match item {
            Ok((key, Pod(entry))) => Some(Ok((net_of(key.data(), key.prefix_len())?, entry))),
            Err(error) => Some(Err(Error::map("read the prefixes", &error))),
        })
    }
}

/// The list entries of prefixes.
#[derive(Debug)]
pub struct Declarations<'a>(Hash<'a, PrefixKey, Declared>);

impl<'a> Declarations<'a> {
    pub(super) fn new(map: &'a mut Map) -> Result<Self> {
        Hash::new(map, DECLARED).map(Self)
    }

    /// No entry: that there was one is not forgotten, as the flags say why.
    pub fn put(&mut self, net: IpNet, list_entry: Option<ListEntry>, flags: u32) -> Result<()> {
        let kind = match list_entry.map(|list_entry| list_entry.kind) {
            Some(ListKind::Trusted) => kind::TRUSTED,
            Some(ListKind::Banned) => kind::BANNED,
            None => 0,
        };
        let until = list_entry.map_or(KernelTime::FOREVER, |list_entry| list_entry.until);
        let declared = Declared { until: until.as_nanos(), kind, flags };
        self.0.put(prefix_key(net), declared)
    }

    pub fn remove(&mut self, net: IpNet) -> Result<bool> {
        self.0.remove(&prefix_key(net))
    }

    pub fn iter(&self) -> impl Iterator<Item = Result<(IpNet, Option<ListEntry>, u32)>> + '_ {
        self.0.iter().filter_map(|item| match item {
            Ok((key, declared)) => {
                let list_entry = |kind| ListEntry {
                    kind,
                    until: KernelTime::from_nanos(declared.until),
                    origin: Origin::Kernel,
                };
                let list_entry = match declared.kind {
                    kind::TRUSTED => Some(list_entry(ListKind::Trusted)),
                    kind::BANNED => Some(list_entry(ListKind::Banned)),
                    _ => None,
                };
                Some(Ok((net_of(key.bytes, u32::from_be(key.length))?, list_entry, declared.flags)))
            }
            Err(error) => Some(Err(error)),
        })
    }
}

fn prefix_key(net: IpNet) -> PrefixKey {
    let (bytes, length) = to_prefix(net);
    PrefixKey { length: u32::from(length).to_be(), bytes }
}

fn trie_key(net: IpNet) -> Key<[u8; 16]> {
    let (bytes, length) = to_prefix(net);
    Key::new(length.into(), bytes)
}

fn net_of(bytes: [u8; 16], length: u32) -> Option<IpNet> {
    from_prefix(bytes, u8::try_from(length).ok()?)
}
