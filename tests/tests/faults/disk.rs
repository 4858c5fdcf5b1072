//! The store and its disk: full, read-only, damaged, removed, or owned by another user.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, chown},
    path::PathBuf,
    process::Command,
};

use sipward_tests::{command::Done, namespace::Lan};
use xdp_prog::reason::Action;

use crate::site::{Site, confined, says};

const CONFIG: &str = "interface = \"eth0\"\ntrusted = [\"192.0.2.1\"]\nbanned = [\"192.0.2.2\"]\n";

/// A file system of its own for the store, in a place that exists for this thread and what it starts.
pub(crate) struct Disk(PathBuf);

impl Disk {
    fn mount(site: &Site<'_>) -> Self {
        // SAFETY: no pointers; it moves this thread alone.
        let apart = unsafe { libc::unshare(libc::CLONE_NEWNS) };
        assert_eq!(apart, 0, "{}", io::Error::last_os_error());
        run("mount", &["--make-rprivate", "/"]);
        let at = site.sipward.state();
        fs::create_dir(&at).unwrap();
        run("mount", &["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", at.to_str().unwrap()]);
        Self(at)
    }

    fn remount(&self, options: &str) {
        run("mount", &["-o", &format!("remount,{options}"), self.0.to_str().unwrap()]);
    }

    /// Leaves room for so many bytes.
    pub(crate) fn fill(&self, left: u64) {
        let mut file = File::create(self.0.join("filler")).unwrap();
        while file.write_all(&[0; 512]).is_ok() {}
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(left)).unwrap();
    }

    pub(crate) fn free(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("sipward.db")
    }

    /// Writes what was never there over a part of the database.
    fn damage(&self, from: u64) {
        let file = OpenOptions::new().write(true).open(self.database()).unwrap();
        let length = file.metadata().unwrap().len();
        assert!(length > from, "{length} bytes");
        file.write_all_at(&vec![0xa5; (length - from).min(1 << 20) as usize], from).unwrap();
    }

    fn cut(&self, length: u64) {
        OpenOptions::new().write(true).open(self.database()).unwrap().set_len(length).unwrap();
    }

    /// Databases that were put aside.
    fn aside(&self) -> usize {
        let names = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with("sipward.db.corrupt-")).count()
    }
}

fn run(program: &str, arguments: &[&str]) {
    let done = Done::of(Command::new(program).args(arguments));
    assert_eq!(done.code, Some(0), "{done}");
}

/// A fault that comes and goes.
struct Fault {
    name: &'static str,
    /// With no daemon running.
    begin: fn(&Disk),
    end: fn(&Disk),
    said: &'static [&'static str],
}

const FULL: Fault =
    Fault { name: "full", begin: |disk| disk.fill(0), end: Disk::free, said: &["the disk is full", "df -h"] };
const READ_ONLY: Fault = Fault {
    name: "read-only",
    begin: |disk| disk.remount("ro"),
    end: |disk| disk.remount("rw"),
    said: &["read-only", "remount it"],
};
const NOT_OURS: Fault = Fault {
    name: "not ours",
    begin: |disk| chown(&disk.0, Some(65_534), None).unwrap(),
    end: |disk| chown(&disk.0, Some(0), None).unwrap(),
    said: &["may not", "chown"],
};

/// Daemon and commands.
pub(crate) fn start(site: &mut Site<'_>) {
    let command = confined(&site.run());
    site.start_by(command);
}

pub(crate) fn command(site: &Site<'_>, line: &str) -> Done {
    Done::of(&mut confined(&site.sipward.command(line)))
}

/// The commands before a fault.
pub(crate) fn prepare(site: &Site<'_>) {
    for line in [
        "trust add 198.51.100.1",
        "ban add 198.51.100.2",
        "ban add 203.0.113.0/28",
        "mode monitor",
        "mode enforce",
    ] {
        site.sipward.ok(line);
    }
    site.filter().works(&["192.0.2.1", "198.51.100.1"], &["192.0.2.2", "198.51.100.2", "203.0.113.7"]);
}

pub(crate) const CHANGES: [&str; 7] = [
    "trust add 198.51.100.11 --note office",
    "trust add 198.51.100.64/28",
    "ban add 198.51.100.12 --note scans",
    "ban add 203.0.113.64/28 --for 2h",
    "ban del 198.51.100.2",
    "ban del 203.0.113.0/28",
    "trust del 198.51.100.1",
];

/// Changes of each kind while nothing can be saved: done at once, and answered with why they are not saved.
fn change(site: &Site<'_>, fault: &Fault) {
    for line in CHANGES {
        let done = command(site, line);
        assert_eq!(done.code, Some(0), "{}: {done}", fault.name);
        says(&done, &["not saved"]);
        says(&done, fault.said);
    }
}

/// Those changes are in force, and nothing else is.
pub(crate) fn check(site: &Site<'_>, when: &str) {
    let filter = site.filter();
    println!("{when}");
    filter.works(
        &["192.0.2.1", "198.51.100.11", "198.51.100.70"],
        &["192.0.2.2", "198.51.100.12", "203.0.113.70"],
    );
    for lifted in ["198.51.100.2", "203.0.113.7"] {
        assert_eq!(filter.register(lifted), Action::Pass, "{lifted} is no longer banned");
    }
    assert_eq!(site.list("trust"), ["192.0.2.1", "198.51.100.11", "198.51.100.64/28"], "{when}");
    assert_eq!(site.list("ban"), ["192.0.2.2", "198.51.100.12", "203.0.113.64/28"], "{when}");
    let lists = &site.status()["lists"];
    assert_eq!((lists["trusted"].as_u64(), lists["banned"].as_u64()), (Some(3), Some(3)), "{when}");
    let left = site.sipward.json("ban list")[2]["expires_in"].as_u64().unwrap();
    assert!((6_000..=7_200).contains(&left), "{when}: {left} of two hours");
}

pub(crate) fn wait_until_saved(site: &Site<'_>) {
    site.wait("all is saved", || site.fault().is_none());
}

/// A site with the store on a disk of its own, and the daemon running.
pub(crate) fn with_disk(host: &sipward_tests::namespace::Namespace) -> (Site<'_>, Disk) {
    let mut site = Site::new(host, CONFIG);
    let disk = Disk::mount(&site);
    start(&mut site);
    (site, disk)
}

#[test]
fn what_cannot_be_saved_is_in_force_and_saved_when_it_can_be() {
    for fault in [FULL, READ_ONLY, NOT_OURS] {
        let lan = Lan::new(["pbx"]);
        let [pbx] = lan.hosts();
        let (mut site, disk) = with_disk(pbx);
        prepare(&site);
        if fault.name == READ_ONLY.name {
            // The kernel refuses to remount a disk read-only while files on it are open for writing.
            site.kill();
            (fault.begin)(&disk);
            start(&mut site);
        } else {
            (fault.begin)(&disk);
        }
        if fault.name == NOT_OURS.name {
            // A file that the daemon has open would stay writable.
            site.kill();
            start(&mut site);
        }
        change(&site, &fault);
        let file = site.config.with_file_name("bans.txt");
        fs::write(&file, "100.64.0.1\n100.64.0.2\n").unwrap();
        says(&command(&site, &format!("ban import {}", file.display())), &["not saved"]);
        site.sipward.ok("ban del 100.64.0.1 100.64.0.2");
        site.sipward.ok("mode monitor");
        let shown = site.fault().expect("a fault");
        assert!(fault.said.iter().all(|said| shown.contains(said)), "{shown}");
        site.wait_for_log("cannot be saved");
        site.sipward.ok("mode enforce");
        check(&site, "during the fault");
        site.sipward.ok("mode monitor");

        (fault.end)(&disk);
        wait_until_saved(&site);
        site.kill();
        start(&mut site);
        assert_eq!(site.status()["mode"], "monitor", "{}: as it was switched then", fault.name);
        site.sipward.ok("mode enforce");
        check(&site, "after the fault and another start");
        assert_eq!(site.fault(), None);
        // And who did it.
        assert_eq!(site.sipward.json("ban list")[1]["note"], "scans");
        let trail = site.sipward.json("audit");
        let file = file.display().to_string();
        for (what, target) in
            [("ban add", "198.51.100.12"), ("trust del", "198.51.100.1"), ("ban import", file.as_str())]
        {
            let line = trail.iter().find(|line| line["what"] == what && line["target"] == target);
            assert!(line.is_some(), "{}: {what} {target} is not in the audit trail: {trail:?}", fault.name);
        }
        assert_eq!(disk.aside(), 0);
    }
}

#[test]
fn what_could_not_be_saved_outlives_the_daemon() {
    for fault in [FULL, READ_ONLY, NOT_OURS] {
        let lan = Lan::new(["pbx"]);
        let [pbx] = lan.hosts();
        let (mut site, disk) = with_disk(pbx);
        prepare(&site);
        site.kill();
        (fault.begin)(&disk);
        start(&mut site);
        change(&site, &fault);
        site.kill();
        check(&site, "without a daemon");
        start(&mut site);
        check(&site, "the fault is not over, and the daemon is another");
        assert!(site.fault().is_some());
        (fault.end)(&disk);
        wait_until_saved(&site);
        site.kill();
        start(&mut site);
        check(&site, "after the fault");
    }
}

#[test]
fn commands_without_a_daemon_do_the_same() {
    for fault in [FULL, READ_ONLY, NOT_OURS] {
        let lan = Lan::new(["pbx"]);
        let [pbx] = lan.hosts();
        let (mut site, disk) = with_disk(pbx);
        prepare(&site);
        site.kill();
        (fault.begin)(&disk);
        change(&site, &fault);
        let status = command(&site, "status");
        assert!(fault.said.iter().all(|said| status.stdout.contains(said)), "{}: {status}", fault.name);
        check(&site, fault.name);
        (fault.end)(&disk);
        // Whoever comes first.
        assert_eq!(command(&site, "status").code, Some(0));
        assert_eq!(site.fault(), None, "{}", fault.name);
        start(&mut site);
        check(&site, "after the fault");
    }
}

#[test]
fn without_room_for_a_store_there_is_a_filter() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let mut site = Site::new(pbx, CONFIG);
    let disk = Disk::mount(&site);
    disk.fill(0);
    start(&mut site);
    for line in &CHANGES[..4] {
        let done = command(&site, line);
        assert_eq!(done.code, Some(0), "{done}");
        says(&done, &["not saved", "the disk is full"]);
    }
    check(&site, "without a store");
    disk.free();
    wait_until_saved(&site);
    site.kill();
    start(&mut site);
    check(&site, "with one");
}

/// A damage to a database.
struct Damage {
    name: &'static str,
    doing: fn(&Disk),
    /// The number of databases that the daemon puts aside for it.
    aside: usize,
}

const DAMAGES: [Damage; 4] = [
    Damage { name: "the header is overwritten", doing: |disk| disk.damage(0), aside: 1 },
    Damage { name: "all but the header is overwritten", doing: |disk| disk.damage(4_096), aside: 1 },
    Damage { name: "it is cut off", doing: |disk| disk.cut(5_000), aside: 1 },
    Damage { name: "it is removed", doing: remove_database, aside: 0 },
];

pub(crate) fn remove_database(disk: &Disk) {
    for name in ["sipward.db", "sipward.db-wal", "sipward.db-shm"] {
        let _ = fs::remove_file(disk.0.join(name));
    }
}

/// As [`change`], where it may or may not be saved.
fn change_somehow(site: &Site<'_>, what: &str) {
    for line in CHANGES {
        let done = command(site, line);
        assert_eq!(done.code, Some(0), "{what}: {done}\n{}", site.log());
        assert!(done.stderr.is_empty() || done.stderr.contains("not saved"), "{what}: {done}");
    }
}

#[test]
fn a_store_that_is_damaged_under_the_daemon_is_made_anew() {
    for Damage { name: what, doing, .. } in DAMAGES {
        let lan = Lan::new(["pbx"]);
        let [pbx] = lan.hosts();
        let (mut site, disk) = with_disk(pbx);
        prepare(&site);
        // So that what is in the file is not in the log as well.
        site.end();
        start(&mut site);
        doing(&disk);
        change_somehow(&site, what);
        check(&site, what);
        wait_until_saved(&site);
        site.kill();
        check(&site, what);
        start(&mut site);
        wait_until_saved(&site);
        check(&site, what);
    }
}

#[test]
fn a_store_that_is_damaged_at_the_start_is_made_anew() {
    for Damage { name: what, doing, aside } in DAMAGES {
        let lan = Lan::new(["pbx"]);
        let [pbx] = lan.hosts();
        let (mut site, disk) = with_disk(pbx);
        prepare(&site);
        change_somehow(&site, what);
        // Peacefully, so that all of it is in the one file.
        site.end();
        doing(&disk);
        start(&mut site);
        wait_until_saved(&site);
        check(&site, what);
        assert_eq!(disk.aside(), aside, "{what}\n{}", site.log());
        site.kill();
        start(&mut site);
        check(&site, what);

        // With nothing in the kernel to take the lists from, the configuration is what is left.
        site.end();
        site.sipward.ok("detach");
        doing(&disk);
        start(&mut site);
        wait_until_saved(&site);
        site.filter().works(&["192.0.2.1"], &["192.0.2.2"]);
        assert_eq!(
            (site.list("trust"), site.list("ban")),
            (vec!["192.0.2.1".to_owned()], vec!["192.0.2.2".to_owned()])
        );
        assert_eq!(disk.aside(), 2 * aside, "{what}");
    }
}

#[test]
fn a_store_that_nobody_writes_to_is_missed_when_it_is_gone() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let mut site = Site::new(pbx, CONFIG);
    site.start();
    prepare(&site);
    fs::remove_dir_all(site.sipward.state()).unwrap();
    site.wait_for_log("removed or replaced");
    wait_until_saved(&site);
    assert!(site.sipward.state().join("sipward.db").exists());
    site.kill();
    site.start();
    assert_eq!(site.list("ban"), ["192.0.2.2", "198.51.100.2", "203.0.113.0/28"]);
    assert_eq!(site.list("trust"), ["192.0.2.1", "198.51.100.1"]);
}

/// A new store that has not got room for the lists yet must not pass for all there is.
#[test]
fn a_store_that_is_made_anew_on_a_disk_that_is_almost_full_loses_nothing() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let (mut site, disk) = with_disk(pbx);
    let many = (0..5_000).map(|number| format!("100.64.{}.{}\n", number / 250, number % 250));
    let file = site.config.with_file_name("bans.txt");
    fs::write(&file, many.collect::<String>()).unwrap();
    site.sipward.ok(&format!("ban import {}", file.display()));
    let here = site.list("ban");
    assert_eq!(here.len(), 5_001);
    site.end();
    remove_database(&disk);
    disk.fill(250_000);
    start(&mut site);
    site.wait_for_log("the disk is full");
    // There may be room for these, and then the store is not new any more.
    for line in ["ban add 198.51.100.2", "ban del 198.51.100.2", "mode monitor", "mode enforce"] {
        site.sipward.ok(line);
    }
    site.kill();
    start(&mut site);
    assert_eq!(site.list("ban"), here, "{}", site.log());
    site.filter().works(&["192.0.2.1"], &["100.64.0.0", "100.64.19.249"]);
    disk.free();
    wait_until_saved(&site);
    site.kill();
    start(&mut site);
    assert_eq!(site.list("ban"), here);
    site.filter().works(&["192.0.2.1"], &["100.64.0.0", "100.64.19.249"]);
}
