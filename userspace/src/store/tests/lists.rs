use super::*;
use crate::store::{BATCH, Counts};

#[test]
fn what_is_put_is_there_after_the_store_was_closed() {
    let scratch = Scratch::new("store");
    let now = clock("a", 10);
    let entry = Entry {
        origin: Origin::Import,
        note: Some("Büro Köln".to_owned()),
        evidence: Some("12 × friendly-scanner".to_owned()),
        ..trust(net("2001:db8::/32"), now.kernel + HOUR)
    };
    let mut store = Store::open_at(&database(scratch.path()), &now).unwrap();
    assert!(store.is_new().unwrap());
    put(&mut store, std::slice::from_ref(&entry), &now);
    drop(store);
    let store = Store::open_at(&database(scratch.path()), &now).unwrap();
    assert_eq!(store.get(entry.net, &now).unwrap(), Some(entry.clone()));
    assert_eq!(store.get(net("2001:db8::/33"), &now).unwrap(), None);
    assert_eq!(everything(&store, &now).unwrap(), [entry]);
}

#[test]
fn the_mapped_form_is_the_same_entry() {
    let scratch = Scratch::new("store");
    let now = clock("a", 10);
    let mut store = Store::open_at(&database(scratch.path()), &now).unwrap();
    put(&mut store, &[ban(net("::ffff:192.0.2.0/120"), FOREVER), trust(net("192.0.2.0/24"), FOREVER)], &now);
    assert_eq!(everything(&store, &now).unwrap(), [trust(net("192.0.2.0/24"), FOREVER)]);
}

#[test]
fn a_change_that_is_not_committed_never_was() {
    let scratch = Scratch::new("store");
    let now = clock("a", 10);
    let mut store = Store::open_at(&database(scratch.path()), &now).unwrap();
    let entry = ban(net("192.0.2.1/32"), now.kernel + HOUR);
    put(&mut store, std::slice::from_ref(&entry), &now);
    let mut change = store.begin().unwrap();
    assert!(change.remove(entry.net).unwrap());
    assert!(!change.remove(entry.net).unwrap());
    change.put(&ban(net("192.0.2.2/32"), FOREVER), &now).unwrap();
    change.audit("root", "ban add", "192.0.2.2", "", &now).unwrap();
    // It sees itself.
    assert_eq!(change.get(entry.net, &now).unwrap(), None);
    assert!(change.get(net("192.0.2.2/32"), &now).unwrap().is_some());
    drop(change);
    assert_eq!(everything(&store, &now).unwrap(), [entry]);
    assert_eq!(store.audit(10, None, None).unwrap(), []);
    assert_eq!(store.counts(&now).unwrap(), Counts { trusted: 0, banned: 1 });
}

#[test]
fn a_list_is_asked_for_by_what_is_in_it() {
    let scratch = Scratch::new("store");
    let now = clock("a", 10);
    let mut store = Store::open_at(&database(scratch.path()), &now).unwrap();
    let noted = |net, note: &str| Entry { note: Some(note.to_owned()), ..ban(net, FOREVER) };
    put(
        &mut store,
        &[
            noted(net("10.0.0.0/8"), "Scanner"),
            noted(net("10.1.0.0/16"), "100% sure_"),
            ban(net("10.1.0.0/17"), FOREVER),
            Entry { origin: Origin::Import, ..ban(net("10.1.2.3/32"), FOREVER) },
            ban(net("10.1.2.4/32"), now.kernel),
            ban(net("11.0.0.0/32"), FOREVER),
            trust(net("10.1.2.5/32"), FOREVER),
            ban(net("2001:db8::/32"), FOREVER),
            ban(net("::ffff:0:0/95"), FOREVER),
        ],
        &now,
    );
    let banned = all_of(ListKind::Banned);
    for (query, expected) in [
        (all_of(ListKind::Trusted), &["10.1.2.5/32"][..]),
        (
            banned.clone(),
            &[
                "::fffe:0:0/95",
                "10.0.0.0/8",
                "10.1.0.0/16",
                "10.1.0.0/17",
                "10.1.2.3/32",
                "11.0.0.0/32",
                "2001:db8::/32",
            ],
        ),
        (
            Query { within: Some(net("10.1.0.0/16")), ..banned.clone() },
            &["10.1.0.0/16", "10.1.0.0/17", "10.1.2.3/32"],
        ),
        (Query { within: Some(net("10.1.2.3/32")), ..banned.clone() }, &["10.1.2.3/32"]),
        // IPv6 as people mean it, although IPv4 lies within it.
        (Query { within: Some(net("::/0")), ..banned.clone() }, &["::fffe:0:0/95", "2001:db8::/32"]),
        (
            Query { within: Some(net("0.0.0.0/0")), origin: Some(Origin::Import), ..banned.clone() },
            &["10.1.2.3/32"],
        ),
        (Query { origin: Some(Origin::Config), ..banned.clone() }, &[]),
        (Query { note: Some("scan".to_owned()), ..banned.clone() }, &["10.0.0.0/8"]),
        (Query { note: Some("%".to_owned()), ..banned.clone() }, &["10.1.0.0/16"]),
    ] {
        let page = store.page(&query, None, 100, &now).unwrap();
        let nets: Vec<_> = page.iter().map(|entry| entry.net.to_string()).collect();
        assert_eq!(nets, expected, "{query:?}");
    }
}

#[test]
fn what_has_run_out_is_not_there_and_then_is_purged() {
    let scratch = Scratch::new("store");
    let now = clock("a", 10);
    let mut store = Store::open_at(&database(scratch.path()), &now).unwrap();
    let (first, second) = (net("192.0.2.1/32"), net("192.0.2.2/32"));
    put(
        &mut store,
        &[
            ban(first, now.kernel + SECOND),
            trust(second, now.kernel + 2 * SECOND),
            ban(net("192.0.2.3/32"), FOREVER),
            // Further away than a number with a sign reaches.
            trust(net("192.0.2.4/32"), FOREVER - Duration::from_nanos(1)),
        ],
        &now,
    );
    for (seconds, trusted, banned, purged) in
        [(10, 2, 2, 0), (11, 2, 1, 1), (12, 1, 1, 1), (1 << 30, 1, 1, 0)]
    {
        let now = clock("a", seconds);
        assert_eq!(store.get(first, &now).unwrap().is_some(), seconds < 11);
        assert_eq!(store.get(second, &now).unwrap().is_some(), seconds < 12);
        for _purged in [false, true] {
            assert_eq!(store.counts(&now).unwrap(), Counts { trusted, banned }, "at {seconds}");
            assert_eq!(everything(&store, &now).unwrap().len() as u64, trusted + banned, "at {seconds}");
            assert_eq!(store.page(&all_of(ListKind::Trusted), None, 9, &now).unwrap().len() as u64, trusted);
            if !_purged {
                assert_eq!(store.purge(&now).unwrap(), purged, "at {seconds}");
            }
        }
    }
}

#[test]
fn what_has_run_out_is_purged_in_batches() {
    let scratch = Scratch::new("store");
    let now = clock("a", 10);
    let mut store = Store::open_at(&database(scratch.path()), &now).unwrap();
    let count = BATCH as u32 * 2 + 1;
    let entries: Vec<_> = many(count)
        .into_iter()
        .map(|entry| Entry { until: now.kernel + Duration::from_nanos(1), ..entry })
        .collect();
    put(&mut store, &entries, &now);
    assert_eq!(store.purge(&now).unwrap(), 0);
    for removed in [BATCH, BATCH, 1, 0] {
        assert_eq!(store.purge(&clock("a", 11)).unwrap(), removed);
    }
    assert_eq!(store.counts(&now).unwrap(), Counts::default());
}

#[test]
fn two_processes_take_turns() {
    let scratch = Scratch::new("store");
    let path = database(scratch.path());
    let now = clock("a", 10);
    drop(Store::open_at(&path, &now).unwrap());
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            scope.spawn(move || {
                let mut store = Store::open_at(path, &now).unwrap();
                for number in 0..25 {
                    put(&mut store, &[ban(address(writer * 25 + number), FOREVER)], &now);
                }
            });
        }
    });
    let store = Store::open_at(&path, &now).unwrap();
    assert_eq!(everything(&store, &now).unwrap(), many(100));
}

#[test]
fn one_that_holds_the_store_for_too_long_is_told_of() {
    let scratch = Scratch::new("store");
    let now = clock("a", 10);
    let mut slow = Store::open_at(&database(scratch.path()), &now).unwrap();
    let mut other = Store::open_at(&database(scratch.path()), &now).unwrap();
    other.connection.busy_timeout(std::time::Duration::ZERO).unwrap();
    let mut change = slow.begin().unwrap();
    change.put(&ban(net("192.0.2.1/32"), FOREVER), &now).unwrap();
    assert_eq!(other.begin().unwrap_err().kind(), StoreErrorKind::Busy);
    // Readers do not wait.
    assert_eq!(everything(&other, &now).unwrap(), []);
    change.commit().unwrap();
    assert!(other.begin().is_ok());
}
