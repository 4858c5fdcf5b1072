//! What is said, written into the kernel with all that follows from it.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::{IpAddrRange, IpNet, Ipv4AddrRange, Ipv6AddrRange};
use xdp_prog::abi::kind;

use super::{Lists, SourceEntry, list_entry_of};
use sipward_engine::precedence::PrefixEntries;
use sipward_kernel::Result;
use sipward_kernel::{Batch, Bucket, Error};
use sipward_types::list_entry::{ListEntry, ListKind, single};

/// What came of a part of a purge.
#[derive(Clone, Copy, Debug)]
pub struct Purged {
    pub removed: usize,
    /// Where the next part begins, if there is one.
    pub next: Option<Bucket>,
}

/// Prefixes that are cleared away at once.
const PREFIXES: usize = 1_000;
/// Addresses that are looked for one by one.
const FEW: u128 = 1 << 14;

impl Lists<'_> {
    /// Many at once, whatever was said of them before; `None`: nothing any more. On an error, all is as it was.
    pub fn set_all(&mut self, list_entries: &[(IpNet, Option<ListEntry>)]) -> Result<()> {
        let nets: Vec<_> = list_entries.iter().map(|(net, _)| *net).collect();
        let before = self.get_all(&nets)?;
        let result = match self.write_all(list_entries) {
            // What has run out still takes room.
            Err(Error::Full { .. }) if self.clear()? > 0 => self.write_all(list_entries),
            result => result,
        };
        if result.is_err() {
            self.write_all(&nets.into_iter().zip(before).collect::<Vec<_>>())?;
        }
        result
    }

    /// What comes is written before what goes is removed: who is on a list before and after is never off it meanwhile,
    /// be it as an address, as a prefix or as a part of another.
    fn write_all(&mut self, list_entries: &[(IpNet, Option<ListEntry>)]) -> Result<()> {
        let (addresses, prefixes): (Vec<_>, Vec<_>) =
            list_entries.iter().copied().partition(|(net, _)| single(*net).is_some());
        let entry = |(net, list_entry): &(IpNet, Option<ListEntry>)| {
            Some((net.addr(), self.list_entries.address_entry(net.addr(), (*list_entry)?)))
        };
        let entries: Vec<_> = addresses.iter().filter_map(entry).collect();
        self.tables.sources()?.put_all(entries)?;
        if !prefixes.is_empty() {
            self.write_prefixes(&prefixes)?;
        }
        let mut sources = self.tables.sources()?;
        for (net, _) in addresses.iter().filter(|(_, list_entry)| list_entry.is_none()) {
            // What is known of it was not said by anybody, and stays.
            if sources.get(net.addr())?.is_some_and(|entry| entry.kind != kind::KNOWN) {
                sources.remove(net.addr())?;
            }
        }
        Ok(())
    }

    fn write_prefixes(&mut self, list_entries: &[(IpNet, Option<ListEntry>)]) -> Result<()> {
        let trusted = self.declare(list_entries)?;
        let within: BTreeSet<_> =
            list_entries.iter().flat_map(|(net, _)| self.list_entries.within(*net)).collect();
        let mut prefixes = self.tables.prefixes()?;
        for net in within {
            prefixes.put(net, self.list_entries.prefix_entry(net))?;
        }
        for (net, _) in list_entries.iter().filter(|(_, list_entry)| list_entry.is_none()) {
            prefixes.remove(*net)?;
        }
        // An address whose own entry has run out is looked up among the prefixes by the kernel itself: only what puts
        // bans to sleep is in the entries of addresses, too.
        if trusted.is_empty() { Ok(()) } else { self.rewrite_addresses(&trusted) }
    }

    /// Remembers what is said, which means nothing to packets yet, and says which trust comes or goes by it.
    fn declare(&mut self, list_entries: &[(IpNet, Option<ListEntry>)]) -> Result<PrefixEntries> {
        let mut trusted = PrefixEntries::default();
        let (come, go): (Vec<_>, Vec<_>) =
            list_entries.iter().copied().partition(|(_, list_entry)| list_entry.is_some());
        for (net, list_entry) in go.into_iter().chain(come) {
            let mut declarations = self.tables.declarations()?;
            let before = match list_entry {
                Some(list_entry) => {
                    declarations.put(net, Some(list_entry), 0)?;
                    self.list_entries.insert(net, list_entry)
                }
                None => {
                    declarations.remove(net)?;
                    self.list_entries.remove(net)
                }
            };
            let has_trust =
                |list_entry: &ListEntry| list_entry.kind == ListKind::Trusted && list_entry.until > self.now;
            if let Some(trust) = [before, list_entry].into_iter().flatten().find(has_trust) {
                trusted.insert(net, trust);
            }
        }
        Ok(trusted)
    }

    /// Writes again what follows from these prefixes, which came or went, for the addresses in them.
    fn rewrite_addresses(&mut self, changed: &PrefixEntries) -> Result<()> {
        let mut rewritten = Vec::new();
        for (address, before) in self.addresses_in(changed)? {
            if let Some(own) = list_entry_of(before) {
                let after = SourceEntry {
                    phones_or_mark: before.phones_or_mark,
                    ..self.list_entries.address_entry(address, own)
                };
                if after != before {
                    rewritten.push((address, after));
                }
            }
        }
        self.tables.sources()?.put_all(rewritten)
    }

    /// Where there can be but a few, each is looked for: to look at a million others takes a second.
    fn addresses_in(&mut self, prefixes: &PrefixEntries) -> Result<Vec<(IpAddr, SourceEntry)>> {
        let sources = self.tables.sources()?;
        let room = |net: IpNet| 1_u128.checked_shl((net.max_prefix_len() - net.prefix_len()).into());
        let sum = |sum: u128, (net, _): (IpNet, ListEntry)| Some(sum.saturating_add(room(net)?));
        if prefixes.iter().try_fold(0, sum).is_some_and(|room| room <= FEW) {
            let all = prefixes.iter().flat_map(|(net, _)| every_address(net));
            let entry = |address| Ok(sources.get(address)?.map(|entry| (address, entry)));
            return all.filter_map(|address| entry(address).transpose()).collect();
        }
        let within = |item: &Result<(IpAddr, _)>| match item {
            Ok((address, _)) => prefixes.covering((*address).into()).next().is_some(),
            Err(_) => true,
        };
        sources.iter().filter(within).collect()
    }

    /// Removes what has run out, part by part so that nobody waits long: from there, or from the beginning.
    pub fn purge(&mut self, from: Option<Bucket>) -> Result<Purged> {
        let over =
            |(net, list_entry): (IpNet, ListEntry)| (list_entry.until <= self.now).then_some((net, None));
        let prefixes: Vec<_> = self.list_entries.iter().filter_map(over).take(PREFIXES).collect();
        self.write_prefixes(&prefixes)?;
        let Purged { removed, next } = self.sweep_part(from)?;
        Ok(Purged { removed: removed + prefixes.len(), next })
    }

    /// Removes what has run out, and says how much that was.
    fn clear(&mut self) -> Result<usize> {
        let (mut total, mut from) = (0, None);
        loop {
            let Purged { removed, next } = self.purge(from)?;
            total += removed;
            if next.is_none() {
                return Ok(total);
            }
            from = next;
        }
    }

    fn sweep_part(&mut self, from: Option<Bucket>) -> Result<Purged> {
        let mut sources = self.tables.sources()?;
        let Batch { entries, next } = sources.batch(from)?;
        let over = entries.iter().filter(|(_, entry)| entry.expires <= self.now.as_nanos());
        let mut removed = 0;
        for (address, _) in over {
            removed += usize::from(sources.remove(*address)?);
        }
        Ok(Purged { removed, next })
    }
}

/// The first and the last, too, which `hosts` leaves out.
fn every_address(net: IpNet) -> IpAddrRange {
    match net {
        IpNet::V4(net) => IpAddrRange::V4(Ipv4AddrRange::new(net.network(), net.broadcast())),
        IpNet::V6(net) => IpAddrRange::V6(Ipv6AddrRange::new(net.network(), net.broadcast())),
    }
}
