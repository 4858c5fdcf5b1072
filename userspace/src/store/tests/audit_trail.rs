use super::*;
use crate::store::{AuditGone, GUARD};

fn written(path: &Path) -> Store {
    let now = clock("a", 10);
    let mut store = Store::open_at(path, &now).unwrap();
    let mut change = store.begin().unwrap();
    for (what, target) in [
        ("ban add", "192.0.2.1"),
        ("trust add", "192.0.2.0/24"),
        ("ban add", "198.51.100.7"),
        ("ban add", "2001:db8::/32"),
        ("switch", "trusted-only"),
    ] {
        change.audit("root (alice)", what, target, "2h", &now).unwrap();
    }
    change.commit().unwrap();
    store
}

#[test]
fn the_trail_tells_the_latest_first_and_only_what_it_is_asked_for() {
    let scratch = Scratch::new("store");
    let store = written(&database(scratch.path()));
    assert!(!store.is_new().unwrap());
    for (limit, about, expected) in [
        (9, None, &["trusted-only", "2001:db8::/32", "198.51.100.7", "192.0.2.0/24", "192.0.2.1"][..]),
        (2, None, &["trusted-only", "2001:db8::/32"]),
        (0, None, &[]),
        (9, Some("192.0.2.1/32"), &["192.0.2.0/24", "192.0.2.1"]),
        (9, Some("::ffff:192.0.2.1/128"), &["192.0.2.0/24", "192.0.2.1"]),
        (1, Some("192.0.2.1/32"), &["192.0.2.0/24"]),
        (9, Some("192.0.0.0/16"), &["192.0.2.0/24", "192.0.2.1"]),
        (9, Some("::/0"), &["2001:db8::/32"]),
        (9, Some("203.0.113.0/24"), &[]),
    ] {
        let lines = store.audit(limit, about.map(net), None).unwrap();
        let targets: Vec<_> = lines.iter().map(|line| line.target.as_str()).collect();
        assert_eq!(targets, expected, "{limit}, {about:?}");
    }
    let line = store.audit(1, Some(net("192.0.2.1/32")), None).unwrap().remove(0);
    assert_eq!(
        (line.at, line.who.as_str(), line.what.as_str()),
        (TODAY + 10 * SECOND, "root (alice)", "trust add")
    );
    assert_eq!(line.detail, "2h");
}

#[test]
fn a_line_of_the_trail_cannot_be_changed() {
    let scratch = Scratch::new("store");
    let store = written(&database(scratch.path()));
    let before = store.audit(9, None, None).unwrap();
    for sql in [
        "UPDATE audit SET who = 'nobody'",
        "UPDATE audit SET id = id + 10",
        "DELETE FROM audit WHERE id = 1",
        "DELETE FROM audit",
        "REPLACE INTO audit VALUES (1, 0, 'nobody', '', '', '')",
        "INSERT INTO audit VALUES (1, 0, 'nobody', '', '', '') ON CONFLICT (id) DO UPDATE SET who = 'nobody'",
    ] {
        let error = store.connection.execute_batch(sql).unwrap_err();
        assert!(error.to_string().contains("never changed"), "{sql}: {error}");
    }
    assert_eq!(store.audit(9, None, None).unwrap(), before);
}

fn count(store: &Store, who: &str) -> usize {
    store.audit(usize::MAX, None, None).unwrap().iter().filter(|line| line.who == who).count()
}

#[test]
fn of_what_the_guard_writes_the_latest_lines_are_kept_and_nobody_elses_have_to_go_for_them() {
    let scratch = Scratch::new("store");
    let mut store = written(&database(scratch.path()));
    let write = |store: &mut Store, who: &str, lines: u64, seconds| {
        let now = clock("a", seconds);
        let mut change = store.begin().unwrap();
        (0..lines).for_each(|line| change.audit(who, "suspended", &line.to_string(), "", &now).unwrap());
        change.commit().unwrap();
    };
    write(&mut store, GUARD, 20_000, 20);
    assert_eq!(store.audit_gone().unwrap(), []);
    write(&mut store, GUARD, 7, 30);
    assert_eq!((count(&store, GUARD), count(&store, "root (alice)")), (20_000, 5));
    let gone = |lines, seconds: u32| AuditGone { of_guard: true, lines, at: TODAY + seconds * SECOND };
    assert_eq!(store.audit_gone().unwrap(), [gone(7, 20)]);
    write(&mut store, GUARD, 30_000, 40);
    assert_eq!((count(&store, GUARD), count(&store, "root (alice)")), (20_000, 5));
    assert_eq!(store.audit_gone().unwrap(), [gone(30_007, 40)]);
    let latest = store.audit(1, None, None).unwrap().remove(0);
    assert_eq!((latest.at, latest.target.as_str()), (TODAY + 40 * SECOND, "29999"));
    // Of all others far more, and what the guard wrote does not have to go for them.
    write(&mut store, "root", 99_995, 50);
    assert_eq!(store.audit_gone().unwrap().len(), 1);
    write(&mut store, "root", 6, 60);
    assert_eq!(
        (count(&store, GUARD), count(&store, "root"), count(&store, "root (alice)")),
        (20_000, 99_999 + 1, 0)
    );
    assert_eq!(
        store.audit_gone().unwrap()[0],
        AuditGone { of_guard: false, lines: 6, at: TODAY + 50 * SECOND }
    );
}

#[test]
fn what_is_to_be_kept_cannot_be_declared_gone() {
    let scratch = Scratch::new("store");
    let store = written(&database(scratch.path()));
    for sql in [
        "UPDATE audit_gone SET upto = 1",
        "UPDATE audit_gone SET keeps = 1",
        "UPDATE audit_gone SET keeps = 1, upto = 4 WHERE guard = 0",
    ] {
        let error = store.connection.execute_batch(sql).unwrap_err();
        assert!(error.to_string().contains("never changed"), "{sql}: {error}");
    }
    assert_eq!(count(&store, "root (alice)"), 5);
}
