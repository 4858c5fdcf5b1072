//! Disks that are full, read-only or owned by another user. Each test needs its own mounts or users, and so a process.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::chown,
    process::Command,
};

use sipward_testkit::skipped::skipped;

use super::*;

/// The directory for the child process of a test.
const PLACE: &str = "SIPWARD_TEST_DISK";

/// Runs an ignored test in a process that has a part of root's rights, and a directory; skipped where that is not possible.
fn go_on_in(name: &str, wrapper: &[&str]) {
    let works = Command::new(wrapper[0]).args(&wrapper[1..]).arg("true").output();
    if !works.is_ok_and(|output| output.status.success()) {
        skipped(&format!("`{}` needs root", wrapper.join(" ")));
        return;
    }
    let scratch = Scratch::new("store");
    let output = Command::new(wrapper[0])
        .args(&wrapper[1..])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("store::tests::disks::{name}"), "--ignored", "--nocapture"])
        .env(PLACE, scratch.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

const MOUNTS: &[&str] = &["unshare", "--mount", "--propagation", "private"];
/// Root as in a systemd unit: it cannot read what is not its own.
const NO_OVERRIDE: &[&str] = &["setpriv", "--bounding-set", "-dac_override,-dac_read_search"];

fn place() -> Option<PathBuf> {
    std::env::var_os(PLACE).map(PathBuf::from)
}

fn run(program: &str, arguments: &[&str], last: &Path) {
    let status = Command::new(program).args(arguments).arg(last).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}");
}

const NOW: Clock = Clock { boot: "a", kernel: KernelTime::from_nanos(10_000_000_000), wall: TODAY };

/// Fills the disk, and returns the path of the file.
fn fill(directory: &Path) -> PathBuf {
    let path = directory.join("filler");
    let mut file = File::create(&path).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
    path
}

fn put_one(store: &mut Store, number: u32) -> super::super::Result<()> {
    let mut change = store.begin()?;
    change.put(&ban(address(number), FOREVER), &NOW)?;
    change.commit()
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    go_on_in("on_a_full_disk", MOUNTS);
}

#[test]
#[ignore = "a part of the test above"]
fn on_a_full_disk() {
    let Some(place) = place() else { return };
    run("mount", &["-t", "tmpfs", "-o", "size=1m", "tmpfs"], &place);
    let mut store = Store::open_at(&database(&place), &NOW).unwrap();
    let filler = fill(&place);
    let mut saved = 0;
    let error = loop {
        match put_one(&mut store, saved) {
            Ok(()) => saved += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), StoreErrorKind::Full, "{error}");
    assert!(error.to_string().contains("the disk is full"), "{error}");
    assert_eq!(everything(&store, &NOW).unwrap(), many(saved));
    fs::remove_file(&filler).unwrap();
    put_one(&mut store, saved).unwrap();
    drop(store);

    // A daemon that starts on a full disk still has its lists.
    let filler = fill(&place);
    let mut store = Store::open_at(&database(&place), &NOW).unwrap();
    assert_eq!(everything(&store, &NOW).unwrap(), many(saved + 1));
    assert_eq!(put_one(&mut store, saved + 1).unwrap_err().kind(), StoreErrorKind::Full);
    assert_eq!(store.purge(&NOW).unwrap(), 0);
    assert_eq!(store.health().unwrap().faults, Vec::<String>::new());
    fs::remove_file(&filler).unwrap();
    put_one(&mut store, saved + 1).unwrap();
    assert_eq!(everything(&store, &NOW).unwrap(), many(saved + 2));
}

#[test]
fn no_room_for_a_new_store_is_told() {
    go_on_in("anew_on_a_full_disk", MOUNTS);
}

#[test]
#[ignore = "a part of the test above"]
fn anew_on_a_full_disk() {
    let Some(place) = place() else { return };
    run("mount", &["-t", "tmpfs", "-o", "size=64k", "tmpfs"], &place);
    let filler = fill(&place);
    for _again in 0..2 {
        let error = Store::open_at(&database(&place), &NOW).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Full, "{error}");
    }
    fs::remove_file(&filler).unwrap();
    run("mount", &["-o", "remount,size=1m"], &place);
    put_one(&mut Store::open_at(&database(&place), &NOW).unwrap(), 0).unwrap();
}

#[test]
fn a_read_only_disk_can_be_read_and_is_told_when_something_is_to_be_written() {
    go_on_in("on_a_read_only_disk", MOUNTS);
}

#[test]
#[ignore = "a part of the test above"]
fn on_a_read_only_disk() {
    let Some(place) = place() else { return };
    // A name that means something in the kind of address that SQLite takes.
    let (mine, theirs) = (place.join("a?b#c%20 d"), place.join("theirs"));
    fs::create_dir(&mine).unwrap();
    fs::create_dir(&theirs).unwrap();
    put_one(&mut Store::open_at(&database(&theirs), &NOW).unwrap(), 0).unwrap();
    run("mount", &["--bind", theirs.to_str().unwrap()], &mine);
    run("mount", &["-o", "remount,ro,bind"], &mine);
    let path = database(&mine);

    // As a daemon leaves it that ended in peace, and as one leaves it that did not.
    let mut store = Store::open_at(&path, &NOW).unwrap();
    assert_eq!(everything(&store, &NOW).unwrap(), many(1));
    let error = put_one(&mut store, 1).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::ReadOnly, "{error}");
    assert!(error.to_string().contains("its file system is read-only"), "{error}");
    let mut writer = Store::open_at(&database(&theirs), &NOW).unwrap();
    put_one(&mut writer, 1).unwrap();
    let mut beside = Store::open_at(&path, &NOW).unwrap();
    assert_eq!(everything(&beside, &NOW).unwrap(), many(2));
    assert_eq!(put_one(&mut beside, 2).unwrap_err().kind(), StoreErrorKind::ReadOnly);
    assert!(beside.health().unwrap().read_only);
    assert_eq!(beside.purge(&NOW).unwrap(), 0);

    run("mount", &["-o", "remount,rw,bind"], &mine);
    put_one(&mut store, 2).unwrap();
    put_one(&mut beside, 3).unwrap();
    assert_eq!(everything(&store, &NOW).unwrap(), many(4));
    drop((store, beside, writer));

    run("mount", &["-o", "remount,ro,bind"], &mine);
    let error = Store::open_at(&mine.join("none").join("sipward.db"), &NOW).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::ReadOnly, "{error}");
    assert_eq!(Store::set_aside(&path).unwrap_err().kind(), StoreErrorKind::ReadOnly);
}

#[test]
fn somebody_elses_store_is_denied() {
    go_on_in("that_is_somebody_elses", NO_OVERRIDE);
}

#[test]
#[ignore = "a part of the test above"]
fn that_is_somebody_elses() {
    const NOBODY: Option<u32> = Some(65_534);
    let Some(place) = place() else { return };
    let path = database(&place);
    put_one(&mut Store::open_at(&path, &NOW).unwrap(), 0).unwrap();
    chown(&path, NOBODY, NOBODY).unwrap();
    let error = Store::open_at(&path, &NOW).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("belongs to uid 65534, mode 600; this is uid 0"), "{error}");

    let directory = place.join("theirs");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    chown(&directory, NOBODY, NOBODY).unwrap();
    let error = Store::open_at(&database(&directory), &NOW).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
}

#[test]
fn what_is_no_file_is_told() {
    let scratch = Scratch::new("store");
    fs::create_dir(database(scratch.path())).unwrap();
    let error = Store::open_at(&database(scratch.path()), &NOW).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Other);
    assert!(error.to_string().contains("sipward.db"), "{error}");
}

#[test]
fn a_store_that_is_removed_while_it_is_open_is_told() {
    let scratch = Scratch::new("store");
    let path = database(scratch.path());
    let mut store = Store::open_at(&path, &NOW).unwrap();
    put_one(&mut store, 0).unwrap();
    fs::remove_file(&path).unwrap();
    let error = put_one(&mut store, 1).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Lost, "{error}");
    fs::write(&path, "").unwrap();
    assert_eq!(put_one(&mut store, 1).unwrap_err().kind(), StoreErrorKind::Lost);
}
