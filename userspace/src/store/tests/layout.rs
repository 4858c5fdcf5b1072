use std::os::unix::fs::PermissionsExt as _;

use rusqlite::Connection;

use super::*;
use crate::store::{Counts, schema::STEPS};

/// A database of version 1 with a row in each table, as it was written then.
const FIRST: &str = "
    PRAGMA journal_mode = WAL;
    INSERT INTO boot VALUES (7, 'a', 1000000000, 1795000001000, 10000000000, 1795000010000);
    INSERT INTO entry VALUES
        (x'00000000000000000000ffffc000020180', 1, 1795000010000, 7, 3610000000000, 1, 'scanner', NULL),
        (x'20010db800000000000000000000000020', 0, 1795000010000, NULL, NULL, 0, NULL, '3 calls');
    INSERT INTO audit VALUES (5, 1795000010000, 'root', 'ban add', '192.0.2.1', '1h');
    PRAGMA user_version = 1;";

fn first_version(path: &Path) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(STEPS[0]).unwrap();
    connection.execute_batch(FIRST).unwrap();
}

/// The same of version 2, with what it had more.
const SECOND_VERSION: &str = "
    INSERT INTO switch VALUES ('mode', 'monitor', 1795000010000, 'root', NULL, NULL);
    PRAGMA user_version = 2;";

fn second_version(path: &Path) {
    first_version(path);
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(STEPS[1]).unwrap();
    connection.execute_batch(SECOND_VERSION).unwrap();
}

#[test]
fn the_version_before_the_guard_gets_room_for_what_it_decides() {
    let scratch = Scratch::new("store");
    second_version(&database(scratch.path()));
    let now = clock("a", 20);
    let (suspended, known) = (
        guard::suspension(guard::account("100"), None, uptime(HOUR)),
        guard::known("192.0.2.1", 3, uptime(HOUR)),
    );
    for again in [false, true] {
        let mut store = Store::open_at(&database(scratch.path()), &now).unwrap();
        assert_eq!(everything(&store, &now).unwrap().len(), 2);
        assert_eq!(store.switches().unwrap()[0].value, "monitor");
        assert_eq!(store.audit(9, None, None).unwrap().len(), 1);
        assert_eq!(store.suspensions(&now).unwrap().len(), usize::from(again));
        assert_eq!(store.known(&now).unwrap().len(), usize::from(again));
        let mut change = store.begin().unwrap();
        change.suspend(&suspended, &now).unwrap();
        change.know(&known, &now).unwrap();
        change.commit().unwrap();
    }
}

#[test]
fn an_older_database_is_brought_up_to_date_with_all_that_is_in_it() {
    let scratch = Scratch::new("store");
    first_version(&database(scratch.path()));
    for _again in 0..2 {
        let now = clock("a", 20);
        let mut store = Store::open_at(&database(scratch.path()), &now).unwrap();
        let since = TODAY + 10 * SECOND;
        let banned = Entry {
            since,
            note: Some("scanner".to_owned()),
            ..ban(net("192.0.2.1/32"), uptime(10 * SECOND + HOUR))
        };
        let trusted = Entry {
            since,
            origin: Origin::Config,
            evidence: Some("3 calls".to_owned()),
            ..trust(net("2001:db8::/32"), FOREVER)
        };
        assert_eq!(everything(&store, &now).unwrap(), [banned, trusted]);
        assert_eq!(store.counts(&now).unwrap(), Counts { trusted: 1, banned: 1 });
        assert_eq!(store.audit(9, None, None).unwrap().len(), 1);
        assert_eq!(store.switches().unwrap(), []);
        assert!(store.begin().unwrap().commit().is_ok());
    }
}

#[test]
fn a_step_that_fails_leaves_the_database_as_it_was() {
    let scratch = Scratch::new("store");
    first_version(&database(scratch.path()));
    // In the way of the second version.
    let connection = Connection::open(database(scratch.path())).unwrap();
    connection.execute_batch("CREATE TABLE switch (other)").unwrap();
    assert_eq!(
        Store::open_at(&database(scratch.path()), &clock("a", 20)).unwrap_err().kind(),
        StoreErrorKind::Other
    );
    connection.execute_batch("DROP TABLE switch").unwrap();
    drop(connection);
    let store = Store::open_at(&database(scratch.path()), &clock("a", 20)).unwrap();
    assert_eq!(everything(&store, &clock("a", 20)).unwrap().len(), 2);
}

#[test]
fn a_database_that_this_version_does_not_know_is_refused_and_left_alone() {
    let known = STEPS.len();
    for (sql, kind, says) in [
        (
            "PRAGMA user_version = 99",
            StoreErrorKind::Newer,
            &*format!("its layout is version 99, and this sipward supports versions up to {known}"),
        ),
        ("PRAGMA application_id = 5", StoreErrorKind::Other, "the database of another program"),
        ("DROP TABLE audit", StoreErrorKind::Corrupt, "tables are missing"),
    ] {
        let scratch = Scratch::new("store");
        drop(Store::open_at(&database(scratch.path()), &clock("a", 10)).unwrap());
        Connection::open(database(scratch.path())).unwrap().execute_batch(sql).unwrap();
        let before = std::fs::read(database(scratch.path())).unwrap();
        let error = Store::open_at(&database(scratch.path()), &clock("a", 10)).unwrap_err();
        assert_eq!(error.kind(), kind, "{sql}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.to_string().contains("sipward.db"), "{error}");
        assert_eq!(std::fs::read(database(scratch.path())).unwrap(), before, "{sql}");
    }
}

#[test]
fn another_programs_database_is_not_made_ours() {
    let scratch = Scratch::new("store");
    Connection::open(database(scratch.path())).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let error = Store::open_at(&database(scratch.path()), &clock("a", 10)).unwrap_err();
    assert!(error.to_string().contains("another program"), "{error}");
}

#[test]
fn nobody_else_can_read_it() {
    let scratch = Scratch::new("store");
    let directory = scratch.path().join("lib").join("sipward");
    let mut store = Store::open_at(&database(&directory), &clock("a", 10)).unwrap();
    put(&mut store, &many(1), &clock("a", 10));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&directory), 0o700);
    for name in ["sipward.db", "sipward.db-wal", "sipward.db-shm"] {
        assert_eq!(mode(&directory.join(name)), 0o600, "{name}");
    }
}
