//! Known sources: how many phones, until when, and which decisions follow.

use super::*;

/// The kernel would have the last one that was decided.
fn known_changes(decisions: &[Decision]) -> Vec<(u32, KernelTime)> {
    let know = |decision: &Decision| match decision.action {
        GuardAction::Know { phones, until, .. } => Some((phones, until)),
        GuardAction::Forget { .. } => Some((0, KernelTime::START)),
        _ => None,
    };
    decisions.iter().filter_map(know).collect()
}

const GRACE: Duration = Duration::from_secs(1_800);

#[test]
fn each_phone_makes_the_budget_larger_up_to_the_limit() {
    let mut guard = Guard::default();
    for n in 1..=300u32 {
        let decisions = guard.witness(&registered(START, host(1), &n.to_string(), START + HOUR));
        let phones: Vec<_> = known_changes(&decisions).into_iter().map(|(phones, _)| phones).collect();
        assert_eq!(phones, if n <= 100 { vec![n] } else { vec![] });
    }
    assert_eq!(guard.source(host(1), START).unwrap().phones, 100);
    assert_eq!(guard.source(host(2), START), None);
    assert_eq!(guard.counters().known_refused, 200);
}

#[test]
fn one_account_cannot_buy_a_budget_of_any_size() {
    let mut guard = Guard::default();
    for phone in 0..1000 {
        let kind = Kind::Registered { phone, until: START + HOUR + nanos(phone) };
        guard.witness(&of_kind(kind, failure(START, host(1), "100")));
    }
    assert_eq!(guard.source(host(1), START).unwrap().phones, 10);
}

#[test]
fn a_refresh_is_told_only_when_it_is_needed_and_the_kernel_never_runs_out() {
    let mut guard = Guard::default();
    let (mut kernel, mut times) = (KernelTime::START, 0);
    for minute in 0..24 * 60 {
        let at = START + minute * MINUTE;
        let decisions = guard.witness(&registered(at, host(1), "100", at + 2 * MINUTE));
        if let Some((_, until)) = known_changes(&decisions).last() {
            (kernel, times) = (*until, times + 1);
        }
        assert!(kernel >= at + 2 * MINUTE + GRACE, "{minute}");
        assert_eq!(guard.tick(at), []);
    }
    assert!((23..=25).contains(&times), "{times} in a day");
}

#[test]
fn phones_that_are_late_are_still_known_for_the_grace_and_then_forgotten() {
    let mut guard = Guard::default();
    guard.witness(&registered(START, host(1), "100", START + HOUR));
    guard.witness(&registered(START, host(1), "101", START + 2 * HOUR));
    let first = START + HOUR + GRACE;
    assert_eq!(guard.tick(first - nanos(1)), []);
    assert_eq!(guard.source(host(1), first - nanos(1)).unwrap().phones, 2);
    let fewer = guard.tick(first);
    assert_eq!((known_changes(&fewer)[0].0, fewer[0].trigger.rule), (1, Rule::Expired));
    assert_eq!(guard.tick(START + 2 * HOUR + GRACE - nanos(1)), []);
    let gone = guard.tick(START + 2 * HOUR + GRACE);
    assert_eq!(gone[0].action, GuardAction::Forget { source: host(1) });
    assert_eq!(guard.tick(START + 100 * HOUR), []);
}

#[test]
fn who_says_goodbye_has_the_grace_too() {
    let mut guard = Guard::default();
    let here = registered(START, host(1), "100", START + HOUR);
    let Kind::Registered { phone, .. } = here.kind else { unreachable!() };
    guard.witness(&here);
    let at = START + MINUTE;
    let bye = of_kind(Kind::Unregistered { phone }, failure(at, host(1), "100"));
    assert_eq!(
        known_changes(&guard.witness(&forged(bye.clone()))),
        [],
        "a forged goodbye takes nothing away"
    );
    assert_eq!(guard.source(host(1), at).unwrap().known_until, Some(START + HOUR + GRACE));
    assert_eq!(known_changes(&guard.witness(&bye)), []);
    assert_eq!(guard.tick(at + GRACE - nanos(1)), []);
    assert_eq!(guard.tick(at + GRACE)[0].action, GuardAction::Forget { source: host(1) });
}

#[test]
fn a_trunk_and_a_call_make_it_known_as_one_phone_for_a_while() {
    for kind in [Kind::Qualified, Kind::Succeeded] {
        let mut guard = Guard::default();
        let decisions = guard.witness(&of_kind(kind, failure(START, host(1), "100")));
        assert_eq!(known_changes(&decisions)[0].0, 1);
        assert!(known_changes(&decisions)[0].1 >= START + HOUR);
        assert_eq!(guard.tick(START + HOUR - nanos(1)), []);
        assert_eq!(guard.tick(START + HOUR)[0].action, GuardAction::Forget { source: host(1) });
    }
}

#[test]
fn a_trunk_that_answers_does_not_clear_failures() {
    let mut guard = Guard::default();
    feed(&mut guard, (0..5).map(|n| failure(START + nanos(n), host(1), "100")));
    guard.witness(&of_kind(Kind::Qualified, failure(START + nanos(5), host(1), "100")));
    assert_eq!(suspensions(&guard.witness(&failure(START + nanos(6), host(1), "100"))).len(), 1);
}

#[test]
fn what_was_known_before_a_restart_stays_so_and_grows() {
    let mut guard = Guard::default();
    guard.restore(START, [Held::Known { source: host(1), phones: 40, until: START + HOUR }]);
    assert_eq!(guard.source(host(1), START).unwrap().phones, 40);
    assert_eq!(known_changes(&guard.witness(&registered(START, host(1), "100", START + 10 * MINUTE))), []);
    let longer = guard.witness(&registered(START + MINUTE, host(1), "101", START + 2 * HOUR));
    assert_eq!(known_changes(&longer)[0].0, 40);
    assert!(known_changes(&longer)[0].1 >= START + 2 * HOUR + GRACE);
    assert_eq!(
        known_changes(&guard.tick(START + HOUR))[0].0,
        1,
        "the other one of the two has had its grace"
    );
}

#[test]
fn new_settings_hold_from_now_on() {
    let mut guard = Guard::default();
    let mut settings = Settings::default();
    settings.suspend.retries = 2;
    guard.witness(&failure(START, host(1), "100"));
    guard.set(settings);
    assert_eq!(suspensions(&guard.witness(&failure(START + nanos(1), host(1), "100"))).len(), 1);
}
