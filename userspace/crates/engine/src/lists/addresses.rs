//! The entries of single addresses, of which there may be a million.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::sorted_runs::SortedRuns;
use sipward_types::{
    list_entry::{ListEntry, ListKind, Origin},
    time::KernelTime,
};

/// An address has one entry; IPv4 addresses are as such.
#[derive(Clone, Debug, Default)]
pub(super) struct Addresses {
    v4: SortedRuns<[u8; 4], Packed>,
    v6: SortedRuns<[u8; 16], Packed>,
}

/// An entry, and whether it is missing in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AddressEntry {
    pub(super) list_entry: ListEntry,
    pub(super) unsaved: bool,
}

/// The same without alignment: 15 bytes with an IPv4 address, where the parts by themselves would take 24.
#[derive(Clone, Copy, Debug)]
struct Packed {
    until: [u8; 8],
    kind: ListKind,
    origin: Origin,
    unsaved: bool,
}

impl From<AddressEntry> for Packed {
    fn from(AddressEntry { list_entry: ListEntry { kind, until, origin }, unsaved }: AddressEntry) -> Self {
        Self { until: until.as_nanos().to_ne_bytes(), kind, origin, unsaved }
    }
}

impl From<Packed> for AddressEntry {
    fn from(Packed { until, kind, origin, unsaved }: Packed) -> Self {
        Self {
            list_entry: ListEntry { kind, until: KernelTime::from_nanos(u64::from_ne_bytes(until)), origin },
            unsaved,
        }
    }
}

impl Addresses {
    pub(super) const fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    pub(super) fn get(&self, address: IpAddr) -> Option<AddressEntry> {
        match address {
            IpAddr::V4(address) => self.v4.get(address.octets()),
            IpAddr::V6(address) => self.v6.get(address.octets()),
        }
        .map(AddressEntry::from)
    }

    pub(super) fn insert(&mut self, address: IpAddr, entry: AddressEntry) -> Option<AddressEntry> {
        match address {
            IpAddr::V4(address) => self.v4.insert(address.octets(), entry.into()),
            IpAddr::V6(address) => self.v6.insert(address.octets(), entry.into()),
        }
        .map(AddressEntry::from)
    }

    pub(super) fn remove(&mut self, address: IpAddr) -> Option<AddressEntry> {
        match address {
            IpAddr::V4(address) => self.v4.remove(address.octets()),
            IpAddr::V6(address) => self.v6.remove(address.octets()),
        }
        .map(AddressEntry::from)
    }

    pub(super) fn mark_all_unsaved(&mut self) {
        self.v4.values_mut().chain(self.v6.values_mut()).for_each(|entry| entry.unsaved = true);
    }

    /// Removes what ends then or earlier.
    pub(super) fn expire(&mut self, now: KernelTime) {
        let stays = |entry: Packed| AddressEntry::from(entry).list_entry.until > now;
        self.v4.retain(stays);
        self.v6.retain(stays);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (IpAddr, AddressEntry)> + '_ {
        let v4 = self.v4.iter().map(|(address, entry)| (Ipv4Addr::from(address).into(), entry.into()));
        let v6 = self.v6.iter().map(|(address, entry)| (Ipv6Addr::from(address).into(), entry.into()));
        v4.chain(v6)
    }

    pub(super) fn ranks(&self) -> Ranks<'_> {
        Ranks { addresses: self, v4: self.v4.starts(), v6: self.v6.starts() }
    }

    pub(super) fn within(&self, net: IpNet) -> Box<dyn Iterator<Item = (IpAddr, AddressEntry)> + '_> {
        match net {
            IpNet::V4(net) => {
                let range = self.v4.range(net.network().octets(), net.broadcast().octets());
                Box::new(range.map(|(address, entry)| (Ipv4Addr::from(address).into(), entry.into())))
            }
            IpNet::V6(net) => {
                let range = self.v6.range(net.network().octets(), net.broadcast().octets());
                Box::new(range.map(|(address, entry)| (Ipv6Addr::from(address).into(), entry.into())))
            }
        }
    }
}

/// The position of each address in the order of `iter`.
#[derive(Debug)]
pub struct Ranks<'a> {
    addresses: &'a Addresses,
    v4: Vec<usize>,
    v6: Vec<usize>,
}

impl Ranks<'_> {
    pub fn of(&self, address: IpAddr) -> Option<usize> {
        match address {
            IpAddr::V4(address) => self.addresses.v4.rank(address.octets(), &self.v4),
            IpAddr::V6(address) => {
                Some(self.addresses.v4.len() + self.addresses.v6.rank(address.octets(), &self.v6)?)
            }
        }
    }
}
