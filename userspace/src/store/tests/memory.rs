//! The counts of the guard.

use super::*;
use sipward_engine::guard::{Memory, Remembered, UnsavedMemory};
use sipward_types::account::Account;

fn account(name: &str) -> Account {
    Account::new(name.as_bytes()).unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn memory(of: Remembered, seconds: u32) -> Memory {
    Memory { of, until: uptime(seconds * SECOND), state: format!("{{\"until\":{seconds}}}") }
}

/// In the order in which they are read.
fn some() -> [Memory; 5] {
    let worked = |source, name| Remembered::Worked(address(source), account(name));
    [
        memory(worked("192.0.2.1", "100"), 100),
        memory(worked("192.0.2.1", "a from b"), 200),
        memory(worked("2001:db8::", "100"), 300),
        memory(Remembered::SourceNet(net("2001:db8::/48")), 400),
        memory(Remembered::Account(account("100")), 500),
    ]
}

fn remember(store: &mut Store, kept: &[Memory], gone: &[Remembered], now: &Clock) {
    let mut change = store.begin().unwrap();
    change.remember(&UnsavedMemory { kept: kept.to_vec(), gone: gone.to_vec() }, now).unwrap();
    change.commit().unwrap();
}

#[test]
fn what_was_counted_is_there_after_the_store_was_closed() {
    let scratch = Scratch::new("store");
    let now = clock("a", 10);
    let mut store = Store::open_at(&database(scratch.path()), &now).unwrap();
    let mut all = some().to_vec();
    remember(&mut store, &all, &[], &now);
    drop(store);
    let mut store = Store::open_at(&database(scratch.path()), &now).unwrap();
    assert_eq!(store.memory(&now).unwrap(), all);
    // Anew, and no more: nothing but that very one.
    all[3] = Memory { state: "other".to_owned(), ..memory(all[3].of.clone(), 600) };
    let gone = all.remove(0);
    remember(&mut store, &all[2..3], &[gone.of], &now);
    assert_eq!(store.memory(&now).unwrap(), all);
    let mut change = store.begin().unwrap();
    change.forget_memory().unwrap();
    change.commit().unwrap();
    assert_eq!(store.memory(&now).unwrap(), []);
}

#[test]
fn it_runs_out_and_is_purged() {
    let scratch = Scratch::new("store");
    let now = clock("a", 10);
    let mut store = Store::open_at(&database(scratch.path()), &now).unwrap();
    remember(&mut store, &some(), &[], &now);
    for (seconds, left) in [(99, 5), (100, 4), (399, 2), (500, 0)] {
        let now = clock("a", seconds);
        assert_eq!(store.memory(&now).unwrap().len(), left, "at {seconds}");
        store.purge(&now).unwrap();
        let rows: i64 =
            store.connection.query_row("SELECT count(*) FROM memory", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, left as i64, "at {seconds}");
    }
}

#[test]
fn where_accounts_have_worked_is_known_after_a_reboot_and_counts_are_not() {
    let scratch = Scratch::new("store");
    let now = clock("a", 10);
    let mut store = Store::open_at(&database(scratch.path()), &now).unwrap();
    remember(&mut store, &some(), &[], &now);
    drop(store);
    let now = Clock { boot: "b", kernel: uptime(7 * SECOND), wall: TODAY + 60 * SECOND };
    // Twice: the boot that the times belong to is not forgotten while they are there.
    for _again in 0..2 {
        let store = Store::open_at(&database(scratch.path()), &now).unwrap();
        let left: Vec<_> =
            store.memory(&now).unwrap().iter().map(|memory| memory.until.since(now.kernel)).collect();
        assert_eq!(left, [40 * SECOND, 140 * SECOND, 240 * SECOND]);
    }
    let later = Clock { kernel: now.kernel + HOUR, ..now };
    let mut store = Store::open_at(&database(scratch.path()), &later).unwrap();
    assert_eq!(store.purge(&later).unwrap(), 5);
}

#[test]
fn what_nobody_has_written_is_damage() {
    for sql in [
        "UPDATE memory SET kind = 9 WHERE kind = 2",
        "UPDATE memory SET kind = 0 WHERE kind = 1",
        "UPDATE memory SET kind = 1 WHERE kind = 2",
        "UPDATE memory SET account = '' WHERE kind = 2",
        "UPDATE memory SET source = x'00000000000000000000000000000000c8' WHERE kind = 1",
    ] {
        let scratch = Scratch::new("store");
        let now = clock("a", 10);
        let mut store = Store::open_at(&database(scratch.path()), &now).unwrap();
        remember(&mut store, &some(), &[], &now);
        store.connection.execute_batch(sql).unwrap();
        assert_eq!(store.memory(&now).unwrap_err().kind(), StoreErrorKind::Corrupt, "{sql}");
    }
}
