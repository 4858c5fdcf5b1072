//! A hash of the kernel, one entry at a time or many at once.

use std::{
    fmt,
    os::fd::{AsFd as _, OwnedFd},
};

use aya::maps::{HashMap, Map, MapData, MapError};
use xdp_prog::abi::Plain;

use super::{
    error::{Error, Result},
    pod::Pod,
    sys::{self, Bucket},
};

/// The number of entries that are written at once: the kernel copies them first.
const WRITTEN: usize = 1 << 16;
/// The number of entries that are read at once. A bucket must fit.
const READ: usize = 1 << 14;

pub(super) struct Hash<'a, K, V> {
    name: &'static str,
    map: HashMap<&'a mut MapData, Pod<K>, Pod<V>>,
    fd: OwnedFd,
}

impl<'a, K: Plain, V: Plain> Hash<'a, K, V> {
    pub(super) fn new(map: &'a mut Map, name: &'static str) -> Result<Self> {
        let fail = |error| Error::map(format!("use the map {name}"), &error);
        let fd = match &*map {
            Map::HashMap(data) => {
                data.fd().as_fd().try_clone_to_owned().map_err(|error| fail(error.into()))?
            }
            _ => return Err(Error::failed(format!("use the map {name}"), "it is no hash")),
        };
        Ok(Self { name, map: map.try_into().map_err(fail)?, fd })
    }

    pub(super) fn put(&mut self, key: K, value: V) -> Result<()> {
        self.map.insert(Pod(key), Pod(value), 0).map_err(|error| write_error(self.name, &error))
    }

    /// Many at once, which is faster than one by one. On an error, some are written.
    pub(super) fn put_all(&mut self, entries: impl IntoIterator<Item = (K, V)>) -> Result<()> {
        let mut entries = entries.into_iter();
        loop {
            let (keys, values): (Vec<_>, Vec<_>) = entries.by_ref().take(WRITTEN).unzip();
            if keys.is_empty() {
                return Ok(());
            }
            sys::update_batch(self.fd.as_fd(), &keys, &values).map_err(|error| {
                match error.raw_os_error() {
                    Some(libc::E2BIG | libc::ENOSPC) => Error::Full { map: self.name },
                    _ => Error::io(format!("write to the map {}", self.name), &error),
                }
            })?;
        }
    }

    /// True if there was one to remove.
    pub(super) fn remove(&mut self, key: &K) -> Result<bool> {
        found(self.map.remove(Pod::of(key))).map(|entry| entry.is_some())
    }

    pub(super) fn get(&self, key: &K) -> Result<Option<V>> {
        Ok(found(self.map.get(Pod::of(key), 0))?.map(|Pod(value)| value))
    }

    /// All, in the order of the kernel's buckets. What is there all the time is met once.
    pub(super) fn iter(&self) -> impl Iterator<Item = Result<(K, V)>> + '_ {
        Entries {
            hash: self,
            keys: Vec::with_capacity(READ),
            values: Vec::with_capacity(READ),
            index: 0,
            next: Some(None),
        }
    }

    /// From there, or from the beginning.
    pub(super) fn batch(&self, from: Option<Bucket>) -> Result<Batch<(K, V)>> {
        let (mut keys, mut values) = (Vec::with_capacity(READ), Vec::with_capacity(READ));
        let next = self.read(from, &mut keys, &mut values)?;
        Ok(Batch { entries: keys.into_iter().zip(values).collect(), next })
    }

    fn read(&self, from: Option<Bucket>, keys: &mut Vec<K>, values: &mut Vec<V>) -> Result<Option<Bucket>> {
        sys::lookup_batch(self.fd.as_fd(), from, keys, values)
            .map_err(|error| Error::io(format!("read the map {}", self.name), &error))
    }
}

/// Some of the entries.
#[derive(Debug)]
pub struct Batch<T> {
    pub entries: Vec<T>,
    /// Where the others begin, if there are more.
    pub next: Option<Bucket>,
}

struct Entries<'a, 'b, K, V> {
    hash: &'a Hash<'b, K, V>,
    keys: Vec<K>,
    values: Vec<V>,
    /// Of the next of them.
    index: usize,
    /// Where those begin that are not read yet; `Some(None)`: at the beginning.
    next: Option<Option<Bucket>>,
}

impl<K: Plain, V: Plain> Iterator for Entries<'_, '_, K, V> {
    type Item = Result<(K, V)>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.index == self.keys.len() {
            let from = self.next.take()?;
            match self.hash.read(from, &mut self.keys, &mut self.values) {
                Ok(next) => self.next = next.map(Some),
                Err(error) => return Some(Err(error)),
            }
            self.index = 0;
        }
        let entry = (self.keys[self.index], self.values[self.index]);
        self.index += 1;
        Some(Ok(entry))
    }
}

// Keys of tries, which some maps have too, show nothing of themselves.
impl<K, V> fmt::Debug for Hash<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hash").field(&self.name).finish()
    }
}

pub(super) fn found<T>(result: Result<T, MapError>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(MapError::KeyNotFound) => Ok(None),
        Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(Error::map("look up a source", &error)),
    }
}

pub(super) fn write_error(name: &'static str, error: &MapError) -> Error {
    match error {
        MapError::SyscallError(error)
            if matches!(error.io_error.raw_os_error(), Some(libc::E2BIG | libc::ENOSPC)) =>
        {
            Error::Full { map: name }
        }
        _ => Error::map(format!("write to the map {name}"), error),
    }
}
