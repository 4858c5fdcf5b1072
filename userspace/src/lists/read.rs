//! The lists as the kernel has them: for a start, and for a command without a daemon.

use std::net::IpAddr;

use ipnet::{IpAddrRange, IpNet, Ipv4AddrRange, Ipv6AddrRange};
use xdp_prog::abi::{SourceEntry, UNSAVED, kind};

use sipward_engine::lists::{ListEntries, SOME_ADDRESS};
use sipward_kernel::{Result, Tables};
use sipward_types::{
    list_entry::{ListEntry, ListKind, Origin},
    time::KernelTime,
};

/// Addresses that are looked for one by one: to read a million others takes a second.
const FEW: u128 = 1 << 14;

/// The kernel's state of one address or prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub net: IpNet,
    /// `None`: it was removed while the store could not be written.
    pub list_entry: Option<ListEntry>,
    pub unsaved: bool,
}

/// Everything on the lists that has not ended, and every removal that the store does not have; of these, those that are
/// asked for.
pub fn found(tables: &mut Tables, now: KernelTime, asked: impl Fn(&Found) -> bool) -> Result<Vec<Found>> {
    let mut all = Vec::new();
    let mut meet = |found: Found| {
        if found.list_entry.is_none_or(|list_entry| list_entry.until > now) && asked(&found) {
            all.push(found);
        }
    };
    for declared in tables.declarations()?.iter() {
        let (net, list_entry, flags) = declared?;
        if net != SOME_ADDRESS {
            meet(Found { net, list_entry, unsaved: flags & UNSAVED != 0 });
        }
    }
    for item in tables.sources()?.iter() {
        let (address, entry) = item?;
        let (list_entry, unsaved) = (list_entry_of(entry), is_marked(entry));
        if list_entry.is_some() || unsaved {
            meet(Found { net: address.into(), list_entry, unsaved });
        }
    }
    Ok(all)
}

pub(super) fn read_prefixes(tables: &mut Tables, list_entries: &mut ListEntries) -> Result<()> {
    for declared in tables.declarations()?.iter() {
        let (net, list_entry, flags) = declared?;
        list_entries.load(net, list_entry, flags & UNSAVED != 0);
    }
    Ok(())
}

pub(super) fn read_addresses(
    tables: &mut Tables,
    list_entries: &mut ListEntries,
    addresses: impl IntoIterator<Item = IpAddr>,
) -> Result<()> {
    let sources = tables.sources()?;
    for address in addresses {
        load(list_entries, address, sources.get(address)?.unwrap_or_default());
    }
    Ok(())
}

/// Addresses in these prefixes, and maybe others.
pub(super) fn read_within(
    tables: &mut Tables,
    list_entries: &mut ListEntries,
    prefixes: &[IpNet],
) -> Result<()> {
    let room = |net: &IpNet| 1_u128.checked_shl((net.max_prefix_len() - net.prefix_len()).into());
    let sum = |sum: u128, net| Some(sum.saturating_add(room(net)?));
    if prefixes.iter().try_fold(0, sum).is_some_and(|room| room <= FEW) {
        read_addresses(tables, list_entries, prefixes.iter().flat_map(|net| every_address(*net)))
    } else {
        read_all_addresses(tables, list_entries)
    }
}

pub(super) fn read_all_addresses(tables: &mut Tables, list_entries: &mut ListEntries) -> Result<()> {
    for item in tables.sources()?.iter() {
        let (address, entry) = item?;
        load(list_entries, address, entry);
    }
    Ok(())
}

fn load(list_entries: &mut ListEntries, address: IpAddr, entry: SourceEntry) {
    list_entries.load(address.into(), list_entry_of(entry), is_marked(entry));
}

/// The first and the last, too, which `hosts` leaves out.
fn every_address(net: IpNet) -> IpAddrRange {
    match net {
        IpNet::V4(net) => IpAddrRange::V4(Ipv4AddrRange::new(net.network(), net.broadcast())),
        IpNet::V6(net) => IpAddrRange::V6(Ipv6AddrRange::new(net.network(), net.broadcast())),
    }
}

/// The entry of an address shows its own list, whatever the prefixes around it make of that.
pub(super) fn list_entry_of(entry: SourceEntry) -> Option<ListEntry> {
    let kind = match entry.kind {
        kind::TRUSTED => ListKind::Trusted,
        kind::BANNED => ListKind::Banned,
        _ => return None,
    };
    Some(ListEntry { kind, until: KernelTime::from_nanos(entry.expires), origin: Origin::Kernel })
}

pub(super) fn is_marked(entry: SourceEntry) -> bool {
    (list_entry_of(entry).is_some() || entry.kind == 0) && entry.is_unsaved()
}
