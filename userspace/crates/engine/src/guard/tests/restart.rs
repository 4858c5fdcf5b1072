//! The counts of the guard survive a restart.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    forged::{any_run, lively},
    *,
};
use crate::guard::{Memory, Remembered, UnsavedMemory};

/// The contents of a store.
#[derive(Default)]
struct FakeStore(BTreeMap<Remembered, Memory>);

impl FakeStore {
    fn keep(&mut self, unsaved_memory: UnsavedMemory) -> usize {
        let count = unsaved_memory.kept.len() + unsaved_memory.gone.len();
        for memory in unsaved_memory.kept {
            self.0.insert(memory.of.clone(), memory);
        }
        for gone in unsaved_memory.gone {
            assert!(self.0.remove(&gone).is_some(), "only what is there has to be removed: {gone:?}");
        }
        count
    }

    fn recalled(&self, settings: Settings, now: KernelTime) -> Guard {
        let mut guard = Guard::new(settings);
        assert_eq!(guard.recall(now, self.0.values().cloned()), 0);
        guard
    }
}

/// The same guard after a restart at which nothing was lost.
fn restarted(guard: &mut Guard, now: KernelTime) -> Guard {
    let mut store = FakeStore::default();
    guard.save_again();
    store.keep(guard.unsaved(usize::MAX));
    let mut after = store.recalled(guard.settings, now);
    let held: Vec<_> = guard
        .suspensions
        .iter()
        .map(|((account, source), suspension)| match source {
            Some(source) => Held::Suspended {
                account: account.clone(),
                source: *source,
                until: suspension.until,
                trigger: suspension.trigger,
            },
            None => Held::Locked {
                account: account.clone(),
                until: suspension.until,
                trigger: suspension.trigger,
            },
        })
        .collect();
    after.restore(now, held);
    after
}

#[test]
fn who_guesses_gets_no_new_guesses_by_a_restart() {
    let mut guard = Guard::default();
    feed(&mut guard, (0..5).map(|n| failure(START + n * SECOND, host(1), "100")));
    let mut guard = restarted(&mut guard, START + MINUTE);
    assert_eq!(suspensions(&guard.witness(&failure(START + MINUTE, host(1), "100"))), [("100", host(1))]);
    // Nor is it forgotten how often it was suspended.
    let mut decisions = Vec::new();
    for round in 1..=2 {
        let at = START + round * 5 * MINUTE;
        guard = restarted(&mut guard, at);
        decisions.extend(feed(&mut guard, (0..6).map(|n| failure(at + n * SECOND, host(1), "100"))));
    }
    assert_eq!(bans(&decisions), [], "the first suspension took a minute");
    let at = START + 20 * MINUTE;
    guard = restarted(&mut guard, at);
    let last = feed(&mut guard, (0..6).map(|n| failure(at + n * SECOND, host(1), "100")));
    assert_eq!(bans(&last), [(Rule::Persistent, Scope::Source { source: host(1) })]);
}

#[test]
fn an_account_that_is_attacked_from_everywhere_is_locked_over_a_restart_too() {
    let mut guard = Guard::default();
    feed(&mut guard, (1..=9).map(|n| failure(START + nanos(n), host(n as u32), "100")));
    let mut guard = restarted(&mut guard, START + MINUTE);
    assert_eq!(rules(&guard.witness(&failure(START + MINUTE, host(10), "100"))), [Rule::Distributed]);
}

#[test]
fn an_office_with_new_passwords_after_a_restart_does_not_guess() {
    let settings = Settings::default();
    let mut guard = Guard::new(settings);
    let names: Vec<_> = (100..140).map(|name| name.to_string()).collect();
    feed(&mut guard, names.iter().map(|name| registered(START, host(1), name, START + HOUR)));
    let later = START + 29 * 24 * HOUR;
    let fail =
        |guard: &mut Guard, at| bans(&feed(guard, names.iter().map(|name| failure(at, host(1), name))));
    assert_eq!(fail(&mut restarted(&mut guard, later), later), []);
    let later = START + 31 * 24 * HOUR;
    assert_eq!(fail(&mut restarted(&mut guard, later), later).len(), 1, "it is forgotten in the end");
}

#[test]
fn where_it_works_it_still_works_and_does_not_lock() {
    let mut settings = all_off();
    settings.lock.on = true;
    let mut guard = Guard::new(settings);
    guard.witness(&registered(START, host(1), "100", START + HOUR));
    let until = guard.source(host(1), START).unwrap().accounts[0].works_until.unwrap();
    let mut guard = restarted(&mut guard, START + MINUTE);
    let after = guard.source(host(1), START + MINUTE).unwrap().accounts[0].works_until.unwrap();
    assert!((until..=until + HOUR).contains(&after), "not shortened");
    assert_eq!(feed(&mut guard, (0..50).map(|n| failure(START + MINUTE + nanos(n), host(1), "100"))), []);
}

#[test]
fn what_worked_and_what_a_hand_has_forgiven_is_forgiven_after_a_restart() {
    let fail =
        |guard: &mut Guard, at| feed(guard, (0..5).map(|n| failure(at + nanos(n), host(1), "100"))).len();
    let clear_net = Order::ClearNet { net: host(1).into() };
    let unlock = Order::Unlock { account: account("100") };
    let forgive: [&dyn Fn(&mut Guard); 3] = [
        &|guard| drop(guard.order(&clear_net, START + MINUTE)),
        &|guard| drop(guard.order(&unlock, START + MINUTE)),
        &|guard| drop(guard.witness(&success(START + MINUTE, host(1), "100"))),
    ];
    for forgive in forgive {
        let (mut guard, mut store) = (Guard::default(), FakeStore::default());
        assert_eq!(fail(&mut guard, START), 0);
        store.keep(guard.unsaved(usize::MAX));
        forgive(&mut guard);
        store.keep(guard.unsaved(usize::MAX));
        let mut guard = store.recalled(Settings::default(), START + 2 * MINUTE);
        assert_eq!(fail(&mut guard, START + 2 * MINUTE), 0);
    }
}

#[test]
fn what_is_saved_is_only_what_is_new_and_so_much_at_once() {
    let (mut guard, mut store) = (Guard::new(all_off()), FakeStore::default());
    assert!(guard.unsaved(usize::MAX).is_empty());
    feed(&mut guard, (0..100).map(|n| failure(START, host(n), &n.to_string())));
    let mut parts = Vec::new();
    while let part @ 1.. = store.keep(guard.unsaved(30)) {
        parts.push(part);
        // Somebody who never rests keeps nobody else from being saved.
        if parts.len() < 4 {
            guard.witness(&failure(START + nanos(parts.len() as u64), host(0), "0"));
        }
    }
    assert!(parts.iter().all(|part| *part <= 30), "{parts:?}");
    assert_eq!(store.0.len(), 200);
    // A phone that registers each minute is no news each minute.
    let phone = |minute| registered(START + minute * MINUTE, host(1), "x", START + (minute + 2) * MINUTE);
    let saved: usize = (0..600)
        .map(|minute| {
            guard.witness(&phone(minute));
            store.keep(guard.unsaved(usize::MAX))
        })
        .sum();
    assert!((9..=12).contains(&saved), "{saved} in ten hours");
}

#[test]
fn what_cannot_be_read_is_left_out() {
    let memory = |of, state: &str| Memory { of, until: START + HOUR, state: state.to_owned() };
    let mut guard = Guard::default();
    let nonsense = [
        memory(Remembered::SourceNet(host(1).into()), ""),
        memory(Remembered::SourceNet(host(1).into()), "{\"pairs\":7}"),
        memory(Remembered::SourceNet(net("192.0.2.0/24")), "{}"),
        memory(Remembered::Account(account("100")), "[]"),
        memory(Remembered::Worked(host(1), account("100")), "null"),
    ];
    assert_eq!(guard.recall(START, nonsense), 5);
    assert_eq!(guard.source(host(1), START), None);
}

proptest! {
    // Each case restarts after every other step.
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Known sources reach the guard apart, and only as a number: here nobody is.
    #[test]
    fn a_restart_at_any_moment_changes_no_decision(
        run in any_run(), restarts in prop::collection::vec(any::<bool>(), 200),
    ) {
        // The count of banned neighbours is not saved.
        let settings = Settings { neighbours: all_off().neighbours, ..lively() };
        let (mut steady, mut again) = (Guard::new(settings), Guard::new(settings));
        let mut at = START;
        for ((pause, evidence), restart) in run.into_iter().zip(restarts) {
            at += pause;
            if restart {
                // Suspensions that have run out are lifted at the start.
                prop_assert_eq!(steady.tick(at), again.tick(at));
                again = restarted(&mut again, at);
            }
            let Some(evidence) = evidence else {
                prop_assert_eq!(steady.tick(at), again.tick(at));
                continue;
            };
            let makes_known = matches!(
                evidence.kind,
                Kind::Succeeded | Kind::Registered { .. } | Kind::Unregistered { .. } | Kind::Qualified
            );
            // Bans are the kernel's, which lets nothing through from there.
            if makes_known || steady.bans.covers(evidence.source, evidence.flow, at) {
                continue;
            }
            let evidence = Evidence { at, ..evidence };
            let decisions = steady.witness(&evidence);
            prop_assert_eq!(again.witness(&evidence), decisions);
        }
    }

    /// Saved in parts, the store ends up with the same as if it had been saved at once.
    #[test]
    fn parts_come_to_the_whole(run in any_run(), parts in prop::collection::vec(0..4usize, 200)) {
        let (mut guard, mut store) = (Guard::new(lively()), FakeStore::default());
        let mut at = START;
        for ((pause, evidence), part) in run.into_iter().zip(parts) {
            at += pause;
            match evidence {
                Some(evidence) => drop(guard.witness(&Evidence { at, ..evidence })),
                None => drop(guard.order(&Order::ClearNet { net: host(1).into() }, at)),
            }
            store.keep(guard.unsaved(part));
        }
        while store.keep(guard.unsaved(3)) > 0 {}
        let mut whole = FakeStore::default();
        guard.save_again();
        whole.keep(guard.unsaved(usize::MAX));
        prop_assert_eq!(whole.0, store.0);
    }
}
