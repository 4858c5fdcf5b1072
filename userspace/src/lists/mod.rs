//! The trusted and the banned list: kept once, and written into the filter so that trusted beats banned.
//!
//! The only writer of the kernel's lists. What they say is true while the filter lives; what must outlive it is the
//! store's, and [`Lists::mirror`] makes the kernel the store's mirror again.

mod change;
mod mirror;

use std::net::IpAddr;

use ipnet::IpNet;
use xdp_prog::abi::{SourceEntry, UNSAVED, kind};

pub use self::{
    change::Purged,
    mirror::{Found, Mirrored, Wanted},
};
use sipward_engine::precedence::PrefixEntries;
use sipward_kernel::{Error, Result, Tables};
use sipward_types::{
    list_entry::{ListEntry, ListKind, single},
    time::KernelTime,
};

/// The lists of a filter at one moment.
#[derive(Debug)]
pub struct Lists<'a> {
    tables: &'a mut Tables,
    list_entries: PrefixEntries,
    now: KernelTime,
    /// Something of it is not in the store.
    unsaved: bool,
}

/// What came of trusting somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trusting {
    /// The end of the ban on the very same address or prefix, which is gone.
    pub lifted: Option<KernelTime>,
}

/// What came of banning somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Banning {
    Done {
        /// When it ends: later than asked for if an older ban lasts longer.
        until: KernelTime,
        /// The trusted prefix around it, and until when it keeps the ban from having effect.
        shadow: Option<(IpNet, KernelTime)>,
    },
    /// The very same address or prefix is trusted, and stays so.
    Refused,
}

/// One line of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    pub net: IpNet,
    pub until: KernelTime,
    /// A ban without effect until then, as a trusted prefix holds it. [`KernelTime::START`]: none does.
    pub shadowed_until: KernelTime,
}

impl<'a> Lists<'a> {
    pub fn open(tables: &'a mut Tables, now: KernelTime) -> Result<Self> {
        let (mut list_entries, mut unsaved) = (PrefixEntries::default(), false);
        for declared in tables.declarations()?.iter() {
            let (net, list_entry, flags) = declared?;
            unsaved |= flags & UNSAVED != 0;
            if let Some(list_entry) = list_entry {
                list_entries.insert(net, list_entry);
            }
        }
        Ok(Self { tables, list_entries, now, unsaved })
    }

    /// Whether something of it is marked as not in the store.
    pub const fn is_unsaved(&self) -> bool {
        self.unsaved
    }

    /// What is said of this very address or prefix, if it has not run out.
    pub fn get(&mut self, net: IpNet) -> Result<Option<ListEntry>> {
        Ok(self.get_all(&[net])?[0])
    }

    /// The same of many.
    pub fn get_all(&mut self, nets: &[IpNet]) -> Result<Vec<Option<ListEntry>>> {
        let sources = self.tables.sources()?;
        let own = |net: &IpNet| {
            let list_entry = match single(*net) {
                Some(address) => sources.get(address)?.and_then(list_entry_of),
                None => self.list_entries.get(*net),
            };
            Ok(list_entry.filter(|list_entry| list_entry.until > self.now))
        };
        nets.iter().map(own).collect()
    }

    pub fn trust(&mut self, net: IpNet, until: KernelTime) -> Result<Trusting> {
        let lifted = match self.get(net)? {
            Some(ListEntry { kind: ListKind::Banned, until }) => Some(until),
            _ => None,
        };
        self.set_all(&[(net, Some(ListEntry { kind: ListKind::Trusted, until }))])?;
        Ok(Trusting { lifted })
    }

    /// Never makes an older ban shorter.
    pub fn ban(&mut self, net: IpNet, until: KernelTime) -> Result<Banning> {
        let until = match self.get(net)? {
            Some(ListEntry { kind: ListKind::Trusted, .. }) => return Ok(Banning::Refused),
            Some(ListEntry { until: before, .. }) => until.max(before),
            None => until,
        };
        self.set_all(&[(net, Some(ListEntry { kind: ListKind::Banned, until }))])?;
        Ok(Banning::Done { until, shadow: self.shadow(net) })
    }

    /// Whether there was anything to remove. What else was said of this very address or prefix stays.
    pub fn remove(&mut self, net: IpNet, kind: ListKind) -> Result<bool> {
        if !self.get(net)?.is_some_and(|list_entry| list_entry.kind == kind) {
            return Ok(false);
        }
        self.set_all(&[(net, None)]).map(|()| true)
    }

    /// Calls `each` with everything that is on the list now: prefixes in order, then addresses as they come.
    pub fn list<E: From<Error>>(
        &mut self,
        kind: ListKind,
        mut each: impl FnMut(Listed) -> Result<(), E>,
    ) -> Result<(), E> {
        for (net, list_entry) in self.list_entries.iter() {
            if list_entry.kind == kind && list_entry.until > self.now {
                let shadowed_until = match kind {
                    ListKind::Banned => self.shadow(net).map_or(KernelTime::START, |(_, until)| until),
                    ListKind::Trusted => KernelTime::START,
                };
                each(Listed { net, until: list_entry.until, shadowed_until })?;
            }
        }
        for item in self.tables.sources()?.iter() {
            let (address, entry) = item?;
            if list_entry_of(entry)
                .is_some_and(|list_entry| list_entry.kind == kind && list_entry.until > self.now)
            {
                let shadowed_until = Some(KernelTime::from_nanos(entry.shadowed_until));
                let shadowed_until = shadowed_until.filter(|until| *until > self.now).unwrap_or_default();
                let until = KernelTime::from_nanos(entry.expires);
                each(Listed { net: IpNet::from(address), until, shadowed_until })?;
            }
        }
        Ok(())
    }

    /// Whether anybody is trusted at all.
    pub fn trusts_somebody(&mut self) -> Result<bool> {
        let trusted =
            |list_entry: ListEntry| list_entry.kind == ListKind::Trusted && list_entry.until > self.now;
        if self.list_entries.iter().any(|(_, list_entry)| trusted(list_entry)) {
            return Ok(true);
        }
        for item in self.tables.sources()?.iter() {
            if list_entry_of(item?.1).is_some_and(trusted) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether packets from this address pass as trusted.
    pub fn trusts(&mut self, address: IpAddr) -> Result<bool> {
        let own = self.get(address.into())?;
        let trusted = own.is_some_and(|list_entry| list_entry.kind == ListKind::Trusted);
        Ok(trusted || self.shadow(address.into()).is_some())
    }

    /// The trusted prefix around `net` that lasts longest.
    pub fn shadow(&self, net: IpNet) -> Option<(IpNet, KernelTime)> {
        self.around(net)
            .filter(|(_, list_entry)| list_entry.kind == ListKind::Trusted)
            .map(|(around, list_entry)| (around, list_entry.until))
            .max_by_key(|(_, until)| *until)
    }

    /// What is said now of the prefixes that hold all of `net`, itself included if it is one.
    pub fn around(&self, net: IpNet) -> impl Iterator<Item = (IpNet, ListEntry)> + '_ {
        self.list_entries.covering(net).filter(|(_, list_entry)| list_entry.until > self.now)
    }
}

/// What was said of an address: its entry shows it, whatever the prefixes around it make of that.
fn list_entry_of(entry: SourceEntry) -> Option<ListEntry> {
    let kind = match entry.kind {
        kind::TRUSTED => ListKind::Trusted,
        kind::BANNED => ListKind::Banned,
        _ => return None,
    };
    Some(ListEntry { kind, until: KernelTime::from_nanos(entry.expires) })
}
