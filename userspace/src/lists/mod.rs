//! The trusted and the banned list, and their writes into the filter: the only writer of the kernel's lists.
//!
//! The lists are true in memory ([`ListEntries`]), and the kernel follows. A daemon has all of them there. A command
//! without a daemon reads the prefixes, and of the addresses those that it is about, as to read a million takes a second.

mod mirror;
mod read;
mod write;

use std::net::IpAddr;

use ipnet::IpNet;

pub use self::{
    mirror::Mirrored,
    read::{Found, found},
};
use self::{
    read::{read_addresses, read_all_addresses, read_prefixes, read_within},
    write::write,
};
use xdp_prog::abi::{SourceEntry, UNSAVED};

use sipward_engine::lists::{ListChange, ListEntries, MapWrites, SOME_ADDRESS};
use sipward_kernel::{Batch, Bucket, Error, Result, Tables};
use sipward_types::{
    list_entry::{ListEntry, ListKind, Origin, single},
    time::KernelTime,
};

#[derive(Clone, Debug)]
pub struct Lists {
    list_entries: ListEntries,
    /// All addresses are in memory.
    is_complete: bool,
    /// The origins are those of the store, which the kernel does not have.
    has_origins: bool,
}

/// The result of a part of a purge.
#[derive(Clone, Copy, Debug)]
pub struct Purged {
    pub removed: usize,
    /// The beginning of the next part, if there is one.
    pub next: Option<Bucket>,
}

/// Prefixes that are cleared away at once.
const PREFIXES: usize = 1_000;

impl Lists {
    /// The lists of a filter, whose addresses are read as they are needed.
    pub fn open(tables: &mut Tables) -> Result<Self> {
        let mut list_entries = ListEntries::default();
        read_prefixes(tables, &mut list_entries)?;
        Ok(Self { list_entries, is_complete: false, has_origins: false })
    }

    /// True if each entry has its origin. What was read from the kernel has none until the store was asked.
    pub const fn has_origins(&self) -> bool {
        self.has_origins
    }

    /// Reads all that is not in memory yet.
    pub fn complete(&mut self, tables: &mut Tables) -> Result<()> {
        if !self.is_complete {
            read_all_addresses(tables, &mut self.list_entries)?;
            self.is_complete = true;
        }
        Ok(())
    }

    /// True if something is marked as not in the store.
    pub fn is_unsaved(&self) -> bool {
        self.list_entries.is_unsaved()
    }

    /// Takes the origins of these entries over; they are all of the store's.
    pub fn set_origins(&mut self, stored: impl IntoIterator<Item = (IpNet, ListKind, Origin)>) {
        for (net, kind, origin) in stored {
            self.list_entries.set_origin(net, kind, origin);
        }
        self.has_origins = true;
    }

    /// The entry of this very address or prefix, if it has not ended.
    pub fn get(&mut self, tables: &mut Tables, net: IpNet, now: KernelTime) -> Result<Option<ListEntry>> {
        Ok(self.get_all(tables, &[net], now)?[0])
    }

    /// The same of many.
    pub fn get_all(
        &mut self,
        tables: &mut Tables,
        nets: &[IpNet],
        now: KernelTime,
    ) -> Result<Vec<Option<ListEntry>>> {
        self.read_own(tables, nets.iter().copied())?;
        Ok(nets.iter().map(|net| self.list_entries.get(*net, now)).collect())
    }

    /// See [`ListEntries::ban`].
    pub fn ban(
        &mut self,
        tables: &mut Tables,
        net: IpNet,
        until: KernelTime,
        origin: Origin,
        now: KernelTime,
    ) -> Result<Option<ListEntry>> {
        self.read_own(tables, [net])?;
        Ok(self.list_entries.ban(net, until, origin, now))
    }

    /// True if packets from this address pass as trusted.
    pub fn trusts(&mut self, tables: &mut Tables, address: IpAddr, now: KernelTime) -> Result<bool> {
        self.read_own(tables, [address.into()])?;
        Ok(self.list_entries.trusts(address, now))
    }

    /// True if anybody is trusted at all.
    pub fn trusts_somebody(&mut self, tables: &mut Tables, now: KernelTime) -> Result<bool> {
        // The prefixes are in memory; to read all addresses takes a second.
        let is_trust =
            |(_, list_entry): (_, ListEntry)| list_entry.kind == ListKind::Trusted && list_entry.until > now;
        if self.list_entries.prefixes().iter().any(is_trust) {
            return Ok(true);
        }
        Ok(self.list(tables, ListKind::Trusted, now)?.next().is_some())
    }

    /// Everything on the list: prefixes, then addresses, each in order.
    pub fn list(
        &mut self,
        tables: &mut Tables,
        kind: ListKind,
        now: KernelTime,
    ) -> Result<impl Iterator<Item = (IpNet, ListEntry)> + '_> {
        self.complete(tables)?;
        Ok(self.list_entries.list(kind, now))
    }

    /// The trusted prefix around `net` that lasts longest.
    pub fn shadow(&self, net: IpNet, now: KernelTime) -> Option<(IpNet, KernelTime)> {
        self.list_entries.shadow(net, now)
    }

    /// The entries of the prefixes that hold all of `net`, itself included if it is one.
    pub fn around(&self, net: IpNet, now: KernelTime) -> impl Iterator<Item = (IpNet, ListEntry)> + '_ {
        self.list_entries.around(net, now)
    }

    /// Makes these changes, whatever was there before. On an error, all is as it was.
    pub fn set_all(&mut self, tables: &mut Tables, changes: &[ListChange], now: KernelTime) -> Result<()> {
        match self.change(tables, changes, now) {
            Err(Error::Full { .. }) if self.make_room(tables, now)? => self.change(tables, changes, now),
            result => result,
        }
    }

    fn change(&mut self, tables: &mut Tables, changes: &[ListChange], now: KernelTime) -> Result<()> {
        self.read_for(tables, changes, now)?;
        let (writes, undo) = self.list_entries.change(changes, now);
        let result = write(tables, &writes);
        if result.is_err() {
            let writes = self.list_entries.undo(undo, now);
            self.follow(tables, &writes)?;
        }
        result
    }

    /// Does the writes that belong to what is in memory. If that fails, the kernel has the last word.
    fn follow(&mut self, tables: &mut Tables, writes: &MapWrites) -> Result<()> {
        let result = write(tables, writes);
        if result.is_err()
            && let Ok(lists) = Self::open(tables)
        {
            *self = lists;
        }
        result
    }

    /// Marks the lists in the kernel as ahead of the store, until a change is saved: whoever comes after one that was killed
    /// meanwhile compares the two.
    pub fn begin_change(&self, tables: &mut Tables) -> Result<()> {
        match tables.declarations()?.put(SOME_ADDRESS, None, UNSAVED) {
            // To delete must be possible.
            Err(Error::Full { .. }) => Ok(()),
            result => result,
        }
    }

    /// Removes that mark, unless something could not be saved. True if it was there.
    pub fn end_change(&self, tables: &mut Tables) -> Result<bool> {
        Ok(!self.is_unsaved() && tables.declarations()?.remove(SOME_ADDRESS)?)
    }

    /// Marks the entry of this address or prefix, or its removal, as not in the store.
    pub fn mark_unsaved(&mut self, tables: &mut Tables, net: IpNet, now: KernelTime) -> Result<()> {
        self.read_own(tables, [net])?;
        let writes = self.list_entries.mark_unsaved(net, now);
        self.follow(tables, &writes)
    }

    /// Marks everything on the lists.
    pub fn mark_all_unsaved(&mut self, tables: &mut Tables, now: KernelTime) -> Result<()> {
        self.complete(tables)?;
        let writes = self.list_entries.mark_all_unsaved();
        // An address whose entry has ended may be a known source by now.
        let lasting = |(_, entry): &(IpAddr, SourceEntry)| entry.expires > now.as_nanos();
        tables.sources()?.put_all(self.list_entries.address_writes().filter(lasting))?;
        self.follow(tables, &writes)
    }

    /// The entries that these changes replace, and the addresses in prefixes that become trusted, or no longer are.
    fn read_for(&mut self, tables: &mut Tables, changes: &[ListChange], now: KernelTime) -> Result<()> {
        if self.is_complete {
            return Ok(());
        }
        self.read_own(tables, changes.iter().map(|(net, _)| *net))?;
        let is_trust = |list_entry: &ListEntry| list_entry.kind == ListKind::Trusted;
        let prefixes: Vec<_> = changes
            .iter()
            .filter(|(net, after)| {
                let before = self.list_entries.get(*net, now);
                single(*net).is_none() && before.iter().chain(after).any(is_trust)
            })
            .map(|(net, _)| *net)
            .collect();
        if prefixes.is_empty() { Ok(()) } else { read_within(tables, &mut self.list_entries, &prefixes) }
    }

    fn read_own(&mut self, tables: &mut Tables, nets: impl IntoIterator<Item = IpNet>) -> Result<()> {
        if self.is_complete {
            return Ok(());
        }
        read_addresses(tables, &mut self.list_entries, nets.into_iter().filter_map(single))
    }

    /// Removes entries that have ended, part by part so that nobody waits long: from there, or from the beginning.
    pub fn purge(&mut self, tables: &mut Tables, from: Option<Bucket>, now: KernelTime) -> Result<Purged> {
        let prefixes: Vec<_> =
            self.list_entries.ended_prefixes(PREFIXES, now).into_iter().map(|net| (net, None)).collect();
        let (writes, _) = self.list_entries.change(&prefixes, now);
        self.follow(tables, &writes)?;
        if from.is_none() {
            self.list_entries.forget_ended_addresses(now);
        }
        let Purged { removed, next } = sweep_part(tables, from, now)?;
        Ok(Purged { removed: removed + prefixes.len(), next })
    }

    /// Removes what has ended and still takes room, as the mark of a change does. False: nothing did.
    fn make_room(&mut self, tables: &mut Tables, now: KernelTime) -> Result<bool> {
        let has_ended = self.clear(tables, now)? > 0;
        Ok(self.end_change(tables)? || has_ended)
    }

    /// Removes all that has ended, and says how much that was.
    fn clear(&mut self, tables: &mut Tables, now: KernelTime) -> Result<usize> {
        let (mut total, mut from) = (0, None);
        loop {
            let Purged { removed, next } = self.purge(tables, from, now)?;
            total += removed;
            if next.is_none() {
                return Ok(total);
            }
            from = next;
        }
    }
}

/// Known sources end, too, and are in the same map.
fn sweep_part(tables: &mut Tables, from: Option<Bucket>, now: KernelTime) -> Result<Purged> {
    let mut sources = tables.sources()?;
    let Batch { entries, next } = sources.batch(from)?;
    let mut removed = 0;
    for (address, _) in entries.iter().filter(|(_, entry)| entry.expires <= now.as_nanos()) {
        removed += usize::from(sources.remove(*address)?);
    }
    Ok(Purged { removed, next })
}
