//! The saved state has one form, whatever the types are called: documents of older versions are read, and written again
//! as they were.

use super::*;
use crate::guard::{Memory, Remembered, UnsavedMemory};

/// Written by the version before the types had their present names.
const SAVED: &str = include_str!("saved_form.txt");

/// Something of each that is saved.
fn busy_guard() -> Guard {
    let mut guard = Guard::default();
    let invite = |evidence| Evidence { method: Method::Invite, ..evidence };
    let home = |last: u16| IpAddr::from([0x2001, 0xdb8, 1, 2, 0, 0, 0, last]);
    let evidence = [
        registered(START, host(1), "100", START + HOUR),
        success(START, host(2), "200"),
        failure(START, host(2), "201"),
        from_port(5062, failure(START + SECOND, host(2), "202")),
        invite(failure(START + 2 * SECOND, host(2), "201")),
        of_kind(Kind::UnknownAccount, failure(START, host(3), "300")),
        of_kind(Kind::Refused, failure(START + SECOND, host(3), "301")),
        of_kind(Kind::Challenged, failure(START + 2 * SECOND, host(3), "a b-302")),
        of_kind(Kind::Named { attempt: 7 }, failure(START + 3 * SECOND, host(3), "303")),
        failure(START, home(1), "400"),
        failure(START + SECOND, home(2), "400"),
    ];
    feed(&mut guard, evidence);
    feed(&mut guard, (0..6).map(|n| failure(START + n * SECOND, host(4), "500")));
    guard
}

fn text(unsaved_memory: &UnsavedMemory) -> String {
    let line = |memory: &Memory| {
        let of = match &memory.of {
            Remembered::Worked(source, account) => format!("worked\t{source}\t{account}"),
            Remembered::SourceNet(net) => format!("source\t{net}\t"),
            Remembered::Account(account) => format!("account\t\t{account}"),
        };
        format!("{of}\t{}\t{}\n", memory.until.as_nanos(), memory.state)
    };
    unsaved_memory.kept.iter().map(line).collect()
}

fn memory(line: &str) -> Memory {
    let [of, source, name, until, state] =
        line.split('\t').collect::<Vec<_>>().try_into().expect("five columns");
    let of = match of {
        "worked" => Remembered::Worked(ip(source), account(name)),
        "source" => Remembered::SourceNet(net(source)),
        _ => Remembered::Account(account(name)),
    };
    Memory { of, until: KernelTime::from_nanos(until.parse().unwrap()), state: state.to_owned() }
}

#[test]
fn the_saved_form_is_that_of_older_versions() {
    let mut guard = busy_guard();
    guard.save_again();
    assert_eq!(text(&guard.unsaved(usize::MAX)), SAVED);
}

#[test]
fn documents_of_older_versions_are_read() {
    let mut guard = Guard::default();
    assert_eq!(guard.recall(START, SAVED.lines().map(memory)), 0, "nothing is unreadable");
    guard.save_again();
    assert_eq!(text(&guard.unsaved(usize::MAX)), SAVED, "and nothing is lost");
}
