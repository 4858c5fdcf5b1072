//! The edge reads: another user, while root writes.

use std::{os::unix::fs::MetadataExt as _, thread};

use super::*;
use sipward_testkit::skipped::skipped;

const EDGE: u32 = 54_321;
const SOMEBODY: u32 = 65_534;

/// True if this process may become another user; if not, the test is skipped.
fn is_root() -> bool {
    // SAFETY: it has no preconditions and cannot fail.
    let is_root = unsafe { libc::geteuid() } == 0;
    if !is_root {
        skipped("only root can be another user");
    }
    is_root
}

/// Runs on a thread of its own as a user with this number and no other group.
fn as_user<T: Send>(id: u32, work: impl FnOnce() -> T + Send) -> T {
    let become_user = move || {
        // The system calls themselves change the thread, and not the process as the C library does.
        for (number, arguments) in
            [(libc::SYS_setgroups, [0; 3]), (libc::SYS_setresgid, [id; 3]), (libc::SYS_setresuid, [id; 3])]
        {
            let [first, second, third] = arguments.map(libc::c_ulong::from);
            // SAFETY: they take plain numbers; no group means no pointer to any.
            assert_eq!(unsafe { libc::syscall(number, first, second, third) }, 0, "{number}");
        }
        work()
    };
    thread::scope(|scope| scope.spawn(become_user).join().unwrap())
}

#[test]
fn the_edge_reads_and_nobody_else_does() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new("accounts");
    let directory = scratch.path().join("sipward");
    let path = directory.join("accounts.db");
    let mut store = AccountStore::open_for(&path, Some(EDGE)).unwrap();
    fs::write(directory.join("sipward.db"), "the daemon's").unwrap();
    fs::set_permissions(directory.join("sipward.db"), Permissions::from_mode(0o600)).unwrap();
    store.add(&account("201")).unwrap();
    let mode = |path: &Path| fs::metadata(path).map(|file| (file.mode() & 0o7777, file.gid())).unwrap();
    // Another group of the directory would not last: systemd sets that of the daemon's unit, in all of it.
    let own = fs::metadata(scratch.path()).unwrap().gid();
    assert_eq!((mode(&path), mode(&directory)), ((0o640, EDGE), (0o711, own)));
    as_user(EDGE, || {
        let mut reader = AccountReader::new(&path);
        assert_eq!(reader.read_changed().unwrap().unwrap(), [account("201")]);
        assert!(fs::read_dir(&directory).is_err() && fs::read(directory.join("sipward.db")).is_err());
        let written = AccountStore::open_existing(&path).unwrap().unwrap().add(&account("202")).unwrap_err();
        assert_eq!(written.kind(), StoreErrorKind::Denied);
    });
    for other in [SOMEBODY, EDGE + 1] {
        let error = as_user(other, || AccountReader::new(&path).read_changed().unwrap_err());
        assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
    }
}

#[test]
fn a_database_from_before_the_group_is_given_to_it() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new("accounts");
    let path = scratch.path().join("sipward").join("accounts.db");
    AccountStore::open_for(&path, None).unwrap().add(&account("201")).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
    assert!(as_user(EDGE, || AccountReader::new(&path).read_changed()).is_err());
    drop(AccountStore::open_for(&path, Some(EDGE)).unwrap());
    assert_eq!(as_user(EDGE, || AccountReader::new(&path).read_changed()).unwrap().unwrap().len(), 1);
}

#[test]
fn a_reader_sees_each_change_once() {
    let scratch = Scratch::new("accounts");
    let mut reader = AccountReader::new(&database(&scratch));
    assert_eq!(reader.read_changed().unwrap(), Some(vec![]), "there is no database yet");
    assert_eq!(reader.read_changed().unwrap(), None);
    let mut store = open(&scratch);
    assert_eq!(reader.read_changed().unwrap(), Some(vec![]));
    for text in ["201", "202"] {
        store.add(&account(text)).unwrap();
        let accounts = reader.read_changed().unwrap().expect("a change");
        assert_eq!(accounts.last(), Some(&account(text)));
        assert_eq!(reader.read_changed().unwrap(), None);
    }
    store.add(&account("202")).unwrap();
    assert_eq!(reader.read_changed().unwrap(), None, "nothing was changed");
}

#[test]
fn a_database_that_is_taken_away_takes_no_account_with_it_and_another_is_read() {
    let scratch = Scratch::new("accounts");
    open(&scratch).add(&account("201")).unwrap();
    let mut reader = AccountReader::new(&database(&scratch));
    reader.read_changed().unwrap();
    fs::remove_file(database(&scratch)).unwrap();
    for _again in 0..2 {
        let error = reader.read_changed().unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Lost);
        assert!(error.to_string().contains("still in force"), "{error}");
    }
    open(&scratch).add(&account("202")).unwrap();
    assert_eq!(reader.read_changed().unwrap(), Some(vec![account("202")]));
}
