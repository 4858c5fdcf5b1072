//! The kernel's lists as the mirror of the store, and the repair where the two differ.
//!
//! A change is written into the kernel and then committed to the store. An entry that the kernel has and the store has
//! not was never acknowledged, and goes, unless it is marked as unsaved: then the store could not be written at the time.

use std::{collections::HashMap, net::IpAddr};

use xdp_prog::abi::SourceEntry;

use super::{
    Lists,
    read::{is_marked, list_entry_of},
};
use sipward_engine::lists::{ListEntries, SOME_ADDRESS};
use sipward_kernel::{Result, Tables};
use sipward_types::list_entry::ListEntry;

/// The differences between the mirror and the lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mirrored {
    pub written: usize,
    pub removed: usize,
}

impl Lists {
    /// Makes the lists these, in memory and in the kernel. Whoever stays where they are is never without their entry
    /// meanwhile.
    pub fn mirror(&mut self, tables: &mut Tables, wanted: ListEntries) -> Result<Mirrored> {
        *self = Self { list_entries: wanted, is_complete: true, has_origins: true };
        let mirrored = mirror(tables, &self.list_entries);
        if mirrored.is_err()
            && let Ok(lists) = Self::open(tables)
        {
            *self = lists;
        }
        mirrored
    }
}

fn mirror(tables: &mut Tables, wanted: &ListEntries) -> Result<Mirrored> {
    let prefixes = mirror_prefixes(tables, wanted)?;
    let addresses = mirror_addresses(tables, wanted)?;
    Ok(Mirrored {
        written: prefixes.written + addresses.written,
        removed: prefixes.removed + addresses.removed,
    })
}

fn mirror_prefixes(tables: &mut Tables, wanted: &ListEntries) -> Result<Mirrored> {
    let mut done = Mirrored::default();
    let kept = |list_entry: ListEntry| (list_entry.kind, list_entry.until);
    let declared = tables.declarations()?.iter().collect::<Result<Vec<_>>>()?;
    let mut before: HashMap<_, _> =
        declared.into_iter().map(|(net, list_entry, flags)| (net, (list_entry.map(kept), flags))).collect();
    for (net, list_entry) in wanted.prefixes().iter() {
        if before.remove(&net) != Some((Some(kept(list_entry)), 0)) {
            tables.declarations()?.put(net, Some(list_entry), 0)?;
            done.written += 1;
        }
        // Whatever was declared: a killed command may have come no further than that.
        tables.prefixes()?.put(net, wanted.prefixes().prefix_entry(net))?;
    }
    for net in before.into_keys() {
        tables.declarations()?.remove(net)?;
        done.removed += usize::from(net != SOME_ADDRESS);
    }
    let entries = tables.prefixes()?.iter().map(|item| Ok(item?.0)).collect::<Result<Vec<_>>>()?;
    for net in entries.into_iter().filter(|net| wanted.prefixes().get(*net).is_none()) {
        tables.prefixes()?.remove(net)?;
    }
    Ok(done)
}

fn mirror_addresses(tables: &mut Tables, wanted: &ListEntries) -> Result<Mirrored> {
    let Difference { missing, wrong, excess } = difference(tables, wanted)?;
    let count = missing.iter().filter(|missing| **missing).count();
    let done = Mirrored { written: wrong.len() + count, removed: excess.len() };
    let mut sources = tables.sources()?;
    // First, as there may not be room for both.
    for address in excess {
        sources.remove(address)?;
    }
    let new =
        wanted.address_writes().zip(missing).filter(|(_, missing)| *missing).map(|(address, _)| address);
    sources.put_all(wrong.into_iter().chain(new))?;
    Ok(done)
}

struct Difference {
    /// Of each address that is wanted, whether it is not there at all.
    missing: Vec<bool>,
    /// Those that are there, as they should be.
    wrong: Vec<(IpAddr, SourceEntry)>,
    excess: Vec<IpAddr>,
}

/// Between the addresses that the kernel has and those that are wanted.
fn difference(tables: &mut Tables, wanted: &ListEntries) -> Result<Difference> {
    let ranks = wanted.address_ranks();
    let mut difference =
        Difference { missing: vec![true; wanted.address_count()], wrong: vec![], excess: vec![] };
    let sources = tables.sources()?;
    let mut next = Some(None);
    while let Some(from) = next {
        let mut batch = sources.batch(from)?;
        // Found several times faster in the order of what is wanted.
        batch.entries.sort_unstable_by_key(|(address, _)| *address);
        for (address, entry) in batch.entries {
            match ranks.of(address).zip(wanted.address_write(address)) {
                Some((rank, right)) => {
                    difference.missing[rank] = false;
                    difference.wrong.extend((right != entry).then_some((address, right)));
                }
                None if list_entry_of(entry).is_some() || is_marked(entry) => difference.excess.push(address),
                None => {}
            }
        }
        next = batch.next.map(Some);
    }
    Ok(difference)
}
