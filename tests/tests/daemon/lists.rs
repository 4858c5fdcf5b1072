//! The lists as the commands show them, and as the kernel has them.

use std::collections::{BTreeMap, BTreeSet};

use sipward::{
    clock::Clock,
    lists::{Found, found},
    store::{Entry, Store},
};
use sipward_kernel::{Pins, Tables};
use sipward_tests::command::Sipward;
use sipward_types::{
    address::show,
    list_entry::{ListEntry, ListKind},
    time::KernelTime,
};

/// By source. No source is on both lists.
pub(crate) type ShownLists = BTreeMap<String, Line>;

/// Until when: in seconds since 1970, or for ever.
pub(crate) type Line = (ListKind, Option<u64>);

pub(crate) fn lists(sipward: &Sipward<'_>) -> ShownLists {
    let list = |command: &str, kind| {
        let listed = sipward.json(&format!("{command} list"));
        listed.into_iter().map(move |listed| {
            (listed["source"].as_str().expect("a source").to_owned(), (kind, listed["until"].as_u64()))
        })
    };
    list("ban", ListKind::Banned).chain(list("trust", ListKind::Trusted)).collect()
}

pub(crate) fn in_the_kernel(sipward: &Sipward<'_>) -> ShownLists {
    let ours = Pins::at(sipward.pins());
    let others = ours.others().unwrap();
    let mut there = [ours].into_iter().chain(others).filter(|pins| pins.is_there().unwrap());
    let mut tables = Tables::open(&there.next().expect("a filter")).unwrap();
    assert!(there.next().is_none(), "a filter of another build is left");
    let clock = Clock::read();
    let found = found(&mut tables, clock.kernel, |_| true).unwrap();
    let line = |found: Found| {
        assert!(!found.unsaved, "{found:?}");
        let ListEntry { kind, until, .. } = found.list_entry.unwrap_or_else(|| panic!("{found:?}"));
        (show(found.net), (kind, shown_end(until, &clock)))
    };
    found.into_iter().map(line).collect()
}

/// The lines that are acknowledged, and may be behind the kernel's in the middle of a change.
pub(crate) fn in_the_store(sipward: &Sipward<'_>) -> ShownLists {
    let store = Store::open(&sipward.state().join("sipward.db")).unwrap();
    let (clock, mut lists) = (Clock::read(), ShownLists::new());
    let put = |entry: Entry| {
        lists.insert(show(entry.net), (entry.kind, shown_end(entry.until, &clock)));
        Ok(())
    };
    store.for_each(&clock, put).unwrap();
    lists
}

fn shown_end(until: KernelTime, clock: &Clock) -> Option<u64> {
    (!until.is_forever()).then(|| (clock.wall + until.since(clock.kernel)).seconds().get())
}

/// The same lines, each with the same end.
pub(crate) fn same(before: &ShownLists, after: &ShownLists) {
    let others = differences(before, after);
    assert!(others.is_empty(), "before and after: {others:#?}");
}

/// The sources whose lines differ, by more than the second to which an end is rounded.
pub(crate) fn differences<'a>(
    before: &'a ShownLists,
    after: &'a ShownLists,
) -> Vec<(&'a String, Option<&'a Line>, Option<&'a Line>)> {
    let sources: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let pairs = sources.into_iter().map(|source| (source, before.get(source), after.get(source)));
    pairs.filter(|(_, before, after)| !is_same(*before, *after)).collect()
}

fn is_same(before: Option<&Line>, after: Option<&Line>) -> bool {
    match (before, after) {
        (Some((before, Some(first))), Some((after, Some(second)))) => {
            before == after && first.abs_diff(*second) <= 1
        }
        _ => before == after,
    }
}
