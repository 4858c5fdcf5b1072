//! The trusted and the banned list in memory. A change of them emits the writes that make the kernel follow.
//!
//! The store has more of each entry, such as its note; the kernel has for each address and prefix what all entries around
//! it come to (see [`precedence`](crate::precedence)).

mod addresses;
mod sorted_runs;
#[cfg(test)]
mod tests;
mod writes;

use std::{
    cmp::Reverse,
    collections::BTreeSet,
    net::{IpAddr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv6Net};
use xdp_prog::abi::{FOREVER, SourceEntry};

use self::addresses::{AddressEntry, Addresses};
pub use self::{
    addresses::Ranks,
    writes::{Declaration, MapWrites},
};
use crate::precedence::PrefixEntries;
use sipward_types::{
    address::canonical,
    list_entry::{ListEntry, ListKind, Origin, single},
    time::KernelTime,
};

/// The declaration that stands for all addresses that are marked as unsaved, as to look at each of them takes long.
pub const SOME_ADDRESS: IpNet = IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0));

/// A new entry of an address or prefix; `None`: the entry goes.
pub type ListChange = (IpNet, Option<ListEntry>);

#[derive(Clone, Debug, Default)]
pub struct ListEntries {
    prefixes: PrefixEntries,
    addresses: Addresses,
    /// Addresses that are on no list any more, while the store still has them.
    unsaved_removals: BTreeSet<IpAddr>,
    /// Prefixes of which the store does not have the entry, or still has one.
    unsaved_prefixes: BTreeSet<IpNet>,
    /// Some address is marked as unsaved.
    has_unsaved_address: bool,
}

/// The state of what a change has changed, from before it.
#[derive(Clone, Debug)]
pub struct Undo(Vec<Change>);

#[derive(Clone, Copy, Debug)]
struct Change {
    net: IpNet,
    list_entry: Option<ListEntry>,
    unsaved: bool,
}

impl ListEntries {
    /// Takes over an entry, or a mark without one, of a map or the store, without a write.
    pub fn load(&mut self, net: IpNet, list_entry: Option<ListEntry>, unsaved: bool) {
        if net == SOME_ADDRESS {
            self.has_unsaved_address |= unsaved;
            return;
        }
        let net = canonical(net);
        match single(net) {
            Some(address) => drop(self.keep_address(address, Change { net, list_entry, unsaved })),
            None => drop(self.keep_prefix(Change { net, list_entry, unsaved })),
        }
    }

    /// Has an entry belong to another set, if it is on that list.
    pub fn set_origin(&mut self, net: IpNet, kind: ListKind, origin: Origin) {
        let Some(before) = self.own(net).filter(|own| own.kind == kind) else { return };
        let list_entry = ListEntry { origin, ..before };
        match single(net) {
            Some(address) => {
                let unsaved = self.addresses.get(address).is_some_and(|entry| entry.unsaved);
                self.addresses.insert(address, AddressEntry { list_entry, unsaved });
            }
            None => drop(self.prefixes.insert(net, list_entry)),
        }
    }

    /// True if something is marked as not in the store.
    pub fn is_unsaved(&self) -> bool {
        self.has_unsaved_address || !self.unsaved_prefixes.is_empty()
    }

    /// The entry of this very address or prefix, if it has not ended.
    pub fn get(&self, net: IpNet, now: KernelTime) -> Option<ListEntry> {
        self.own(net).filter(|list_entry| list_entry.until > now)
    }

    /// The same, ended or not.
    fn own(&self, net: IpNet) -> Option<ListEntry> {
        match single(net) {
            Some(address) => self.addresses.get(address).map(|entry| entry.list_entry),
            None => self.prefixes.get(net),
        }
    }

    /// The entry that a ban makes, which never ends earlier than a ban before it. `None`: the very same address or
    /// prefix is trusted, and stays so.
    pub fn ban(&self, net: IpNet, until: KernelTime, origin: Origin, now: KernelTime) -> Option<ListEntry> {
        let until = match self.get(net, now) {
            Some(ListEntry { kind: ListKind::Trusted, .. }) => return None,
            Some(ListEntry { until: before, .. }) => until.max(before),
            None => until,
        };
        Some(ListEntry { kind: ListKind::Banned, until, origin })
    }

    /// Everything on the list: prefixes, then addresses, each in order.
    pub fn list(&self, kind: ListKind, now: KernelTime) -> impl Iterator<Item = (IpNet, ListEntry)> + '_ {
        let addresses = self.addresses.iter().map(|(address, entry)| (address.into(), entry.list_entry));
        let is_on_it =
            move |(_, list_entry): &(IpNet, ListEntry)| list_entry.kind == kind && list_entry.until > now;
        self.prefixes.iter().chain(addresses).filter(is_on_it)
    }

    /// True if packets from this address pass as trusted.
    pub fn trusts(&self, address: IpAddr, now: KernelTime) -> bool {
        let own = self.get(address.into(), now);
        own.is_some_and(|own| own.kind == ListKind::Trusted) || self.shadow(address.into(), now).is_some()
    }

    /// The trusted prefix around `net` that lasts longest.
    pub fn shadow(&self, net: IpNet, now: KernelTime) -> Option<(IpNet, KernelTime)> {
        self.around(net, now)
            .filter(|(_, list_entry)| list_entry.kind == ListKind::Trusted)
            .map(|(around, list_entry)| (around, list_entry.until))
            .max_by_key(|(_, until)| *until)
    }

    /// The entries of the prefixes that hold all of `net`, itself included if it is one.
    pub fn around(&self, net: IpNet, now: KernelTime) -> impl Iterator<Item = (IpNet, ListEntry)> + '_ {
        self.prefixes.covering(net).filter(move |(_, list_entry)| list_entry.until > now)
    }

    pub fn prefixes(&self) -> &PrefixEntries {
        &self.prefixes
    }

    /// Each address as its map should have it, in the order of [`Self::address_ranks`].
    pub fn address_writes(&self) -> impl Iterator<Item = (IpAddr, SourceEntry)> + '_ {
        self.addresses.iter().map(|(address, entry)| (address, self.source_entry(address, entry)))
    }

    pub fn address_write(&self, address: IpAddr) -> Option<SourceEntry> {
        Some(self.source_entry(address, self.addresses.get(address)?))
    }

    pub fn address_count(&self) -> usize {
        self.addresses.len()
    }

    pub fn address_ranks(&self) -> Ranks<'_> {
        self.addresses.ranks()
    }

    fn source_entry(
        &self,
        address: IpAddr,
        AddressEntry { list_entry, unsaved }: AddressEntry,
    ) -> SourceEntry {
        let entry = self.prefixes.address_entry(address, list_entry);
        if unsaved { entry.unsaved() } else { entry }
    }

    /// Makes these changes, whatever was there before.
    #[must_use]
    pub fn change(&mut self, changes: &[ListChange], now: KernelTime) -> (MapWrites, Undo) {
        let change = |(net, list_entry): &ListChange| Change {
            net: canonical(*net),
            list_entry: *list_entry,
            unsaved: false,
        };
        self.make(changes.iter().map(change), now)
    }

    /// Makes everything as it was before the change.
    #[must_use]
    pub fn undo(&mut self, Undo(changes): Undo, now: KernelTime) -> MapWrites {
        self.make(changes.into_iter().rev(), now).0
    }

    fn make(&mut self, changes: impl Iterator<Item = Change>, now: KernelTime) -> (MapWrites, Undo) {
        let (mut writes, mut before, mut prefixes) = (MapWrites::default(), Vec::new(), Vec::new());
        for change in changes {
            match single(change.net) {
                Some(address) => before.push(self.change_address(address, change, &mut writes)),
                None => prefixes.push(change),
            }
        }
        before.extend(self.change_prefixes(prefixes, now, &mut writes));
        (writes, Undo(before))
    }

    fn change_address(&mut self, address: IpAddr, change: Change, writes: &mut MapWrites) -> Change {
        let before = self.keep_address(address, change);
        let entry = match (change.list_entry, change.unsaved) {
            (Some(list_entry), unsaved) => self.source_entry(address, AddressEntry { list_entry, unsaved }),
            // No kind at all: to the packet path as good as no entry.
            (None, true) => SourceEntry { expires: FOREVER, ..SourceEntry::default() }.unsaved(),
            (None, false) => {
                // Other entries of an address in the map do not belong to the lists.
                if before.list_entry.is_some() || before.unsaved {
                    writes.removed_addresses.push(address);
                }
                return before;
            }
        };
        writes.addresses.push((address, entry));
        before
    }

    fn keep_address(&mut self, address: IpAddr, Change { net, list_entry, unsaved }: Change) -> Change {
        let was_removed = self.unsaved_removals.remove(&address);
        let before = match list_entry {
            Some(list_entry) => self.addresses.insert(address, AddressEntry { list_entry, unsaved }),
            None => {
                if unsaved {
                    self.unsaved_removals.insert(address);
                }
                self.addresses.remove(address)
            }
        };
        Change {
            net,
            list_entry: before.map(|before| before.list_entry),
            unsaved: before.map_or(was_removed, |before| before.unsaved),
        }
    }

    fn change_prefixes(
        &mut self,
        changes: Vec<Change>,
        now: KernelTime,
        writes: &mut MapWrites,
    ) -> Vec<Change> {
        let is_trust =
            |list_entry: &ListEntry| list_entry.kind == ListKind::Trusted && list_entry.until > now;
        let mut trusted = BTreeSet::new();
        let mut before = Vec::new();
        // A declaration may have to make room for another.
        let (come, go): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|change| change.list_entry.is_some());
        for &change in go.iter().chain(&come) {
            let Change { net, list_entry, unsaved } = change;
            let is_kept = list_entry.is_some() || unsaved;
            writes.declarations.push((net, is_kept.then_some(Declaration { list_entry, unsaved })));
            let was = self.keep_prefix(change);
            if was.list_entry.iter().chain(&list_entry).any(is_trust) {
                trusted.insert(net);
            }
            before.push(was);
        }
        let within: BTreeSet<_> =
            go.iter().chain(&come).flat_map(|change| self.prefixes.within(change.net)).collect();
        writes.prefixes.extend(within.into_iter().map(|net| (net, self.prefixes.prefix_entry(net))));
        // The longest first: an address is looked up in the longest prefix around it, and each speaks for those around.
        writes.prefixes.sort_by_key(|(net, _)| Reverse(net.prefix_len()));
        writes.removed_prefixes.extend(go.iter().map(|change| change.net));
        self.rewrite_addresses(&trusted, now, writes);
        before
    }

    fn keep_prefix(&mut self, Change { net, list_entry, unsaved }: Change) -> Change {
        let was_unsaved = self.unsaved_prefixes.remove(&net);
        if unsaved {
            self.unsaved_prefixes.insert(net);
        }
        let before = match list_entry {
            Some(list_entry) => self.prefixes.insert(net, list_entry),
            None => self.prefixes.remove(net),
        };
        Change { net, list_entry: before, unsaved: was_unsaved }
    }

    /// An address whose own entry has ended is looked up among the prefixes by the kernel itself, where it may have
    /// another entry by now. Of the others, only bans depend on the prefixes around them.
    fn rewrite_addresses(&self, trusted: &BTreeSet<IpNet>, now: KernelTime, writes: &mut MapWrites) {
        let mut outer: Option<IpNet> = None;
        for net in trusted {
            if outer.is_some_and(|outer| outer.contains(net)) {
                continue;
            }
            outer = Some(*net);
            let banned = self.addresses.within(*net).filter(|(_, entry)| {
                entry.list_entry.kind == ListKind::Banned && entry.list_entry.until > now
            });
            writes
                .shadowed
                .extend(banned.map(|(address, entry)| (address, self.source_entry(address, entry))));
        }
    }

    /// Marks the entry of this address or prefix, or its removal, as not in the store.
    #[must_use]
    pub fn mark_unsaved(&mut self, net: IpNet, now: KernelTime) -> MapWrites {
        let net = canonical(net);
        let list_entry = self.get(net, now);
        let Some(address) = single(net) else {
            return self.mark_prefix(Change { net, list_entry, unsaved: true }, now);
        };
        let mut writes = MapWrites::default();
        self.change_address(address, Change { net, list_entry, unsaved: true }, &mut writes);
        if !self.has_unsaved_address {
            self.has_unsaved_address = true;
            writes.declarations.push((SOME_ADDRESS, Some(Declaration { list_entry: None, unsaved: true })));
        }
        writes
    }

    fn mark_prefix(&mut self, change: Change, now: KernelTime) -> MapWrites {
        let Change { net, list_entry, unsaved } = change;
        if list_entry.is_none() {
            return self.make([change].into_iter(), now).0;
        }
        self.unsaved_prefixes.insert(net);
        let declaration = Declaration { list_entry, unsaved };
        MapWrites { declarations: vec![(net, Some(declaration))], ..MapWrites::default() }
    }

    /// Marks everything on the lists. The writes are those of the prefixes; addresses are too many to be copied, and
    /// follow by [`Self::address_writes`].
    #[must_use]
    pub fn mark_all_unsaved(&mut self) -> MapWrites {
        let mut writes = MapWrites::default();
        for (net, list_entry) in self.prefixes.iter() {
            self.unsaved_prefixes.insert(net);
            writes
                .declarations
                .push((net, Some(Declaration { list_entry: Some(list_entry), unsaved: true })));
        }
        self.addresses.mark_all_unsaved();
        self.has_unsaved_address = true;
        writes.declarations.push((SOME_ADDRESS, Some(Declaration { list_entry: None, unsaved: true })));
        writes
    }

    /// Prefixes whose entries have ended, so many at most.
    pub fn ended_prefixes(&self, most: usize, now: KernelTime) -> Vec<IpNet> {
        let ended = |(net, list_entry): (IpNet, ListEntry)| (list_entry.until <= now).then_some(net);
        self.prefixes.iter().filter_map(ended).take(most).collect()
    }

    /// Removes the addresses whose entries have ended. The kernel, which has other entries that end, is swept by itself.
    pub fn forget_ended_addresses(&mut self, now: KernelTime) {
        self.addresses.expire(now);
    }
}
