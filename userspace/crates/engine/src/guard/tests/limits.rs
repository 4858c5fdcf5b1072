//! Each parameter of S8 and S9 at its limits.

use super::*;

/// The same account and source, a second apart.
fn failures(count: u32, method: Method) -> impl Iterator<Item = Evidence> {
    (0..count).map(move |n| Evidence { method, ..failure(START + n * SECOND, host(1), "100") })
}

fn both() -> [(Rule, Method); 3] {
    [(Rule::Suspend, Method::Register), (Rule::Calls, Method::Invite), (Rule::Calls, Method::Other)]
}

#[test]
fn so_many_failures_suspend_and_one_less_does_not() {
    for (rule, method) in both() {
        for retries in [1, 2, 5, 6, 99, 100] {
            let mut settings = all_off();
            for of in [&mut settings.suspend, &mut settings.calls] {
                (of.on, of.retries) = (true, retries);
            }
            let mut guard = Guard::new(settings);
            assert_eq!(feed(&mut guard, failures(retries - 1, method)), [], "{retries}");
            let at = START + retries * SECOND;
            let decisions = guard.witness(&Evidence { method, ..failure(at, host(1), "100") });
            let until = at + 180 * SECOND;
            assert_eq!(decisions.len(), 1);
            let what = GuardAction::Suspend { account: account("100"), source: host(1), until };
            assert_eq!(decisions[0].action, what);
            assert_eq!((decisions[0].trigger.rule, decisions[0].trigger.count), (rule, retries));
            let seconds = if retries == 1 { 0 } else { retries };
            assert_eq!(decisions[0].trigger.seconds, seconds, "{retries}");
            let more = Evidence { method, ..failure(at + SECOND, host(1), "100") };
            assert_eq!(guard.witness(&more), [], "suspended already");
            assert_eq!(
                guard.witness(&failure(at, host(2), "100")).len(),
                usize::from(retries == 1),
                "elsewhere"
            );
        }
    }
}

#[test]
fn it_lasts_as_long_as_set_and_not_longer() {
    for seconds in [60, 61, 180, 86_399, 86_400] {
        let mut settings = all_off();
        (settings.suspend.on, settings.suspend.time) = (true, Duration::from_secs(seconds));
        let mut guard = Guard::new(settings);
        let decisions = feed(&mut guard, failures(6, Method::Register));
        let end = START + 5 * SECOND + Duration::from_secs(seconds);
        assert!(
            matches!(decisions[..], [Decision { action: GuardAction::Suspend { until, .. }, .. }] if until == end)
        );
        assert_eq!(guard.tick(end - nanos(1)), []);
        assert_eq!(status(&guard, "100", end - nanos(1)), Status::Suspended);
        assert_eq!(guard.witness(&failure(end - nanos(1), host(1), "100")), []);
        assert_eq!(status(&guard, "100", end), Status::Normal);
        let lifted = guard.tick(end);
        assert_eq!(rules(&lifted), [Rule::Expired]);
        assert_eq!(lifted[0].action, GuardAction::Lift { account: account("100"), source: Some(host(1)) });
        assert_eq!(guard.tick(end), [], "once");
        // As if nothing had ever been.
        let again = (0..6).map(|n| failure(end + n * SECOND, host(1), "100"));
        assert_eq!(rules(&feed(&mut guard, again)), [Rule::Suspend]);
    }
}

#[test]
fn the_end_counts_even_if_nobody_has_ticked() {
    let mut guard = Guard::new(Settings { suspend: Settings::default().suspend, ..all_off() });
    feed(&mut guard, failures(6, Method::Register));
    let end = START + 185 * SECOND;
    assert_eq!(feed(&mut guard, (0..5).map(|n| failure(end + nanos(n), host(1), "100"))), []);
    let again = guard.witness(&failure(end + nanos(5), host(1), "100"));
    assert_eq!(rules(&again), [Rule::Suspend]);
    assert_eq!(guard.tick(end + nanos(6)), [], "the old end is none any more");
}

#[test]
fn registering_and_calling_are_counted_apart_and_a_success_clears_both() {
    let mut guard = Guard::new(Settings { many_accounts: all_off().many_accounts, ..Settings::default() });
    assert_eq!(feed(&mut guard, failures(5, Method::Register).chain(failures(0, Method::Invite))), []);
    let calls = (0..5).map(|n| Evidence {
        method: Method::Invite,
        ..failure(START + nanos(10) + nanos(n), host(1), "100")
    });
    assert_eq!(feed(&mut guard, calls), []);
    let at = START + MINUTE;
    let seen = guard.account(&account("100"), at).unwrap();
    assert_eq!((seen.status, seen.sources[0].failures, seen.sources[0].calls), (Status::Normal, 5, 5));
    guard.witness(&success(at, host(1), "100"));
    let seen = guard.account(&account("100"), at).unwrap();
    assert_eq!((seen.sources[0].failures, seen.sources[0].calls), (0, 0));
    assert_eq!(seen.sources[0].works_until, Some(at + HOUR));
    assert_eq!(feed(&mut guard, (1..=5).map(|n| failure(at + nanos(n), host(1), "100"))), []);
    assert_eq!(rules(&guard.witness(&failure(at + nanos(6), host(1), "100"))), [Rule::Suspend]);
}

#[test]
fn accounts_that_do_not_exist_are_suspended_too() {
    let mut guard = Guard::default();
    let unknown = |n| of_kind(Kind::UnknownAccount, failure(START + nanos(n), host(1), "nobody"));
    assert_eq!(feed(&mut guard, (0..5).map(unknown)), []);
    assert_eq!(suspensions(&guard.witness(&unknown(5))), [("nobody", host(1))]);
}

#[test]
fn a_failure_is_forgotten_after_a_day() {
    for (pause, suspended) in [(24 * HOUR - nanos(1), true), (24 * HOUR, false)] {
        let mut guard = Guard::new(Settings { suspend: Settings::default().suspend, ..all_off() });
        feed(&mut guard, failures(5, Method::Register));
        let last = START + 4 * SECOND;
        let decisions = guard.witness(&failure(last + pause, host(1), "100"));
        assert_eq!(!decisions.is_empty(), suspended, "{pause:?}");
    }
}

#[test]
fn the_very_same_attempt_again_is_one_guess() {
    let mut guard = Guard::default();
    let same = |n| of_kind(Kind::Failed { attempt: 7 }, failure(START + n * SECOND, host(1), "100"));
    assert_eq!(feed(&mut guard, (0..1000).map(same)), []);
    assert_eq!(guard.account(&account("100"), START).unwrap().sources[0].failures, 1);
}

#[test]
fn switched_off_means_never() {
    let mut guard = Guard::new(all_off());
    assert_eq!(feed(&mut guard, failures(1000, Method::Register).chain(failures(1000, Method::Invite))), []);
    for n in 0..300 {
        assert_eq!(guard.witness(&failure(START + nanos(n.into()), host(n), "100")), []);
        assert_eq!(guard.witness(&failure(START + nanos(n.into()), host(1), &n.to_string())), []);
    }
}

#[test]
fn a_lock_by_count_is_off_unless_set() {
    assert!(!Settings::default().lock.on, "anybody with one address could lock out a user on the road");
    let mut settings = all_off();
    settings.lock.on = true;
    for (last, locked) in [(30 * MINUTE - nanos(1), true), (30 * MINUTE, false)] {
        let mut guard = Guard::new(settings);
        let first = (0..4).map(|n| failure(START + nanos(n), host(n as u32 % 2 + 1), "100"));
        assert_eq!(feed(&mut guard, first), []);
        // Of the five, the first was that long ago.
        let decisions = guard.witness(&failure(START + last, host(3), "100"));
        assert_eq!(rules(&decisions) == [Rule::Lock], locked, "{last:?}");
        assert_eq!(status(&guard, "100", START + last) == Status::Locked, locked);
        let end = START + last + 30 * MINUTE;
        let lifted = guard.tick(end);
        assert_eq!(
            lifted
                .iter()
                .any(|lift| lift.action == GuardAction::Lift { account: account("100"), source: None }),
            locked
        );
        assert_eq!(status(&guard, "100", end), Status::Normal);
    }
}

#[test]
fn a_lock_for_ever_is_lifted_by_hand_alone() {
    let mut settings = all_off();
    (settings.lock.on, settings.lock.lasts) = (true, sipward_types::time::Lifetime::Forever);
    let mut guard = Guard::new(settings);
    let decisions = feed(&mut guard, failures(5, Method::Register));
    assert_eq!(
        decisions[0].action,
        GuardAction::Lock { account: account("100"), until: KernelTime::FOREVER }
    );
    assert_eq!(guard.tick(KernelTime::FOREVER - nanos(1)), []);
    assert_eq!(status(&guard, "100", KernelTime::FOREVER - nanos(1)), Status::Locked);
    let lifted = guard.order(&Order::Unlock { account: account("100") }, START + HOUR);
    assert_eq!(rules(&lifted), [Rule::Hand]);
    assert_eq!(status(&guard, "100", START + HOUR), Status::Normal);
}

#[test]
fn failures_where_it_works_do_not_lock() {
    let mut settings = all_off();
    settings.lock.on = true;
    let mut guard = Guard::new(settings);
    guard.witness(&registered(START, host(1), "100", START + HOUR));
    assert_eq!(feed(&mut guard, failures(50, Method::Register)), []);
    let elsewhere = feed(&mut guard, (0..5).map(|n| failure(START + nanos(n), host(2), "100")));
    assert_eq!(rules(&elsewhere), [Rule::Lock]);
}
