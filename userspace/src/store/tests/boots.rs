use super::*;
use crate::store::{Counts, Switch};

/// Two hours, from ten seconds after the first boot.
const END: KernelTime = KernelTime::from_nanos(7_210_000_000_000);

fn banned_in_the_first_boot(path: &Path) {
    let now = clock("a", 10);
    put(&mut Store::open_at(path, &now).unwrap(), &[ban(address(1), END), ban(address(2), FOREVER)], &now);
}

fn left(path: &Path, now: &Clock) -> Option<Duration> {
    let store = Store::open_at(path, now).unwrap();
    assert_eq!(store.get(address(2), now).unwrap().unwrap().until, FOREVER);
    store.get(address(1), now).unwrap().map(|entry| entry.until.since(now.kernel))
}

#[test]
fn a_ban_goes_on_after_a_reboot() {
    let boots = |kernel, minutes: u32| Clock {
        boot: "b",
        kernel: uptime(kernel),
        wall: TODAY + 10 * SECOND + minutes * 60 * SECOND,
    };
    for (what, now, expected) in [
        ("half an hour later", boots(7 * SECOND, 30), Some(HOUR * 3 / 2)),
        ("with a long uptime", boots(1_000 * HOUR, 30), Some(HOUR * 3 / 2)),
        ("when it is over", boots(7 * SECOND, 120), None),
        ("a year later", boots(7 * SECOND, 525_600), None),
        (
            "with a clock that went back",
            Clock { wall: WallTime::from_millis(TODAY.as_millis() - 3_600_000), ..boots(7 * SECOND, 0) },
            Some(2 * HOUR),
        ),
        ("in 1970", Clock { wall: WallTime::from_millis(5_000), ..boots(7 * SECOND, 0) }, Some(2 * HOUR)),
        // The same boot: whatever the clock on the wall does.
        (
            "without a reboot",
            Clock { wall: WallTime::from_millis(5_000), ..clock("a", 20) },
            Some(2 * HOUR - 10 * SECOND),
        ),
        (
            "without a reboot",
            Clock { wall: WallTime::from_millis(2 * TODAY.as_millis()), ..clock("a", 20) },
            Some(2 * HOUR - 10 * SECOND),
        ),
    ] {
        let scratch = Scratch::new("store");
        banned_in_the_first_boot(&database(scratch.path()));
        assert_eq!(left(&database(scratch.path()), &now), expected, "{what}");
    }
}

#[test]
fn a_clock_that_is_set_after_a_reboot_moves_nothing() {
    let scratch = Scratch::new("store");
    banned_in_the_first_boot(&database(scratch.path()));
    let wakes = Clock { boot: "b", kernel: uptime(7 * SECOND), wall: WallTime::from_millis(5_000) };
    assert_eq!(left(&database(scratch.path()), &wakes), Some(2 * HOUR));
    // Times in the kernel stay equal to those of the store.
    let set = Clock { kernel: uptime(8 * SECOND), wall: TODAY + HOUR, ..wakes };
    assert_eq!(left(&database(scratch.path()), &set), Some(2 * HOUR - SECOND));
}

#[test]
fn a_clock_that_was_wrong_when_a_ban_began_and_was_set_since_does_not_end_it_at_the_next_reboot() {
    let scratch = Scratch::new("store");
    let wakes = Clock { boot: "a", kernel: uptime(10 * SECOND), wall: WallTime::from_millis(5_000) };
    let mut store = Store::open_at(&database(scratch.path()), &wakes).unwrap();
    put(&mut store, &[ban(address(1), END), ban(address(2), FOREVER)], &wakes);
    let set = Clock { kernel: uptime(20 * SECOND), wall: TODAY, ..wakes };
    assert_eq!(store.purge(&set).unwrap(), 0);
    drop(store);
    let next = Clock { boot: "b", kernel: uptime(7 * SECOND), wall: TODAY + 60 * SECOND };
    assert_eq!(left(&database(scratch.path()), &next), Some(2 * HOUR - 70 * SECOND));
}

#[test]
fn entries_of_several_boots_are_counted_and_purged_alike() {
    let scratch = Scratch::new("store");
    let path = database(scratch.path());
    let wall = |boot, kernel: u32, seconds: u32| Clock {
        boot,
        kernel: uptime(kernel * SECOND),
        wall: TODAY + seconds * SECOND,
    };
    let put_for = |now: &Clock, number: u32, seconds: u32| {
        let entry = ban(address(number), now.kernel + seconds * SECOND);
        put(&mut Store::open_at(&path, now).unwrap(), &[entry], now);
    };
    put_for(&wall("a", 500, 0), 1, 100);
    put_for(&wall("a", 500, 0), 2, 1_000);
    put_for(&wall("b", 9, 50), 3, 100);
    let open = |now: &Clock| Store::open_at(&path, now).unwrap();
    for (now, alive) in [
        (wall("c", 5, 60), &[1, 2, 3][..]),
        (wall("c", 44, 99), &[1, 2, 3]),
        (wall("c", 45, 100), &[2, 3]),
        (wall("c", 95, 150), &[2]),
        (wall("d", 1, 999), &[2]),
        (wall("d", 2, 1_000), &[]),
    ] {
        let expected: Vec<_> = alive.iter().map(|number| address(*number)).collect();
        for purged in [false, true] {
            let mut store = open(&now);
            let nets: Vec<_> = everything(&store, &now).unwrap().iter().map(|entry| entry.net).collect();
            assert_eq!(nets, expected, "{now:?}, purged: {purged}");
            let counts = Counts { trusted: 0, banned: alive.len() as u64 };
            assert_eq!(store.counts(&now).unwrap(), counts, "{now:?}, purged: {purged}");
            store.purge(&now).unwrap();
        }
    }
    // Boots that nothing refers to are not kept for ever.
    let now = wall("e", 1, 2_000);
    let store = open(&now);
    let boots: i64 = store.connection.query_row("SELECT count(*) FROM boot", [], |row| row.get(0)).unwrap();
    assert_eq!(boots, 1);
}

#[test]
fn a_switch_says_when_it_is_to_be_taken_back_even_when_that_is_past() {
    let scratch = Scratch::new("store");
    let now = clock("a", 10);
    let switch = |name: &str, until| Switch {
        name: name.to_owned(),
        value: "on".to_owned(),
        since: now.wall,
        who: "root (alice)".to_owned(),
        until,
    };
    let mut store = Store::open_at(&database(scratch.path()), &now).unwrap();
    let mut change = store.begin().unwrap();
    change.put_switch(&switch("trusted-only", uptime(SECOND)), &now).unwrap();
    change.put_switch(&switch("trusted-only", now.kernel + 60 * SECOND), &now).unwrap();
    change.put_switch(&switch("mode", FOREVER), &now).unwrap();
    change.put_switch(&switch("other", FOREVER), &now).unwrap();
    assert!(change.remove_switch("other").unwrap());
    assert!(!change.remove_switch("other").unwrap());
    change.commit().unwrap();
    for (now, until) in [
        (clock("a", 20), uptime(70 * SECOND)),
        (clock("a", 200), uptime(70 * SECOND)),
        (Clock { kernel: uptime(3 * SECOND), ..clock("b", 30) }, uptime(43 * SECOND)),
        (Clock { kernel: uptime(3 * SECOND), ..clock("c", 300) }, uptime(3 * SECOND)),
    ] {
        let store = Store::open_at(&database(scratch.path()), &now).unwrap();
        assert_eq!(
            store.switches().unwrap(),
            [switch("mode", FOREVER), switch("trusted-only", until)],
            "{now:?}"
        );
    }
}

#[test]
fn without_a_boot_no_time_means_anything() {
    let scratch = Scratch::new("store");
    let error = Store::open_at(&database(scratch.path()), &clock("", 10)).unwrap_err();
    assert!(error.to_string().contains("boot_id"), "{error}");
}
