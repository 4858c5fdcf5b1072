//! By hand, and after a restart.

use super::*;
use crate::guard::Trigger;

fn suspended() -> Guard {
    let mut guard = Guard::default();
    for source in [host(1), host(2)] {
        feed(&mut guard, (0..6).map(|n| failure(START + n * 20 * SECOND, source, "100")));
    }
    guard
}

fn now() -> KernelTime {
    START + 100 * SECOND
}

#[test]
fn unlock_lifts_everything_and_is_final_until_new_evidence() {
    let mut guard = suspended();
    guard.order(&Order::Lock { account: account("100"), until: KernelTime::FOREVER }, now());
    assert_eq!(status(&guard, "100", now()), Status::Locked);
    let lifted = guard.order(&Order::Unlock { account: account("100") }, now());
    let what: Vec<_> = lifted.iter().map(|lift| lift.action.clone()).collect();
    let lift = |source| GuardAction::Lift { account: account("100"), source };
    assert_eq!(what, [lift(None), lift(Some(host(1))), lift(Some(host(2)))]);
    assert_eq!(guard.account(&account("100"), now()), None);
    assert_eq!(guard.tick(START + 24 * HOUR), []);
    assert_eq!(feed(&mut guard, (1..=5).map(|n| failure(now() + nanos(n), host(1), "100"))), []);
    assert_eq!(suspensions(&guard.witness(&failure(now() + nanos(6), host(1), "100"))).len(), 1);
    assert_eq!(guard.order(&Order::Unlock { account: account("nobody") }, now()), []);
}

#[test]
fn unlock_at_one_source_leaves_the_other_one_suspended() {
    let mut guard = suspended();
    let here = Order::UnlockAt { account: account("100"), source: host(1) };
    let lifted = guard.order(&here, now());
    assert_eq!(lifted.len(), 1);
    assert_eq!(lifted[0].action, GuardAction::Lift { account: account("100"), source: Some(host(1)) });
    assert_eq!(feed(&mut guard, (1..=5).map(|n| failure(now() + nanos(n), host(1), "100"))), []);
    assert_eq!(guard.witness(&failure(now(), host(2), "100")), [], "suspended");
    assert_eq!(status(&guard, "100", now()), Status::Suspended);
    let nowhere = Order::UnlockAt { account: account("100"), source: host(3) };
    assert_eq!(guard.order(&nowhere, now()), []);
}

#[test]
fn a_lock_by_hand_ends_when_it_was_said() {
    let mut guard = Guard::default();
    let until = now() + HOUR;
    let locked = guard.order(&Order::Lock { account: account("100"), until }, now());
    assert_eq!(
        (rules(&locked), &locked[0].action),
        (vec![Rule::Hand], &GuardAction::Lock { account: account("100"), until })
    );
    assert_eq!(guard.tick(until - nanos(1)), []);
    assert_eq!(status(&guard, "100", until - nanos(1)), Status::Locked);
    assert_eq!(status(&guard, "101", until - nanos(1)), Status::Normal);
    assert_eq!(guard.tick(until).len(), 1);
    assert_eq!(
        guard.order(&Order::Lock { account: account("100"), until: now() }, now()),
        [],
        "over already"
    );
}

#[test]
fn a_pardon_forgets_what_counts_against_a_source_and_not_against_its_neighbour() {
    let mut guard = Guard::default();
    let tries = |source| (1..=7).map(move |n| failure(START + nanos(n), source, &format!("{}", n * 10)));
    assert_eq!(feed(&mut guard, tries(host(1)).chain(tries(host(2)))), []);
    assert_eq!(guard.order(&Order::ClearNet { net: host(1).into() }, START + MINUTE), []);
    assert_eq!(guard.witness(&failure(START + MINUTE, host(1), "80")), []);
    assert_eq!(bans(&guard.witness(&failure(START + MINUTE, host(2), "80"))).len(), 1);
}

#[test]
fn after_an_unban_new_evidence_counts_and_without_one_what_is_under_way_does_not() {
    let mut guard = Guard::default();
    let spray =
        |at: KernelTime| (1..=8).map(move |n| failure(at + nanos(n), host(1), &format!("{}", n * 10)));
    assert_eq!(bans(&feed(&mut guard, spray(START))).len(), 1);
    assert_eq!(feed(&mut guard, spray(START + SECOND)), [], "it is banned already");
    assert_eq!(guard.order(&Order::ClearNet { net: net("198.18.0.0/15") }, START + MINUTE), []);
    assert_eq!(bans(&feed(&mut guard, spray(START + MINUTE))).len(), 1);
}

#[test]
fn a_pardon_lifts_the_suspensions_there() {
    let mut guard = suspended();
    let lifted = guard.order(&Order::ClearNet { net: host(1).into() }, now());
    assert_eq!(lifted.len(), 1);
    assert_eq!(lifted[0].action, GuardAction::Lift { account: account("100"), source: Some(host(1)) });
    let view: AccountView = guard.account(&account("100"), now()).unwrap();
    assert_eq!(view.sources.iter().map(|at| at.source).collect::<Vec<_>>(), [host(2)]);
}

#[test]
fn nothing_is_shortened_by_a_restart() {
    let trigger = Trigger { rule: Rule::Suspend, count: 6, seconds: 3 };
    let held = |until| Held::Suspended { account: account("100"), source: host(1), until, trigger };
    let lock = Held::Locked {
        account: account("200"),
        until: KernelTime::FOREVER,
        trigger: Trigger { rule: Rule::Hand, ..trigger },
    };
    let mut guard = Guard::default();
    guard.restore(START, [held(START + HOUR), held(START + MINUTE), lock, held(START - nanos(1))]);
    let view = guard.account(&account("100"), START).unwrap();
    assert_eq!(view.sources[0].suspension.unwrap().until, START + HOUR);
    assert_eq!(view.sources[0].suspension.unwrap().trigger, trigger);
    assert_eq!(guard.witness(&failure(START, host(1), "100")), []);
    assert_eq!(guard.tick(START + HOUR - nanos(1)), []);
    assert_eq!(guard.tick(START + HOUR).len(), 1);
    let names: Vec<_> =
        guard.accounts(START + HOUR).into_iter().map(|view| (view.account, view.status)).collect();
    assert_eq!(names, [(account("200"), Status::Locked)]);
}

#[test]
fn a_success_lifts_its_own_suspension_alone() {
    let mut guard = suspended();
    let decisions = guard.witness(&success(now(), host(1), "100"));
    assert_eq!(decisions[0].action, GuardAction::Lift { account: account("100"), source: Some(host(1)) });
    assert_eq!(decisions[0].trigger.rule, Rule::Worked);
    let view = guard.account(&account("100"), now()).unwrap();
    let still: Vec<_> =
        view.sources.iter().filter(|at| at.suspension.is_some()).map(|at| at.source).collect();
    assert_eq!(still, [host(2)]);
}

#[test]
fn explain_knows_why_and_how_much_is_missing() {
    let mut guard = suspended();
    feed(&mut guard, [failure(now(), host(1), "101"), failure(now() + nanos(1), host(1), "102")]);
    let view = guard.source(host(1), now()).unwrap();
    assert_eq!((view.phones, view.failing, view.sequence), (0, 3, 3));
    let names: Vec<_> = view.accounts.iter().map(|here| (here.account.as_str(), here.failures)).collect();
    assert_eq!(names, [("100", 0), ("101", 1), ("102", 1)]);
    let suspension = view.accounts[0].suspension.unwrap();
    assert_eq!(
        (suspension.trigger.rule, suspension.trigger.count, suspension.trigger.seconds),
        (Rule::Suspend, 6, 100)
    );
    assert_eq!(guard.source(host(9), now()), None);
}
