//! The lists against the words as people understand them, over maps as the kernel looks them up.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use xdp_prog::abi::kind;

use super::*;

const NOW: KernelTime = KernelTime::from_nanos(10);

/// The maps, and the look-up of the packet path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Maps {
    addresses: BTreeMap<IpAddr, SourceEntry>,
    declarations: BTreeMap<IpNet, Declaration>,
    prefixes: BTreeMap<IpNet, SourceEntry>,
}

impl Maps {
    /// Does the writes one by one, with a look at the maps after each.
    fn write(&mut self, writes: MapWrites, mut look: impl FnMut(&Self)) {
        let MapWrites { addresses, declarations, prefixes, removed_prefixes, shadowed, removed_addresses } =
            writes;
        for (address, entry) in addresses {
            self.addresses.insert(address, entry);
            look(self);
        }
        for (net, declaration) in declarations {
            match declaration {
                Some(declaration) => drop(self.declarations.insert(net, declaration)),
                None => drop(self.declarations.remove(&net)),
            }
        }
        for (net, entry) in prefixes {
            self.prefixes.insert(net, entry);
            look(self);
        }
        for net in removed_prefixes {
            self.prefixes.remove(&net);
            look(self);
        }
        for (address, entry) in shadowed {
            self.addresses.insert(address, entry);
            look(self);
        }
        for address in removed_addresses {
            self.addresses.remove(&address);
            look(self);
        }
    }

    /// Without shadows that are over, or are of entries that are: an undone change need not write those as they were.
    fn in_effect(&self, now: KernelTime) -> Self {
        let mut maps = self.clone();
        for entry in maps.addresses.values_mut().chain(maps.prefixes.values_mut()) {
            if entry.shadowed_until.min(entry.expires) <= now.as_nanos() {
                entry.shadowed_until = 0;
            }
        }
        maps
    }

    fn judge(&self, address: IpAddr, now: KernelTime) -> Option<ListKind> {
        let around = self.prefixes.iter().filter(|(net, _)| net.contains(&address));
        let longest = around.max_by_key(|(net, _)| net.prefix_len()).map(|(_, entry)| entry);
        let entry = self
            .addresses
            .get(&address)
            .into_iter()
            .chain(longest)
            .find(|entry| entry.kind != 0 && entry.expires > now.as_nanos())?;
        match entry.kind {
            kind::TRUSTED => Some(ListKind::Trusted),
            kind::BANNED if entry.shadowed_until > now.as_nanos() => Some(ListKind::Trusted),
            kind::BANNED => Some(ListKind::Banned),
            _ => None,
        }
    }
}

type Said = BTreeMap<IpNet, ListEntry>;

/// Trusted if any entry around says so, else banned if any does.
fn meant(said: &Said, address: IpAddr, now: KernelTime) -> Option<ListKind> {
    let says = |kind| {
        said.iter().any(|(net, entry)| net.contains(&address) && entry.kind == kind && entry.until > now)
    };
    [ListKind::Trusted, ListKind::Banned].into_iter().find(|kind| says(*kind))
}

fn addresses() -> impl Iterator<Item = IpAddr> {
    (0..16).map(|last| IpAddr::from([192, 0, 2, last]))
}

fn net() -> impl Strategy<Value = IpNet> {
    (0..16_u8, 28..=32_u8)
        .prop_map(|(last, length)| IpNet::new([192, 0, 2, last].into(), length).unwrap().trunc())
}

/// Its end is in so much time.
fn entry() -> impl Strategy<Value = ListEntry> {
    (any::<bool>(), 1..8_u64).prop_map(|(trusted, until)| {
        let kind = if trusted { ListKind::Trusted } else { ListKind::Banned };
        ListEntry { kind, until: KernelTime::from_nanos(until), origin: Origin::Hand }
    })
}

#[derive(Clone, Debug)]
enum Step {
    Change(BTreeMap<IpNet, Option<ListEntry>>),
    /// A change that fails and is undone.
    Undone(BTreeMap<IpNet, Option<ListEntry>>),
    Mark(IpNet),
    Purge,
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    let changes = || prop::collection::btree_map(net(), prop::option::of(entry()), 1..6);
    prop_oneof![
        4 => changes().prop_map(Step::Change),
        2 => changes().prop_map(Step::Undone),
        2 => net().prop_map(Step::Mark),
        1 => Just(Step::Purge),
        2 => Just(Step::Wait),
    ]
}

/// The lists, their maps, and the words.
#[derive(Default)]
struct World {
    lists: ListEntries,
    maps: Maps,
    said: Said,
    now: KernelTime,
}

impl World {
    fn step(&mut self, step: Step) {
        let now = self.now;
        let lasting = |changes: BTreeMap<IpNet, Option<ListEntry>>| -> Vec<ListChange> {
            let until = |entry: ListEntry| {
                let lasts = entry.until.since(KernelTime::START);
                ListEntry { until: now + lasts, ..entry }
            };
            changes.into_iter().map(|(net, entry)| (net, entry.map(until))).collect()
        };
        match step {
            Step::Change(changes) => self.change(&lasting(changes)),
            Step::Undone(changes) => {
                let (maps, lists) = (self.maps.clone(), format!("{:?}", self.lists));
                let (writes, undo) = self.lists.change(&lasting(changes), now);
                self.maps.write(writes, |_| {});
                self.maps.write(self.lists.undo(undo, now), |_| {});
                assert_eq!(self.maps.in_effect(now), maps.in_effect(now));
                assert_eq!(format!("{:?}", self.lists), lists);
            }
            Step::Mark(net) => {
                self.maps.write(self.lists.mark_unsaved(net, now), |_| {});
                assert!(self.lists.is_unsaved());
            }
            Step::Purge => {
                let ended = self.lists.ended_prefixes(usize::MAX, now);
                let changes: Vec<_> = ended.into_iter().map(|net| (net, None)).collect();
                self.maps.write(self.lists.change(&changes, now).0, |_| {});
                self.lists.forget_ended_addresses(now);
                self.maps.addresses.retain(|_, entry| entry.expires > now.as_nanos());
            }
            Step::Wait => self.now += Duration::from_nanos(1),
        }
    }

    fn change(&mut self, changes: &[ListChange]) {
        let (before, now) = (self.said.clone(), self.now);
        for (net, list_entry) in changes {
            match list_entry {
                Some(list_entry) => drop(self.said.insert(*net, *list_entry)),
                None => drop(self.said.remove(net)),
            }
        }
        let after = &self.said;
        let (writes, _) = self.lists.change(changes, now);
        self.maps.write(writes, |maps| {
            for address in addresses() {
                let stays = meant(&before, address, now).is_some() && meant(after, address, now).is_some();
                assert!(!stays || maps.judge(address, now).is_some(), "{address} is off the lists meanwhile");
            }
        });
    }

    fn check(&self) {
        let Self { lists, maps, said, now } = self;
        for address in addresses() {
            for at in (0..9).map(|passed| *now + Duration::from_nanos(passed)) {
                assert_eq!(maps.judge(address, at), meant(said, address, at), "{address} at {at:?}");
            }
            assert_eq!(lists.trusts(address, *now), meant(said, address, *now) == Some(ListKind::Trusted));
        }
        for kind in [ListKind::Trusted, ListKind::Banned] {
            let mut listed: Vec<_> = lists.list(kind, *now).map(|(net, entry)| (net, entry.until)).collect();
            listed.sort();
            let expected = said.iter().filter(|(_, entry)| entry.kind == kind && entry.until > *now);
            assert_eq!(listed, expected.map(|(net, entry)| (*net, entry.until)).collect::<Vec<_>>());
        }
        for (address, entry) in lists.address_writes() {
            assert_eq!(maps.addresses[&address].is_unsaved(), entry.is_unsaved(), "{address}");
        }
    }
}

proptest! {
    #[test]
    fn the_maps_mean_what_was_said(steps in prop::collection::vec(step(), 1..14)) {
        let mut world = World::default();
        for step in steps {
            world.step(step);
            world.check();
        }
    }
}

#[test]
fn marks_survive_a_change_of_the_trust_around_them() {
    let net = |text: &str| text.parse::<IpNet>().unwrap();
    let list_entry = |kind| Some(ListEntry { kind, until: KernelTime::FOREVER, origin: Origin::Hand });
    let (mut lists, mut maps) = (ListEntries::default(), Maps::default());
    let (address, around) = (net("192.0.2.7/32"), net("192.0.2.0/24"));
    maps.write(lists.change(&[(address, list_entry(ListKind::Banned))], NOW).0, |_| {});
    assert!(!lists.is_unsaved());
    maps.write(lists.mark_unsaved(address, NOW), |_| {});
    assert!(maps.declarations.contains_key(&SOME_ADDRESS));
    for (trust, shadowed_until) in [(list_entry(ListKind::Trusted), FOREVER), (None, 0)] {
        maps.write(lists.change(&[(around, trust)], NOW).0, |_| {});
        let entry = maps.addresses[&address.addr()];
        assert_eq!((entry.shadowed_until, entry.is_unsaved()), (shadowed_until, true));
        assert_eq!(lists.address_write(address.addr()), Some(entry));
    }
}

#[test]
fn a_ban_is_never_made_shorter_and_trust_is_not_banned() {
    let net = "192.0.2.0/24".parse::<IpNet>().unwrap();
    let mut lists = ListEntries::default();
    let ban = |lists: &ListEntries, until| lists.ban(net, KernelTime::from_nanos(until), Origin::Guard, NOW);
    let first = ban(&lists, 50).unwrap();
    assert_eq!((first.until.as_nanos(), first.origin), (50, Origin::Guard));
    let _ = lists.change(&[(net, Some(first))], NOW);
    assert_eq!([40, 60].map(|until| ban(&lists, until).unwrap().until.as_nanos()), [50, 60]);
    let _ = lists.change(&[(net, Some(ListEntry { kind: ListKind::Trusted, ..first }))], NOW);
    assert_eq!(ban(&lists, 60), None);
}
