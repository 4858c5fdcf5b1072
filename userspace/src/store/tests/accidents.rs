//! Processes killed at any moment.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use super::*;

/// The path that the killed process writes to.
const PLACE: &str = "SIPWARD_TEST_STORE";
const ACKNOWLEDGED: &str = "saved ";
/// In each change.
const ROWS: u32 = 7;
const ROUNDS: usize = 25;

#[test]
#[ignore = "started and killed by the test below"]
fn writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(PLACE) else { return };
    let now = clock("a", 10);
    let mut store = Store::open_at(Path::new(&path), &now).unwrap();
    for number in (store.audit(1, None, None).unwrap().first()).map_or(0, |line| number(&line.target) + 1).. {
        let mut change = store.begin().unwrap();
        for row in 0..ROWS {
            change.put(&ban(address(number * ROWS + row), FOREVER), &now).unwrap();
        }
        change.audit("root", "ban add", &number.to_string(), "", &now).unwrap();
        change.commit().unwrap();
        println!("{ACKNOWLEDGED}{number}");
    }
}

fn number(text: &str) -> u32 {
    text.parse().unwrap()
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill_and_nothing_is_half_there() {
    let scratch = Scratch::new("store");
    let now = clock("a", 10);
    let mut last = None;
    for round in 0..ROUNDS {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::accidents::writes_until_it_is_killed"])
            .args(["--ignored", "--nocapture"])
            .env(PLACE, database(scratch.path()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut saved = lines.by_ref().filter_map(|line| Some(number(line.strip_prefix(ACKNOWLEDGED)?)));
        // Each time somewhere else in a change, and in the work of the log.
        last = saved.nth(1 + round * 3);
        writer.kill().unwrap();
        last = saved.last().or(last);
        writer.wait().unwrap();

        let acknowledged = last.unwrap();
        let store = Store::open_at(&database(scratch.path()), &now).unwrap();
        let changes = number(&store.audit(1, None, None).unwrap()[0].target) + 1;
        // One more may have been saved without an acknowledgement.
        assert!((acknowledged + 1..=acknowledged + 2).contains(&changes), "{changes}, {acknowledged}");
        assert_eq!(store.audit(usize::MAX, None, None).unwrap().len() as u32, changes);
        assert_eq!(everything(&store, &now).unwrap(), many(changes * ROWS));
        assert_eq!(store.health().unwrap().faults, Vec::<String>::new());
    }
    assert!(last.unwrap() > 500, "{last:?}");
}
