//! The decisions of the guard.

use proptest::prelude::*;

use super::*;
use crate::store::{Known, Suspended, Suspension};
use sipward_engine::{
    false_positives::Saved,
    guard::{Rule, Trigger},
};
use sipward_types::{
    account::Account,
    flow::{Flow, Transport},
};

pub(super) fn account(name: &str) -> Suspended {
    Suspended::Account(Account::new(name.as_bytes()).unwrap())
}

pub(super) fn suspension(what: Suspended, source: Option<&str>, until: KernelTime) -> Suspension {
    Suspension {
        what,
        source: source.map(|source| source.parse().unwrap()),
        until,
        since: TODAY,
        who: "guard".to_owned(),
        trigger: Trigger { rule: Rule::Suspend, count: 6, seconds: 180 },
        strict: false,
    }
}

pub(super) fn known(source: &str, phones: u32, until: KernelTime) -> Known {
    Known { source: source.parse().unwrap(), phones, until, since: TODAY, rule: Rule::Worked }
}

fn suspend(store: &mut Store, suspensions: &[Suspension], clock: &Clock) {
    let mut change = store.begin().unwrap();
    suspensions.iter().for_each(|suspension| change.suspend(suspension, clock).unwrap());
    change.commit().unwrap();
}

#[test]
fn what_is_suspended_is_there_after_the_store_was_closed() {
    let scratch = Scratch::new("store");
    let now = clock("a", 10);
    let udp = Suspended::Flow(Flow { port: 5062, transport: Transport::Udp });
    let tcp = Suspended::Flow(Flow { port: 5062, transport: Transport::Tcp });
    let hand = Trigger { rule: Rule::Hand, count: 0, seconds: 0 };
    let all = [
        suspension(account("100"), None, FOREVER),
        suspension(account("100"), Some("192.0.2.1"), uptime(HOUR)),
        suspension(account("100"), Some("192.0.2.2"), uptime(HOUR)),
        Suspension { trigger: hand, strict: true, ..suspension(account("a b:ü"), None, uptime(HOUR)) },
        suspension(tcp, Some("2001:db8::1"), uptime(HOUR)),
        suspension(udp, Some("192.0.2.1"), uptime(HOUR)),
        suspension(Suspended::Hash(0x8000_0000_0000_00a1), Some("192.0.2.1"), uptime(HOUR)),
    ];
    let mut store = Store::open_at(&database(scratch.path()), &now).unwrap();
    let mut shuffled = all.to_vec();
    shuffled.reverse();
    suspend(&mut store, &shuffled, &now);
    drop(store);
    let mut store = Store::open_at(&database(scratch.path()), &now).unwrap();
    assert_eq!(store.suspensions(&now).unwrap(), all);
    // Suspended anew and lifted: only this one changes.
    let longer =
        Suspension { who: "root".to_owned(), ..suspension(account("100"), Some("192.0.2.1"), FOREVER) };
    let mut change = store.begin().unwrap();
    change.suspend(&longer, &now).unwrap();
    assert!(change.lift(&all[2].what, all[2].source).unwrap());
    assert!(!change.lift(&all[2].what, all[2].source).unwrap());
    assert!(!change.lift(&account("101"), None).unwrap());
    change.commit().unwrap();
    let expected = [&all[..1], std::slice::from_ref(&longer), &all[3..]].concat();
    assert_eq!(store.suspensions(&now).unwrap(), expected);
}

#[test]
fn what_is_known_of_a_source_is_replaced_but_not_since_when() {
    let scratch = Scratch::new("store");
    let now = clock("a", 10);
    let mut store = Store::open_at(&database(scratch.path()), &now).unwrap();
    let mut change = store.begin().unwrap();
    change.know(&known("192.0.2.1", 3, uptime(HOUR)), &now).unwrap();
    change.know(&known("2001:db8::1", 1, FOREVER), &now).unwrap();
    change
        .know(&Known { since: TODAY + 5 * SECOND, ..known("192.0.2.1", 40, uptime(2 * HOUR)) }, &now)
        .unwrap();
    change.commit().unwrap();
    let expected = [known("192.0.2.1", 40, uptime(2 * HOUR)), known("2001:db8::1", 1, FOREVER)];
    assert_eq!(store.known(&now).unwrap(), expected);
    let mut change = store.begin().unwrap();
    assert!(change.forget("192.0.2.1".parse().unwrap()).unwrap());
    assert!(!change.forget("192.0.2.1".parse().unwrap()).unwrap());
    change.commit().unwrap();
    assert_eq!(store.known(&now).unwrap(), expected[1..]);
}

#[test]
fn what_the_ledger_keeps_of_a_rule_is_replaced() {
    let scratch = Scratch::new("store");
    let mut store = Store::open_at(&database(scratch.path()), &clock("a", 10)).unwrap();
    let saved = |rule: &str, state: &[u8]| Saved { rule: rule.to_owned(), state: state.to_vec() };
    let mut change = store.begin().unwrap();
    for rule in [saved("b", &[1, 0]), saved("a", &[]), saved("b", &[0xff; 9])] {
        change.save_false_positives(&rule).unwrap();
    }
    change.commit().unwrap();
    assert_eq!(store.false_positives().unwrap(), [saved("a", &[]), saved("b", &[0xff; 9])]);
}

#[test]
fn it_runs_out_and_is_purged() {
    let scratch = Scratch::new("store");
    let now = clock("a", 10);
    let mut store = Store::open_at(&database(scratch.path()), &now).unwrap();
    suspend(
        &mut store,
        &[
            suspension(account("100"), Some("192.0.2.1"), uptime(11 * SECOND)),
            suspension(account("100"), None, FOREVER),
        ],
        &now,
    );
    let mut change = store.begin().unwrap();
    change.know(&known("192.0.2.1", 3, uptime(12 * SECOND)), &now).unwrap();
    change.commit().unwrap();
    for (seconds, suspended, is_known, purged) in
        [(10, 2, 1, 0), (11, 1, 1, 1), (12, 1, 0, 1), (1 << 30, 1, 0, 0)]
    {
        let now = clock("a", seconds);
        for _purged in [false, true] {
            assert_eq!(store.suspensions(&now).unwrap().len(), suspended, "at {seconds}");
            assert_eq!(store.known(&now).unwrap().len(), is_known, "at {seconds}");
            if !_purged {
                assert_eq!(store.purge(&now).unwrap(), purged, "at {seconds}");
            }
        }
    }
}

#[test]
fn a_reboot_neither_ends_it_nor_makes_it_longer() {
    let scratch = Scratch::new("store");
    let now = clock("a", 10);
    let mut store = Store::open_at(&database(scratch.path()), &now).unwrap();
    suspend(&mut store, &[suspension(account("100"), Some("192.0.2.1"), uptime(10 * SECOND + HOUR))], &now);
    let mut change = store.begin().unwrap();
    change.know(&known("192.0.2.1", 3, uptime(10 * SECOND + HOUR)), &now).unwrap();
    change.commit().unwrap();
    drop(store);
    let now = Clock { boot: "b", kernel: uptime(7 * SECOND), wall: TODAY + 610 * SECOND };
    // Twice: the boot that the times belong to is not forgotten while they are there.
    for _again in 0..2 {
        let store = Store::open_at(&database(scratch.path()), &now).unwrap();
        assert_eq!(store.suspensions(&now).unwrap()[0].until.since(now.kernel), HOUR * 5 / 6);
        assert_eq!(store.known(&now).unwrap()[0].until.since(now.kernel), HOUR * 5 / 6);
    }
    let later = Clock { kernel: now.kernel + HOUR, ..now };
    let mut store = Store::open_at(&database(scratch.path()), &later).unwrap();
    assert_eq!((store.suspensions(&later).unwrap(), store.known(&later).unwrap()), (vec![], vec![]));
    assert_eq!(store.purge(&later).unwrap(), 2);
    assert_eq!(store.health().unwrap().faults, Vec::<String>::new());
}

#[test]
fn words_that_nobody_has_written_are_damage() {
    for (table, sql) in [
        ("suspension", "UPDATE suspension SET rule = 'nonsense'"),
        ("suspension", "UPDATE suspension SET kind = 9"),
        ("suspension", "UPDATE suspension SET kind = 1"),
        ("suspension", "UPDATE suspension SET name = ''"),
        ("suspension", "UPDATE suspension SET count = -1"),
        ("known", "UPDATE known SET rule = ''"),
        ("known", "UPDATE known SET source = x'0000000000000000000000000000000010'"),
    ] {
        let scratch = Scratch::new("store");
        let now = clock("a", 10);
        let mut store = Store::open_at(&database(scratch.path()), &now).unwrap();
        suspend(&mut store, &[suspension(account("100"), Some("192.0.2.1"), uptime(HOUR))], &now);
        let mut change = store.begin().unwrap();
        change.know(&known("192.0.2.1", 3, uptime(HOUR)), &now).unwrap();
        change.commit().unwrap();
        store.connection.execute_batch(sql).unwrap();
        let read = match table {
            "known" => store.known(&now).map(drop),
            _ => store.suspensions(&now).map(drop),
        };
        assert_eq!(read.unwrap_err().kind(), StoreErrorKind::Corrupt, "{sql}");
    }
}

fn any_suspended() -> impl Strategy<Value = Suspended> {
    let flow = (any::<u16>(), any::<bool>()).prop_map(|(port, tcp)| {
        Suspended::Flow(Flow { port, transport: if tcp { Transport::Tcp } else { Transport::Udp } })
    });
    prop_oneof![
        ".{1,80}".prop_map(|name| Suspended::Account(Account::new(name.as_bytes()).unwrap())),
        flow,
        any::<u64>().prop_map(Suspended::Hash),
        Just(Suspended::Asking),
    ]
}

proptest! {
    #[test]
    fn anything_can_be_suspended_from_anywhere(
        what in any_suspended(),
        source in prop::option::of(any::<IpAddr>()),
        (until, since, count, seconds, strict) in any::<(u64, u64, u32, u32, bool)>(),
        who in ".{0,20}",
    ) {
        let scratch = Scratch::new("store");
        let now = Clock { boot: "a", kernel: KernelTime::START, wall: TODAY };
        prop_assume!(until > 0);
        let trigger = Trigger { rule: Rule::ManyAccounts, count, seconds };
        let source = source.map(|source| source.to_canonical());
        let (until, since) = (KernelTime::from_nanos(until), WallTime::from_millis(since));
        let suspension = Suspension { what, source, until, since, who, trigger, strict };
        let mut store = Store::open_at(&database(scratch.path()), &now).unwrap();
        suspend(&mut store, std::slice::from_ref(&suspension), &now);
        prop_assert_eq!(store.suspensions(&now).unwrap(), [suspension]);
    }
}
