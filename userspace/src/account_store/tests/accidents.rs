//! Processes killed in the middle of a change.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use super::*;

/// The path that the killed process writes to.
const PLACE: &str = "SIPWARD_TEST_ACCOUNTS";
const ACKNOWLEDGED: &str = "imported ";
const ACCOUNTS: u32 = 1_000;
const ROUNDS: u64 = 20;

/// All of them expire at the number of their import.
fn generation(number: u64) -> Vec<Account> {
    let expires = Some(WallSeconds::new(number));
    (0..ACCOUNTS).map(|at| Account { expires, ..account(&format!("{at:05}")) }).collect()
}

fn last_import(accounts: &[Account]) -> u64 {
    accounts.first().and_then(|account| account.expires).map_or(0, WallSeconds::get)
}

#[test]
#[ignore = "started and killed by the test below"]
fn imports_until_it_is_killed() {
    let Some(path) = std::env::var_os(PLACE) else { return };
    let mut store = AccountStore::open_for(Path::new(&path), None).unwrap();
    for number in last_import(&store.all().unwrap()) + 1.. {
        store.import(&generation(number)).unwrap();
        println!("{ACKNOWLEDGED}{number}");
    }
}

#[test]
fn a_kill_in_the_middle_of_an_import_leaves_all_or_nothing_of_it() {
    let scratch = Scratch::new("accounts");
    let mut last = 0;
    for round in 0..ROUNDS {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "account_store::tests::accidents::imports_until_it_is_killed"])
            .args(["--ignored", "--nocapture"])
            .env(PLACE, database(&scratch))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut numbers = lines.by_ref().filter_map(|line| line.strip_prefix(ACKNOWLEDGED)?.parse().ok());
        last = numbers.next().unwrap();
        // Each time somewhere else in an import.
        thread::sleep(Duration::from_millis(round * 3));
        writer.kill().unwrap();
        last = numbers.last().unwrap_or(last);
        writer.wait().unwrap();
        let accounts = AccountStore::open_existing(&database(&scratch)).unwrap().unwrap().all().unwrap();
        let number = last_import(&accounts);
        // One more may have been saved without an acknowledgement.
        assert!((last..=last + 1).contains(&number), "{number}, {last}");
        assert_eq!(accounts, generation(number));
    }
    assert!(last >= ROUNDS, "{last}");
}

#[test]
fn a_change_that_was_cut_off_is_undone_by_root_and_meanwhile_the_edge_says_so() {
    let (before, after) = (Scratch::new("accounts"), Scratch::new("accounts"));
    open(&before).import(&generation(1)).unwrap();
    let connection = Connection::open(database(&before)).unwrap();
    // With no room in memory, half a change is in the file.
    connection
        .execute_batch("PRAGMA cache_size = 1; BEGIN IMMEDIATE; UPDATE account SET status = 'locked'")
        .unwrap();
    for file in ["accounts.db", "accounts.db-journal"] {
        fs::copy(before.path().join(file), after.path().join(file)).unwrap();
    }
    let mut reader = AccountReader::new(&database(&after));
    let error = reader.read_changed().unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Interrupted, "{error}");
    let looked = AccountStore::open_existing(&database(&after)).unwrap().unwrap();
    assert_eq!(looked.all().unwrap(), generation(1));
    assert_eq!(reader.read_changed().unwrap(), Some(generation(1)));
}
