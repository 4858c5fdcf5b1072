//! The filter taken off under a daemon that cannot save, and put back: the daemon's memory is all there is.

use sipward_tests::namespace::Lan;

use crate::disk::{CHANGES, check, command, prepare, remove_database, start, wait_until_saved, with_disk};

/// Some before the filter is taken off, the others while it is off.
const BEFORE: usize = 3;

#[test]
fn what_cannot_be_saved_outlives_a_detach_and_an_attach() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    for has_room_again in [false, true] {
        let (mut site, disk) = with_disk(pbx);
        prepare(&site);
        disk.fill(0);
        for (at, line) in CHANGES.iter().enumerate() {
            if at == BEFORE {
                site.sipward.ok("mode monitor");
                site.sipward.ok("detach");
            }
            let done = command(&site, line);
            assert_eq!(done.code, Some(0), "{done}");
            assert!(done.stderr.contains("not saved"), "{done}");
        }
        if has_room_again {
            disk.free();
            wait_until_saved(&site);
        }
        site.sipward.ok("attach");
        assert_eq!(site.status()["mode"], "monitor", "the switch is remembered, too");
        site.sipward.ok("mode enforce");
        check(&site, "attached again");
        if !has_room_again {
            assert!(site.fault().is_some(), "the disk is still full");
            disk.free();
            wait_until_saved(&site);
        }
        site.kill();
        start(&mut site);
        check(&site, "after another start");
        site.end();
        site.sipward.ok("detach");
    }
}

#[test]
fn a_database_that_is_removed_while_the_filter_is_off_is_made_again_from_memory() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let (mut site, disk) = with_disk(pbx);
    prepare(&site);
    site.sipward.ok("detach");
    remove_database(&disk);
    for line in CHANGES {
        let done = command(&site, line);
        assert!(done.stderr.is_empty() || done.stderr.contains("not saved"), "{done}");
    }
    site.wait("a new database is made", || disk.database().exists());
    wait_until_saved(&site);
    site.kill();
    start(&mut site);
    check(&site, "from the new one");
    let origins = ["trust", "ban"].map(|list| site.sipward.json(&format!("{list} list")));
    let origins: Vec<_> = origins.iter().flatten().map(|line| line["origin"].as_str().unwrap()).collect();
    assert_eq!(origins, ["config", "hand", "hand", "config", "hand", "hand"]);
}

/// Nobody has looked after the store since.
#[test]
fn a_daemon_that_ends_while_the_filter_is_off_saves_what_it_could_not() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let (mut site, disk) = with_disk(pbx);
    prepare(&site);
    site.sipward.ok("detach");
    disk.fill(0);
    for line in CHANGES {
        assert!(command(&site, line).stderr.contains("not saved"));
    }
    disk.free();
    site.end();
    start(&mut site);
    check(&site, "after a restart");
}

#[test]
fn a_detach_without_a_daemon_saves_what_only_the_kernel_has_or_says_that_it_goes() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    for has_room_again in [true, false] {
        let (mut site, disk) = with_disk(pbx);
        prepare(&site);
        site.kill();
        disk.fill(0);
        for line in CHANGES {
            assert!(command(&site, line).stderr.contains("not saved"));
        }
        if has_room_again {
            disk.free();
        }
        let done = command(&site, "detach");
        assert_eq!(done.code, Some(0), "{done}");
        assert_eq!(done.stderr.contains("changes that were not saved went"), !has_room_again, "{done}");
        if has_room_again {
            start(&mut site);
            check(&site, "with a daemon again");
            site.end();
            site.sipward.ok("detach");
        }
    }
}
