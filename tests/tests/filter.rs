//! The maps of the loaded filter: reads return what was written, and verdicts follow it.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use ipnet::IpNet;
use proptest::{
    prelude::*,
    test_runner::{Config as Cases, TestRunner},
};
use sipward::lists::Lists;
use sipward_engine::policy::Config;
use sipward_kernel::clock::now;
use sipward_kernel::{Error, Filter, LoadOptions, Tables};
use sipward_signature::SignatureSet;
use sipward_tests::{
    frame::udp,
    message::{clean, request},
};
use sipward_types::list_entry::{ListEntry, ListKind, Origin};
use sipward_types::time::KernelTime;
use xdp_prog::{
    abi::{FOREVER, Policy, SourceEntry, kind},
    reason::Reason,
};

const XDP_DROP: u32 = 1;

fn filter(options: &LoadOptions) -> Filter {
    Filter::load(options).unwrap()
}

/// No limits, so that only the lists and the signatures speak.
fn lists_only() -> Box<Policy> {
    let toml = "
        options = 'pass'
        [flows]
        per_source = 'off'
        per_prefix = 'off'
        [rate]
        register = 'off'
        other = 'off'
        [prefix_rate]
        register = 'off'
        other = 'off'
    ";
    Config::parse(toml, "the test").unwrap().resolve().unwrap().policy
}

fn dropped(filter: &mut Filter, frame: &[u8]) -> bool {
    filter.test_run(frame, 1).unwrap().0 == XDP_DROP
}

fn banned(expires: u64) -> SourceEntry {
    SourceEntry { expires, kind: kind::BANNED, ..SourceEntry::default() }
}

#[test]
fn without_a_policy_everything_passes() {
    let mut filter = filter(&LoadOptions::default());
    assert_eq!(filter.policy().unwrap(), None);
    assert!(!dropped(&mut filter, &udp().carrying(request("OPTIONS", "friendly-scanner")).build()));
}

#[test]
fn the_policy_is_the_one_that_was_set_last() {
    let mut filter = filter(&LoadOptions::default());
    let mut policy = lists_only();
    for enforce in [1, 0, 1] {
        policy.enforce = enforce;
        filter.set_policy(&policy).unwrap();
        assert_eq!(filter.policy().unwrap().as_deref(), Some(&*policy));
    }
}

#[test]
fn a_million_sources_go_in_at_once_and_each_is_found() {
    let mut filter = filter(&LoadOptions::default());
    filter.set_policy(&lists_only()).unwrap();
    let address = |n: u32| IpAddr::from(Ipv4Addr::from(0x0b00_0000 + n));
    let count = 1_000_000;
    let start = Instant::now();
    filter.sources().unwrap().put_all((0..count).map(|n| (address(n), banned(u64::from(n) + 1)))).unwrap();
    println!("a million bans in {:?}", start.elapsed());
    let sources = filter.sources().unwrap();
    for n in [0, 1, 77_777, count - 1] {
        assert_eq!(sources.get(address(n)).unwrap(), Some(banned(u64::from(n) + 1)));
    }
    assert_eq!(sources.get(address(count)).unwrap(), None);
    assert_eq!(sources.iter().filter(|item| item.is_ok()).count(), count as usize);
}

#[test]
fn both_families_come_back_from_the_maps_as_they_went_in() {
    let mut filter = filter(&LoadOptions::default());
    for text in ["192.0.2.1", "2001:db8::1"] {
        let address: IpAddr = text.parse().unwrap();
        let mut sources = filter.sources().unwrap();
        sources.put(address, banned(7)).unwrap();
        assert_eq!(sources.iter().collect::<Result<Vec<_>, _>>().unwrap(), [(address, banned(7))]);
        assert!(sources.remove(address).unwrap());
        assert!(!sources.remove(address).unwrap());
    }
    for text in ["192.0.2.0/24", "2001:db8::/32"] {
        let net: IpNet = text.parse().unwrap();
        let mut prefixes = filter.prefixes().unwrap();
        prefixes.put(net, banned(7)).unwrap();
        assert_eq!(prefixes.iter().collect::<Result<Vec<_>, _>>().unwrap(), [(net, banned(7))]);
        assert!(prefixes.remove(net).unwrap());
        assert!(!prefixes.remove(net).unwrap());
    }
}

#[test]
fn bans_that_have_run_out_make_room_for_new_ones() {
    let mut filter = filter(&LoadOptions { max_sources: Some(4), ..LoadOptions::default() });
    let now = now();
    let net = |n: u8| IpNet::from(IpAddr::from([192, 0, 2, n]));
    let mut lists = Lists::open(&mut filter).unwrap();
    let mut ban = |n, until| {
        let ban = ListEntry { kind: ListKind::Banned, until, origin: Origin::Hand };
        lists.set_all(&mut filter, &[(net(n), Some(ban))], now)
    };
    for n in 0..4 {
        ban(n, if n == 0 { now - Duration::from_nanos(1) } else { KernelTime::FOREVER }).unwrap();
    }
    ban(4, KernelTime::FOREVER).unwrap();
    let error = ban(5, KernelTime::FOREVER).unwrap_err();
    assert!(matches!(error, Error::Full { .. }), "{error}");
    assert_eq!(on_list(&mut filter, ListKind::Banned), (1..5).map(net).collect::<Vec<_>>());
}

#[test]
fn what_there_is_no_room_for_changes_nothing() {
    let mut filter = filter(&LoadOptions { max_sources: Some(4), ..LoadOptions::default() });
    filter.set_policy(&lists_only()).unwrap();
    let list_entry = |kind| Some(ListEntry { kind, until: KernelTime::FOREVER, origin: Origin::Hand });
    let (trusted, banned) = (list_entry(ListKind::Trusted), list_entry(ListKind::Banned));
    let net = |text: &str| text.parse::<IpNet>().unwrap();
    let mut lists = Lists::open(&mut filter).unwrap();
    let before = [
        (net("192.0.2.0/24"), trusted),
        (net("192.0.2.1/32"), banned),
        (net("198.51.100.0/24"), banned),
        (net("203.0.113.1/32"), trusted),
    ];
    lists.set_all(&mut filter, &before, now()).unwrap();
    let mut after =
        vec![(net("192.0.2.0/24"), None), (net("198.51.100.0/24"), trusted), (net("203.0.113.1/32"), banned)];
    after.extend((0..4).map(|n| (IpNet::from(IpAddr::from([10, 0, 0, n])), banned)));
    let error = lists.set_all(&mut filter, &after, now()).unwrap_err();
    assert!(matches!(error, Error::Full { .. }), "{error}");
    assert_eq!(on_list(&mut filter, ListKind::Trusted), [net("192.0.2.0/24"), net("203.0.113.1/32")]);
    assert_eq!(on_list(&mut filter, ListKind::Banned), [net("192.0.2.1/32"), net("198.51.100.0/24")]);
    for (source, drops) in [("192.0.2.1", false), ("198.51.100.1", true), ("203.0.113.1", false)] {
        let frame = udp().from(&format!("{source}:5060")).carrying(clean("REGISTER")).build();
        assert_eq!(dropped(&mut filter, &frame), drops, "{source}");
    }
}

#[test]
fn prefixes_that_have_run_out_are_cleared_away_and_change_nothing() {
    let mut filter = filter(&LoadOptions::default());
    filter.set_policy(&lists_only()).unwrap();
    let now = now();
    let hour = now + Duration::from_secs(3_600);
    // The filter's clock is coarse, and behind by some milliseconds.
    let over = now - Duration::from_secs(1);
    let mut lists = Lists::open(&mut filter).unwrap();
    for (net, kind, until) in [
        ("192.0.2.0/24", ListKind::Banned, hour),
        ("192.0.2.128/25", ListKind::Banned, over),
        ("192.0.2.192/26", ListKind::Trusted, over),
        ("192.0.2.200/32", ListKind::Banned, hour),
    ] {
        let list_entry = ListEntry { kind, until, origin: Origin::Hand };
        lists.set_all(&mut filter, &[(net.parse().unwrap(), Some(list_entry))], now).unwrap();
    }
    assert_eq!(lists.purge(&mut filter, None, now).unwrap().removed, 2);
    let nets: Vec<_> = filter.prefixes().unwrap().iter().map(|item| item.unwrap().0.to_string()).collect();
    assert_eq!(nets, ["192.0.2.0/24"]);
    for last in [1, 130, 195, 200] {
        let frame = udp().from(&format!("192.0.2.{last}:5060")).carrying(clean("REGISTER")).build();
        assert!(dropped(&mut filter, &frame), "192.0.2.{last}");
    }
}

fn on_list(tables: &mut Tables, kind: ListKind) -> Vec<IpNet> {
    let mut lists = Lists::open(tables).unwrap();
    let mut nets: Vec<_> = lists.list(tables, kind, now()).unwrap().map(|(net, _)| net).collect();
    nets.sort();
    nets
}

#[test]
fn hits_stay_with_their_signature_when_the_set_is_swapped() {
    let set = |names: &[&str]| {
        let table =
            |name| format!("[[signature]]\nname = '{name}'\nin = 'User-Agent'\ncontains = '{name}'\n");
        let text: String = names.iter().map(table).collect();
        SignatureSet::parse(&text, "the test").unwrap().compile().unwrap()
    };
    let mut filter = filter(&LoadOptions::default());
    filter.set_policy(&lists_only()).unwrap();
    let put = |filter: &mut Filter, names: &[&str]| {
        let compiled = set(names);
        filter.set_signatures(&compiled.tables).unwrap();
        filter.set_signature_names(&compiled.names).unwrap();
        assert_eq!(filter.signature_names().unwrap(), names);
    };
    let hits = |filter: &Filter| {
        let names = filter.signature_names().unwrap();
        names.into_iter().zip(filter.signature_hits().unwrap()).collect::<BTreeMap<_, _>>()
    };
    let scan = |name| udp().carrying(request("REGISTER", name)).build();

    put(&mut filter, &["first-scanner", "second-scanner"]);
    for (name, times) in [("first-scanner", 2), ("second-scanner", 3)] {
        for _ in 0..times {
            assert!(dropped(&mut filter, &scan(name)), "{name}");
        }
    }
    assert!(!dropped(&mut filter, &scan("third-scanner")));
    assert_eq!(hits(&filter), BTreeMap::from([("first-scanner".into(), 2), ("second-scanner".into(), 3)]));

    put(&mut filter, &["third-scanner", "another-scanner", "second-scanner"]);
    assert!(!dropped(&mut filter, &scan("first-scanner")));
    assert!(dropped(&mut filter, &scan("third-scanner")));
    let expected = [("third-scanner", 1), ("another-scanner", 0), ("second-scanner", 3)];
    assert_eq!(hits(&filter), expected.map(|(name, hits)| (name.to_owned(), hits)).into());
    put(&mut filter, &["second-scanner"]);
    assert_eq!(hits(&filter), BTreeMap::from([("second-scanner".into(), 3)]));
}

#[test]
fn counters_tell_monitor_mode_from_drops() {
    let mut filter = filter(&LoadOptions::default());
    let mut policy = lists_only();
    let frame = udp().from("192.0.2.1:5060").carrying(clean("REGISTER")).build();
    filter.sources().unwrap().put("192.0.2.1".parse().unwrap(), banned(FOREVER)).unwrap();
    for (enforce, drops) in [(0, false), (1, true)] {
        policy.enforce = enforce;
        filter.set_policy(&policy).unwrap();
        assert_eq!(dropped(&mut filter, &frame), drops);
    }
    let count = filter.counters().unwrap().into_iter().find(|count| count.reason == Reason::Ban).unwrap();
    let bytes = frame.len() as u64;
    assert_eq!((count.enforced.packets, count.enforced.bytes), (1, bytes));
    assert_eq!((count.monitored.packets, count.monitored.bytes), (1, bytes));
}

#[derive(Clone, Debug)]
enum Step {
    Trust(IpNet),
    Ban(IpNet),
    Forget(IpNet, ListKind),
    /// At once, whatever was said before.
    Set(BTreeMap<IpNet, Option<ListKind>>),
}

/// Addresses and prefixes of 192.0.2.0/28, so that most steps meet an older one; and one with too many addresses to look
/// for each.
fn step() -> impl Strategy<Value = Step> {
    let net = || {
        (0..16u8, prop_oneof![1 => Just(16), 8 => 28..=32u8])
            .prop_map(|(last, length)| IpNet::new([192, 0, 2, last].into(), length).unwrap().trunc())
    };
    let kind = prop_oneof![Just(ListKind::Trusted), Just(ListKind::Banned)];
    let set = prop::collection::btree_map(net(), prop::option::of(kind), 0..6);
    prop_oneof![
        net().prop_map(Step::Trust),
        net().prop_map(Step::Ban),
        net().prop_map(|net| Step::Forget(net, ListKind::Trusted)),
        net().prop_map(|net| Step::Forget(net, ListKind::Banned)),
        set.prop_map(Step::Set),
    ]
}

/// The words as people understand them, without any map.
#[derive(Default)]
struct Said(BTreeMap<IpNet, ListKind>);

impl Said {
    fn follow(&mut self, step: &Step) {
        match step {
            Step::Trust(net) => drop(self.0.insert(*net, ListKind::Trusted)),
            Step::Ban(net) => drop(self.0.entry(*net).or_insert(ListKind::Banned)),
            Step::Forget(net, kind) if self.0.get(net) == Some(kind) => drop(self.0.remove(net)),
            Step::Forget(..) => {}
            Step::Set(all) => {
                self.0.extend(all.iter().filter_map(|(net, kind)| Some((*net, (*kind)?))));
                self.0.retain(|net, _| all.get(net) != Some(&None));
            }
        }
    }

    fn drops(&self, address: IpAddr) -> bool {
        let said = |kind| self.0.iter().any(|(net, other)| *other == kind && net.contains(&address));
        said(ListKind::Banned) && !said(ListKind::Trusted)
    }
}

#[test]
fn whatever_is_said_in_whatever_order_the_filter_does_what_it_means() {
    let filter = std::cell::RefCell::new(filter(&LoadOptions::default()));
    filter.borrow_mut().set_policy(&lists_only()).unwrap();
    let until = now() + Duration::from_secs(3_600);
    let steps = prop::collection::vec(step(), 1..12);
    let outcome =
        TestRunner::new(Cases::with_cases(60)).run(&(steps, any::<bool>()), |(steps, by_command)| {
            let mut filter = filter.borrow_mut();
            let mut said = Said::default();
            // A daemon reads all at once; a command opens the lists anew, and reads what it is about.
            let mut lists = Lists::open(&mut filter).unwrap();
            lists.complete(&mut filter).unwrap();
            for step in steps {
                if by_command {
                    lists = Lists::open(&mut filter).unwrap();
                }
                let list_entry = |kind| ListEntry { kind, until, origin: Origin::Hand };
                let changes = match &step {
                    Step::Trust(net) => vec![(*net, Some(list_entry(ListKind::Trusted)))],
                    Step::Ban(net) => {
                        let ban = lists.ban(&mut filter, *net, until, Origin::Hand, now()).unwrap();
                        prop_assert_eq!(ban.is_none(), said.0.get(net) == Some(&ListKind::Trusted));
                        ban.into_iter().map(|ban| (*net, Some(ban))).collect()
                    }
                    Step::Forget(net, kind) => {
                        let before = lists.get(&mut filter, *net, now()).unwrap().map(|before| before.kind);
                        prop_assert_eq!(before, said.0.get(net).copied());
                        if before == Some(*kind) { vec![(*net, None)] } else { vec![] }
                    }
                    Step::Set(all) => all.iter().map(|(net, kind)| (*net, kind.map(list_entry))).collect(),
                };
                lists.set_all(&mut filter, &changes, now()).unwrap();
                said.follow(&step);
                for last in 0..16 {
                    let address = IpAddr::from([192, 0, 2, last]);
                    let frame = udp().from(&format!("{address}:5060")).carrying(clean("REGISTER")).build();
                    prop_assert_eq!(
                        dropped(&mut filter, &frame),
                        said.drops(address),
                        "{} after {:?}",
                        address,
                        step
                    );
                }
            }
            for kind in [ListKind::Trusted, ListKind::Banned] {
                let nets: Vec<_> =
                    said.0.iter().filter(|(_, other)| **other == kind).map(|(net, _)| *net).collect();
                prop_assert_eq!(on_list(&mut filter, kind), nets.clone());
                for net in nets {
                    lists.set_all(&mut filter, &[(net, None)], now()).unwrap();
                }
                prop_assert_eq!(on_list(&mut filter, kind), vec![]);
            }
            Ok(())
        });
    outcome.unwrap();
}
