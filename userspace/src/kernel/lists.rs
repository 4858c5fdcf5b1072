//! The lists of sources: single addresses in a hash, prefixes in a trie, and what was said about both.

use std::{
    fmt,
    net::IpAddr,
    os::fd::{AsFd as _, OwnedFd},
};

use aya::maps::{HashMap, LpmTrie, Map, MapData, MapError, lpm_trie::Key};
use ipnet::IpNet;
use xdp_prog::abi::{Address, FOREVER, SourceEntry, kind, map};

use super::{
    error::{Error, Result},
    layout::{DECLARED, Declared, PrefixKey},
    sys,
};
use crate::{
    address::{from_key, from_prefix, to_key, to_prefix},
    precedence::{Claim, Standing},
};

#[derive(Debug)]
pub struct Sources<'a> {
    map: HashMap<&'a mut MapData, Address, SourceEntry>,
    fd: OwnedFd,
}

impl<'a> Sources<'a> {
    pub(super) fn new(map: &'a mut Map) -> Result<Self> {
        let fail = |error| Error::map(format!("use the map {}", map::SOURCES), &error);
        let fd = match &*map {
            Map::HashMap(data) => {
                data.fd().as_fd().try_clone_to_owned().map_err(|error| fail(error.into()))?
            }
            _ => return Err(Error::failed(format!("use the map {}", map::SOURCES), "it is no hash")),
        };
        Ok(Self { map: map.try_into().map_err(fail)?, fd })
    }

    pub fn put(&mut self, address: IpAddr, entry: SourceEntry) -> Result<()> {
        self.map.insert(to_key(address), entry, 0).map_err(|error| write_error(map::SOURCES, &error))
    }

    /// Many at once, which is faster than one by one. On an error, some are written.
    pub fn put_all(&mut self, entries: impl IntoIterator<Item = (IpAddr, SourceEntry)>) -> Result<()> {
        let (keys, values): (Vec<_>, Vec<_>) =
            entries.into_iter().map(|(address, entry)| (to_key(address), entry)).unzip();
        for (keys, values) in keys.chunks(BATCH).zip(values.chunks(BATCH)) {
            sys::update_batch(self.fd.as_fd(), keys, values).map_err(|error| match error.raw_os_error() {
                Some(libc::E2BIG | libc::ENOSPC) => Error::Full { map: map::SOURCES },
                _ => Error::io(format!("write to the map {}", map::SOURCES), &error),
            })?;
        }
        Ok(())
    }

    /// Whether there was one to remove.
    pub fn remove(&mut self, address: IpAddr) -> Result<bool> {
        found(self.map.remove(&to_key(address))).map(|entry| entry.is_some())
    }

    pub fn get(&self, address: IpAddr) -> Result<Option<SourceEntry>> {
        found(self.map.get(&to_key(address), 0))
    }

    /// One after the other, as the kernel has them. Entries that come or go meanwhile may be missed.
    pub fn iter(&self) -> impl Iterator<Item = Result<(IpAddr, SourceEntry)>> + '_ {
        self.map.iter().map(|item| {
            let (key, entry) = item.map_err(|error| Error::map("read the sources", &error))?;
            Ok((from_key(key), entry))
        })
    }
}

/// How many entries the kernel is given at once: it copies them first.
const BATCH: usize = 1 << 16;

#[derive(Debug)]
pub struct Prefixes<'a>(pub(super) LpmTrie<&'a mut MapData, [u8; 16], SourceEntry>);

impl Prefixes<'_> {
    pub fn put(&mut self, net: IpNet, entry: SourceEntry) -> Result<()> {
        self.0.insert(&prefix_key(net), entry, 0).map_err(|error| write_error(map::PREFIXES, &error))
    }

    /// Whether there was one to remove.
    pub fn remove(&mut self, net: IpNet) -> Result<bool> {
        found(self.0.remove(&prefix_key(net))).map(|entry| entry.is_some())
    }

    /// The entry of the longest prefix that holds the address.
    pub fn longest(&self, address: IpAddr) -> Result<Option<SourceEntry>> {
        found(self.0.get(&prefix_key(address.into()), 0))
    }

    pub fn iter(&self) -> impl Iterator<Item = Result<(IpNet, SourceEntry)>> + '_ {
        self.0.iter().filter_map(|item| match item {
            Ok((key, entry)) => Some(Ok((net_of(&key)?, entry))),
            Err(error) => Some(Err(Error::map("read the prefixes", &error))),
        })
    }
}

/// What was said about prefixes.
pub struct Declarations<'a>(pub(super) HashMap<&'a mut MapData, PrefixKey, Declared>);

impl Declarations<'_> {
    /// No claim: that there was one is not forgotten, as the flags say why.
    pub fn put(&mut self, net: IpNet, claim: Option<Claim>, flags: u32) -> Result<()> {
        let kind = match claim.map(|claim| claim.standing) {
            Some(Standing::Trusted) => kind::TRUSTED,
            Some(Standing::Banned) => kind::BANNED,
            None => 0,
        };
        let declared = Declared { until: claim.map_or(FOREVER, |claim| claim.until), kind, flags };
        self.0.insert(prefix_key(net), declared, 0).map_err(|error| write_error(DECLARED, &error))
    }

    pub fn remove(&mut self, net: IpNet) -> Result<bool> {
        found(self.0.remove(&prefix_key(net))).map(|entry| entry.is_some())
    }

    pub fn iter(&self) -> impl Iterator<Item = Result<(IpNet, Option<Claim>, u32)>> + '_ {
        self.0.iter().filter_map(|item| match item {
            Ok((key, declared)) => {
                let claim = |standing| Claim { standing, until: declared.until };
                let claim = match declared.kind {
                    kind::TRUSTED => Some(claim(Standing::Trusted)),
                    kind::BANNED => Some(claim(Standing::Banned)),
                    _ => None,
                };
                Some(Ok((net_of(&key)?, claim, declared.flags)))
            }
            Err(error) => Some(Err(Error::map("read the prefixes", &error))),
        })
    }
}

// aya's trie keys show nothing of themselves.
impl fmt::Debug for Declarations<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Declarations").finish_non_exhaustive()
    }
}

fn prefix_key(net: IpNet) -> PrefixKey {
    let (bytes, length) = to_prefix(net);
    Key::new(u32::from(length), bytes)
}

fn net_of(key: &PrefixKey) -> Option<IpNet> {
    from_prefix(key.data(), u8::try_from(key.prefix_len()).ok()?)
}

pub(super) fn found<T>(result: Result<T, MapError>) -> Result<Option<T>> {
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
