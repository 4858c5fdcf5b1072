//! The kernel's lists as the mirror of the store, and what it means where the two differ.
//!
//! A change is written into the kernel and then committed to the store. What the kernel has and the store has not
//! was never acknowledged, and goes, unless it is marked as unsaved: then the store could not be written at the time.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv6Net};
use xdp_prog::abi::FOREVER;

use super::{Lists, SourceEntry, UNSAVED, list_entry_of};
use sipward_engine::precedence::PrefixEntries;
use sipward_kernel::Result;
use sipward_types::list_entry::{ListEntry, single};

/// What the kernel should hold: all that the store has, each once.
pub type Wanted = Vec<(IpNet, ListEntry)>;

/// What the kernel holds of one address or prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub net: IpNet,
    /// `None`: it was removed while the store could not be written.
    pub list_entry: Option<ListEntry>,
    pub unsaved: bool,
}

/// Said where nothing else can be said: that some address is marked as unsaved. To look at all of them takes long.
const SOME_ADDRESS: IpNet = IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0));

/// How much the mirror was wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mirrored {
    pub written: usize,
    pub removed: usize,
}

impl Lists<'_> {
    /// Of everything on the lists, what has run out left aside, and of every removal that the store does not know,
    /// those that are asked for.
    pub fn found(&mut self, asked: impl Fn(&Found) -> bool) -> Result<Vec<Found>> {
        let mut all = Vec::new();
        let now = self.now;
        let mut meet = |found: Found| {
            if found.list_entry.is_none_or(|list_entry| list_entry.until > now) && asked(&found) {
                all.push(found);
            }
        };
        for declared in self.tables.declarations()?.iter() {
            let (net, list_entry, flags) = declared?;
            if net != SOME_ADDRESS {
                meet(Found { net, list_entry, unsaved: flags & UNSAVED != 0 });
            }
        }
        for item in self.tables.sources()?.iter() {
            let (address, entry) = item?;
            let (list_entry, unsaved) = (list_entry_of(entry), marked(entry));
            if list_entry.is_some() || unsaved {
                meet(Found { net: address.into(), list_entry, unsaved });
            }
        }
        Ok(all)
    }

    /// Marks what is said of this address or prefix, or that nothing is said of it any more, as not in the store.
    pub fn mark_unsaved(&mut self, net: IpNet) -> Result<()> {
        let list_entry = self.get(net)?;
        let Some(address) = single(net) else {
            return self.tables.declarations()?.put(net, list_entry, UNSAVED);
        };
        let entry = match list_entry {
            Some(list_entry) => self.list_entries.address_entry(address, list_entry),
            // No kind at all: to the packet path as good as no entry.
            None => SourceEntry { expires: FOREVER, ..SourceEntry::default() },
        };
        self.tables.sources()?.put(address, entry.unsaved())?;
        self.say_unsaved()
    }

    /// Marks everything on the lists.
    pub fn mark_all_unsaved(&mut self) -> Result<()> {
        for (net, list_entry) in self.list_entries.iter() {
            self.tables.declarations()?.put(net, Some(list_entry), UNSAVED)?;
        }
        let mut sources = self.tables.sources()?;
        let mut entries = Vec::new();
        for item in sources.iter() {
            let (address, entry) = item?;
            if list_entry_of(entry).is_some() {
                entries.push((address, entry.unsaved()));
            }
        }
        sources.put_all(entries)?;
        self.say_unsaved()
    }

    fn say_unsaved(&mut self) -> Result<()> {
        if !self.unsaved {
            self.tables.declarations()?.put(SOME_ADDRESS, None, UNSAVED)?;
            self.unsaved = true;
        }
        Ok(())
    }

    /// Makes the lists what `wanted` says. Whoever stays where they are is never without their entry meanwhile.
    pub fn mirror(&mut self, mut wanted: Wanted) -> Result<Mirrored> {
        self.list_entries = PrefixEntries::default();
        for (net, list_entry) in wanted.extract_if(.., |(net, _)| single(*net).is_none()) {
            self.list_entries.insert(net, list_entry);
        }
        let prefixes = self.mirror_prefixes()?;
        let addresses = self.mirror_addresses(wanted)?;
        Ok(Mirrored {
            written: prefixes.written + addresses.written,
            removed: prefixes.removed + addresses.removed,
        })
    }

    fn mirror_prefixes(&mut self) -> Result<Mirrored> {
        let mut done = Mirrored::default();
        let declared = self.tables.declarations()?.iter().collect::<Result<Vec<_>>>()?;
        let mut before: HashMap<_, _> =
            declared.into_iter().map(|(net, list_entry, flags)| (net, (list_entry, flags))).collect();
        for (net, list_entry) in self.list_entries.iter() {
            if before.remove(&net) != Some((Some(list_entry), 0)) {
                self.tables.declarations()?.put(net, Some(list_entry), 0)?;
                done.written += 1;
            }
            // Whatever was said: a killed command may have come no further than that.
            self.tables.prefixes()?.put(net, self.list_entries.prefix_entry(net))?;
        }
        for net in before.into_keys() {
            self.tables.declarations()?.remove(net)?;
            done.removed += usize::from(net != SOME_ADDRESS);
        }
        let entries = self.tables.prefixes()?.iter().map(|item| Ok(item?.0)).collect::<Result<Vec<_>>>()?;
        for net in entries.into_iter().filter(|net| self.list_entries.get(*net).is_none()) {
            self.tables.prefixes()?.remove(net)?;
        }
        Ok(done)
    }

    fn mirror_addresses(&mut self, mut wanted: Wanted) -> Result<Mirrored> {
        wanted.sort_unstable_by_key(|(net, _)| *net);
        let Difference { missing, wrong, excess } = self.difference(&wanted)?;
        let count = missing.iter().filter(|missing| **missing).count();
        let done = Mirrored { written: wrong.len() + count, removed: excess.len() };
        let mut sources = self.tables.sources()?;
        // First, as there may not be room for both.
        for address in excess {
            sources.remove(address)?;
        }
        let entry = |(net, list_entry): &(IpNet, ListEntry)| {
            (net.addr(), self.list_entries.address_entry(net.addr(), *list_entry))
        };
        let new = wanted.iter().zip(missing).filter(|(_, missing)| *missing).map(|(wanted, _)| entry(wanted));
        sources.put_all(wrong.into_iter().chain(new))?;
        Ok(done)
    }

    /// Between what the kernel has of addresses and what it should have, which is sorted.
    fn difference(&mut self, wanted: &[(IpNet, ListEntry)]) -> Result<Difference> {
        let sources = self.tables.sources()?;
        let mut difference = Difference { missing: vec![true; wanted.len()], wrong: vec![], excess: vec![] };
        let mut next = Some(None);
        while let Some(from) = next {
            let mut batch = sources.batch(from)?;
            // Found several times faster in the order of what is wanted.
            batch.entries.sort_unstable_by_key(|(address, _)| *address);
            for (address, entry) in batch.entries {
                match wanted.binary_search_by_key(&IpNet::from(address), |(net, _)| *net) {
                    Ok(index) => {
                        difference.missing[index] = false;
                        let right = self.list_entries.address_entry(address, wanted[index].1);
                        difference.wrong.extend((right != entry).then_some((address, right)));
                    }
                    Err(_) if list_entry_of(entry).is_some() || marked(entry) => {
                        difference.excess.push(address)
                    }
                    Err(_) => {}
                }
            }
            next = batch.next.map(Some);
        }
        Ok(difference)
    }
}

struct Difference {
    /// Of each that is wanted, whether it is not there at all.
    missing: Vec<bool>,
    /// Those that are there, as they should be.
    wrong: Vec<(IpAddr, SourceEntry)>,
    excess: Vec<IpAddr>,
}

fn marked(entry: SourceEntry) -> bool {
    (list_entry_of(entry).is_some() || entry.kind == 0) && entry.is_unsaved()
}
