//! A model test: the store equals a map in memory after any operations.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::store::Counts;
use sipward_types::address::{canonical, to_prefix};

#[derive(Clone, Debug)]
enum Step {
    Put(Entry),
    Remove(IpNet),
    /// Undoes everything since the last commit.
    Rollback,
    Commit,
    Wait(Duration),
    Reboot,
    Purge,
}

/// The expected content of the store, with times that no reboot changes.
#[derive(Default)]
struct Model(BTreeMap<([u8; 16], u8), Entry>);

impl Model {
    fn put(&mut self, entry: &Entry) {
        self.0.insert(to_prefix(entry.net), Entry { net: canonical(entry.net), ..entry.clone() });
    }

    fn alive(&self, now: KernelTime) -> impl Iterator<Item = &Entry> {
        self.0.values().filter(move |entry| entry.until > now)
    }
}

/// The time since the first boot, and the boot that it is.
#[derive(Clone, Copy)]
struct Time {
    now: Duration,
    boot: usize,
    began: Duration,
}

const BOOTS: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

impl Time {
    fn clock(self) -> Clock {
        Clock { boot: BOOTS[self.boot], kernel: uptime(self.now - self.began), wall: TODAY + self.now }
    }

    /// Of a time since the first boot, as kernel time of this boot.
    fn until(self, until: KernelTime) -> KernelTime {
        if until == FOREVER { FOREVER } else { until - self.began }
    }
}

fn any_net() -> impl Strategy<Value = IpNet> {
    let v4 = (any::<u32>(), 0..=32u8)
        .prop_map(|(bits, length)| IpNet::new_assert(std::net::Ipv4Addr::from(bits).into(), length));
    let v6 = (any::<u128>(), 0..=128u8)
        .prop_map(|(bits, length)| IpNet::new_assert(std::net::Ipv6Addr::from(bits).into(), length));
    let near =
        (0..4u8, 28..=32u8).prop_map(|(last, length)| IpNet::new_assert([192, 0, 2, last].into(), length));
    prop_oneof![v4, v6, near].prop_map(canonical)
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let words = (prop::option::of(".{0,20}"), prop::option::of(".{0,20}"));
    let kind = prop_oneof![Just(ListKind::Trusted), Just(ListKind::Banned)];
    let origin = prop_oneof![
        Just(Origin::Config),
        Just(Origin::Hand),
        Just(Origin::Import),
        Just(Origin::Kernel),
        Just(Origin::Guard),
    ];
    let until = prop_oneof![Just(FOREVER), (0..100_000_000_000u64).prop_map(KernelTime::from_nanos)];
    (any_net(), kind, until, any::<u64>(), origin, words).prop_map(
        |(net, kind, until, since, origin, (note, evidence))| Entry {
            net,
            kind,
            until,
            since: WallTime::from_millis(since),
            origin,
            note,
            evidence,
        },
    )
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any_entry().prop_map(Step::Put),
        3 => any_net().prop_map(Step::Remove),
        1 => Just(Step::Rollback),
        2 => Just(Step::Commit),
        2 => (0..30_000u64).prop_map(|millis| Step::Wait(Duration::from_millis(millis))),
        1 => Just(Step::Reboot),
        1 => Just(Step::Purge),
    ]
}

/// Does a run of steps up to the next that ends a change.
fn change<'a>(
    store: &mut Store,
    model: &mut Model,
    time: Time,
    steps: &mut std::iter::Peekable<impl Iterator<Item = &'a Step>>,
) {
    let clock = time.clock();
    let mut next = Model(model.0.clone());
    let mut change = store.begin().unwrap();
    while let Some(step) = steps.next_if(|step| matches!(step, Step::Put(_) | Step::Remove(_))) {
        match step {
            Step::Put(entry) => {
                change.put(&Entry { until: time.until(entry.until), ..entry.clone() }, &clock).unwrap();
                next.put(entry);
            }
            Step::Remove(net) => {
                assert_eq!(change.remove(*net).unwrap(), next.0.remove(&to_prefix(*net)).is_some());
            }
            _ => unreachable!("only these two are taken"),
        }
    }
    if !matches!(steps.peek(), Some(Step::Rollback)) {
        change.commit().unwrap();
        *model = next;
    }
}

fn check(store: &Store, model: &Model, time: Time) {
    let clock = time.clock();
    let now = uptime(time.now);
    let expected: Vec<_> =
        model.alive(now).map(|entry| Entry { until: time.until(entry.until), ..entry.clone() }).collect();
    assert_eq!(everything(store, &clock).unwrap(), expected);
    let count = |kind| expected.iter().filter(|entry| entry.kind == kind).count() as u64;
    let counts = Counts { trusted: count(ListKind::Trusted), banned: count(ListKind::Banned) };
    assert_eq!(store.counts(&clock).unwrap(), counts);
    for entry in &expected {
        assert_eq!(store.get(entry.net, &clock).unwrap().as_ref(), Some(entry));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_store_does_what_a_map_does(steps in prop::collection::vec(any_step(), 1..60)) {
        let scratch = Scratch::new("store");
        let mut time = Time { now: Duration::ZERO, boot: 0, began: Duration::ZERO };
        let mut store = Store::open_at(&database(scratch.path()), &time.clock()).unwrap();
        let mut model = Model::default();
        let mut steps = steps.iter().peekable();
        while let Some(step) = steps.peek() {
            match step {
                Step::Put(_) | Step::Remove(_) => {
                    change(&mut store, &mut model, time, &mut steps);
                    continue;
                }
                Step::Rollback | Step::Commit => {}
                Step::Wait(wait) => time.now += *wait,
                Step::Reboot if time.boot + 1 < BOOTS.len() => {
                    drop(store);
                    time = Time { now: time.now + SECOND / 2, boot: time.boot + 1, began: time.now };
                    store = Store::open_at(&database(scratch.path()), &time.clock()).unwrap();
                }
                Step::Reboot => {}
                Step::Purge => {
                    let now = uptime(time.now);
                    let before = model.0.len();
                    model.0.retain(|_, entry| entry.until > now);
                    assert_eq!(store.purge(&time.clock()).unwrap(), before - model.0.len());
                }
            }
            check(&store, &model, time);
            steps.next();
        }
        check(&store, &model, time);
        assert_eq!(store.health().unwrap().faults, Vec::<String>::new());
    }

    #[test]
    fn what_is_put_is_what_is_got(entry in any_entry(), until: u64, wall: u64, kernel in 0..u64::MAX / 2) {
        prop_assume!(until > kernel);
        let scratch = Scratch::new("store");
        let (kernel, wall) = (KernelTime::from_nanos(kernel), WallTime::from_millis(wall));
        let now = Clock { boot: "a", kernel, wall };
        let entry = Entry { until: KernelTime::from_nanos(until), ..entry };
        let mut store = Store::open_at(&database(scratch.path()), &now).unwrap();
        put(&mut store, std::slice::from_ref(&entry), &now);
        prop_assert_eq!(store.get(entry.net, &now).unwrap(), Some(entry));
    }

    #[test]
    fn pages_hold_everything_once_and_in_order(
        entries in prop::collection::vec(any_entry(), 0..60),
        limit in 1..9usize,
        within in prop::option::of(any_net()),
    ) {
        let scratch = Scratch::new("store");
        let now = clock("a", 50);
        let mut store = Store::open_at(&database(scratch.path()), &now).unwrap();
        put(&mut store, &entries, &now);
        let query = Query { within, ..all_of(ListKind::Banned) };
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let page = store.page(&query, after, limit, &now).unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.net);
            prop_assert!(page.len() <= limit);
            pages.extend(page);
            prop_assert!(pages.len() <= entries.len(), "one comes again");
        }
        let mut expected = everything(&store, &now).unwrap();
        expected.retain(|entry| {
            entry.kind == ListKind::Banned && within.is_none_or(|within| within.contains(&entry.net))
        });
        prop_assert_eq!(pages, expected);
    }
}
