//! Trusted beats banned, and the longest prefix is all that the kernel looks at: so what was said about
//! nested prefixes is resolved here, before it is written.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use xdp_prog::abi::{SourceEntry, kind};

use sipward_types::address::canonical;
use sipward_types::list_entry::{ListEntry, ListKind};
use sipward_types::time::KernelTime;

/// The list entries of prefixes, one for each.
#[derive(Clone, Debug, Default)]
pub struct PrefixEntries {
    list_entries: BTreeMap<IpNet, ListEntry>,
    lengths: Lengths,
}

/// The number of prefixes of each length. People use few lengths, and only those need be looked for around an
/// address.
#[derive(Clone, Debug)]
struct Lengths {
    v4: [u32; 33],
    v6: [u32; 129],
}

impl Default for Lengths {
    fn default() -> Self {
        Self { v4: [0; _], v6: [0; _] }
    }
}

impl Lengths {
    fn of(&self, net: IpNet) -> &[u32] {
        match net {
            IpNet::V4(_) => &self.v4,
            IpNet::V6(_) => &self.v6,
        }
    }

    fn count(&mut self, net: IpNet) -> &mut u32 {
        let length = usize::from(net.prefix_len());
        match net {
            IpNet::V4(_) => &mut self.v4[length],
            IpNet::V6(_) => &mut self.v6[length],
        }
    }
}

impl PrefixEntries {
    pub fn insert(&mut self, net: IpNet, list_entry: ListEntry) -> Option<ListEntry> {
        let net = canonical(net);
        let before = self.list_entries.insert(net, list_entry);
        if before.is_none() {
            *self.lengths.count(net) += 1;
        }
        before
    }

    pub fn remove(&mut self, net: IpNet) -> Option<ListEntry> {
        let net = canonical(net);
        let before = self.list_entries.remove(&net)?;
        *self.lengths.count(net) -= 1;
        Some(before)
    }

    pub fn get(&self, net: IpNet) -> Option<ListEntry> {
        self.list_entries.get(&canonical(net)).copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = (IpNet, ListEntry)> + '_ {
        self.list_entries.iter().map(|(net, list_entry)| (*net, *list_entry))
    }

    /// The prefixes within `net`, itself included.
    pub fn within(&self, net: IpNet) -> impl Iterator<Item = IpNet> + '_ {
        let net = canonical(net);
        self.list_entries.range(net..).map(|(inner, _)| *inner).take_while(move |inner| net.contains(inner))
    }

    /// The entries of prefixes that hold all of `net`, itself included, the longest first.
    pub fn covering(&self, net: IpNet) -> impl Iterator<Item = (IpNet, ListEntry)> + '_ {
        let net = canonical(net);
        let lengths = self.lengths.of(net);
        (0..=net.prefix_len()).rev().filter(|length| lengths[usize::from(*length)] > 0).filter_map(
            move |length| {
                let around = IpNet::new_assert(net.addr(), length).trunc();
                Some((around, *self.list_entries.get(&around)?))
            },
        )
    }

    /// The entry that the kernel must hold for a prefix on a list. It finds this entry and never one of a shorter
    /// prefix, not even when this one has run out: so the entry speaks for all of them.
    pub fn prefix_entry(&self, net: IpNet) -> SourceEntry {
        entry(self.until(net, ListKind::Trusted), self.until(net, ListKind::Banned))
    }

    /// The entry that the kernel must hold for an address of which `own` is said; the entry always shows that. When it
    /// has run out, the kernel goes on to the prefixes by itself.
    pub fn address_entry(&self, address: IpAddr, own: ListEntry) -> SourceEntry {
        let (kind, shadowed_until) = match own.kind {
            ListKind::Trusted => (kind::TRUSTED, KernelTime::START),
            ListKind::Banned => (kind::BANNED, self.until(address.into(), ListKind::Trusted)),
        };
        source_entry(kind, own.until, shadowed_until)
    }

    fn until(&self, net: IpNet, kind: ListKind) -> KernelTime {
        let list_entries = self.covering(net).filter(|(_, list_entry)| list_entry.kind == kind);
        list_entries.map(|(_, list_entry)| list_entry.until).max().unwrap_or_default()
    }
}

/// Trusted until one time and banned until another, in one entry.
fn entry(trusted_until: KernelTime, banned_until: KernelTime) -> SourceEntry {
    if trusted_until >= banned_until {
        source_entry(kind::TRUSTED, trusted_until, KernelTime::START)
    } else {
        source_entry(kind::BANNED, banned_until, trusted_until)
    }
}

/// As the maps hold it.
fn source_entry(kind: u32, expires: KernelTime, shadowed_until: KernelTime) -> SourceEntry {
    SourceEntry {
        expires: expires.as_nanos(),
        shadowed_until: shadowed_until.as_nanos(),
        kind,
        phones_or_mark: 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use xdp_prog::abi::FOREVER;

    use super::*;
    use sipward_types::list_entry::{Origin, single};

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn list_entries(list: &[(&str, ListKind, u64)]) -> PrefixEntries {
        let mut list_entries = PrefixEntries::default();
        for &(text, kind, until) in list {
            list_entries.insert(
                net(text),
                ListEntry { kind, until: KernelTime::from_nanos(until), origin: Origin::Hand },
            );
        }
        list_entries
    }

    use ListKind::{Banned, Trusted};

    #[test]
    fn a_ban_inside_a_trusted_prefix_sleeps_as_long_as_the_trust() {
        let list_entries = list_entries(&[("192.0.2.0/24", Trusted, 50)]);
        let own = ListEntry { kind: Banned, until: KernelTime::from_nanos(80), origin: Origin::Hand };
        let entry = list_entries.address_entry("192.0.2.7".parse().unwrap(), own);
        assert_eq!((entry.kind, entry.expires, entry.shadowed_until), (kind::BANNED, 80, 50));
        let short = list_entries.address_entry(
            "192.0.2.7".parse().unwrap(),
            ListEntry { until: KernelTime::from_nanos(20), ..own },
        );
        assert_eq!((short.kind, short.expires, short.shadowed_until), (kind::BANNED, 20, 50));
        let outside = list_entries.address_entry("192.0.3.7".parse().unwrap(), own);
        assert_eq!((outside.kind, outside.expires, outside.shadowed_until), (kind::BANNED, 80, 0));
    }

    #[test]
    fn nested_prefixes_speak_for_those_around_them() {
        for (list, prefix, expected) in [
            // A trusted hole in a ban: the ban is back when the trust runs out.
            (
                &[("10.0.0.0/8", Banned, FOREVER), ("10.1.0.0/16", Trusted, 50)][..],
                "10.1.0.0/16",
                (kind::BANNED, FOREVER, 50),
            ),
            // A ban in trusted space sleeps.
            (
                &[("10.0.0.0/8", Trusted, FOREVER), ("10.1.0.0/16", Banned, 50)],
                "10.1.0.0/16",
                (kind::TRUSTED, FOREVER, 0),
            ),
            // A short ban in a long one does not end it.
            (
                &[("10.0.0.0/8", Banned, 90), ("10.1.0.0/16", Banned, 50)],
                "10.1.0.0/16",
                (kind::BANNED, 90, 0),
            ),
            // A shorter trust within does not end the longer one.
            (
                &[("2001:db8::/32", Trusted, 90), ("2001:db8:1::/48", Trusted, 50)],
                "2001:db8:1::/48",
                (kind::TRUSTED, 90, 0),
            ),
            // The one around is not changed by the one within.
            (
                &[("10.0.0.0/8", Banned, 90), ("10.1.0.0/16", Trusted, 95)],
                "10.0.0.0/8",
                (kind::BANNED, 90, 0),
            ),
        ] {
            let entry = list_entries(list).prefix_entry(net(prefix));
            assert_eq!((entry.kind, entry.expires, entry.shadowed_until), expected, "{list:?} {prefix}");
        }
    }

    #[test]
    fn a_mapped_prefix_is_the_ipv4_one() {
        let list_entries = list_entries(&[("::ffff:192.0.2.0/120", Trusted, 50)]);
        assert!(list_entries.get(net("192.0.2.0/24")).is_some());
        assert_eq!(single(net("::ffff:192.0.2.1/128")), Some("192.0.2.1".parse().unwrap()));
        assert_eq!(single(net("192.0.2.0/31")), None);
    }

    /// The meaning of the lists, without any entry: trusted if anything that holds says so, else banned.
    fn meant(
        prefixes: &PrefixEntries,
        own: Option<ListEntry>,
        address: IpAddr,
        now: KernelTime,
    ) -> Option<ListKind> {
        let said = |kind| {
            let holds = |list_entry: ListEntry| list_entry.kind == kind && list_entry.until > now;
            own.is_some_and(holds)
                || prefixes.iter().any(|(net, list_entry)| net.contains(&address) && holds(list_entry))
        };
        if said(Trusted) { Some(Trusted) } else { said(Banned).then_some(Banned) }
    }

    /// The kernel's reading of the entries; compare `judge::source_status` in the packet path.
    fn judged(
        prefixes: &PrefixEntries,
        own: Option<ListEntry>,
        address: IpAddr,
        now: KernelTime,
    ) -> Option<ListKind> {
        let exact = own.map(|own| prefixes.address_entry(address, own));
        let longest = prefixes
            .iter()
            .map(|(net, _)| net)
            .filter(|net| net.contains(&address))
            .max_by_key(IpNet::prefix_len)
            .map(|net| prefixes.prefix_entry(net));
        let entry = [exact, longest].into_iter().flatten().find(|entry| entry.expires > now.as_nanos())?;
        Some(if entry.kind == kind::TRUSTED || entry.shadowed_until > now.as_nanos() {
            Trusted
        } else {
            Banned
        })
    }

    fn list_entry() -> impl Strategy<Value = ListEntry> {
        (any::<bool>(), 1..8u64).prop_map(|(trusted, until)| {
            let kind = if trusted { Trusted } else { Banned };
            ListEntry { kind, until: KernelTime::from_nanos(until), origin: Origin::Hand }
        })
    }

    proptest! {
        #[test]
        fn entries_mean_what_was_said_at_any_time(
            prefixes in prop::collection::vec((0..16u8, 24..32u8, list_entry()), 0..8),
            own in prop::option::of(list_entry()),
            last in 0..16u8,
        ) {
            let mut list_entries = PrefixEntries::default();
            for (byte, length, list_entry) in prefixes {
                list_entries.insert(IpNet::new([192, 0, 2, byte].into(), length).unwrap(), list_entry);
            }
            let address = IpAddr::from([192, 0, 2, last]);
            for now in (0..9).map(KernelTime::from_nanos) {
                prop_assert_eq!(judged(&list_entries, own, address, now), meant(&list_entries, own, address, now), "at {:?}", now);
            }
        }

        #[test]
        fn within_and_covering_agree(
            prefixes in prop::collection::vec((any::<u8>(), 20..32u8), 1..12),
        ) {
            let mut list_entries = PrefixEntries::default();
            for (byte, length) in prefixes {
                let net = IpNet::new([192, 0, byte, byte].into(), length).unwrap();
                list_entries.insert(net, ListEntry { kind: Banned, until: KernelTime::FOREVER, origin: Origin::Hand });
            }
            for (outer, _) in list_entries.iter() {
                for (inner, _) in list_entries.iter() {
                    let within = list_entries.within(outer).any(|net| net == inner);
                    prop_assert_eq!(within, list_entries.covering(inner).any(|(net, _)| net == outer));
                    prop_assert_eq!(within, outer.contains(&inner));
                }
            }
        }
    }
}
