//! Memory is bounded, and what carries the least goes first.

use super::*;
use crate::guard::{ACCOUNT_HISTORIES, SOURCE_HISTORIES, SOURCES, active_suspensions::CLOSED};

#[test]
fn who_only_asked_goes_before_who_failed_and_that_before_who_was_suspended() {
    let mut guard = Guard::new(Settings { suspend: Settings::default().suspend, ..all_off() });
    feed(&mut guard, (0..6).map(|n| failure(START + nanos(n), host(1), "100")));
    feed(&mut guard, (0..5).map(|n| failure(START + nanos(n), host(2), "100")));
    let asked = |n: u64| {
        of_kind(
            Kind::Challenged,
            failure(START + nanos(n), ip(&format!("2001:db8:{:x}:{:x}::1", n >> 16, n & 0xffff)), "100"),
        )
    };
    assert_eq!(feed(&mut guard, (0..SOURCE_HISTORIES as u64 + 1000).map(asked)), []);
    assert!(guard.source_histories.weight() <= SOURCE_HISTORIES);
    assert!(guard.counters().forgotten >= 1000);
    assert_eq!(guard.account(&account("100"), START + SECOND).unwrap().status, Status::Suspended);
    assert_eq!(suspensions(&guard.witness(&failure(START + nanos(9), host(2), "100"))), [("100", host(2))]);
}

#[test]
fn one_source_with_any_number_of_names_takes_so_much_and_no_more() {
    let mut guard = Guard::new(all_off());
    feed(&mut guard, (0..5000u64).map(|n| failure(START + nanos(n), host(1), &n.to_string())));
    assert!(guard.source_histories.weight() <= 640, "{}", guard.source_histories.weight());
    assert!(guard.account_histories.weight() <= ACCOUNT_HISTORIES);
}

#[test]
fn suspensions_stay_to_their_end_and_new_ones_have_no_room() {
    let mut settings = all_off();
    (settings.suspend.on, settings.suspend.retries) = (true, 1);
    let mut guard = Guard::new(settings);
    let full = CLOSED as u32;
    let decisions = feed(&mut guard, (0..full + 10).map(|n| failure(START, host(n), "100")));
    assert_eq!(decisions.len(), CLOSED);
    assert_eq!(guard.counters().closed_refused, 10);
    assert_eq!(
        guard.source(host(0), START).unwrap().accounts[0].suspension.map(|suspension| suspension.until),
        Some(START + 180 * SECOND)
    );
    let end = START + 180 * SECOND;
    let mut calls = 0;
    while !guard.tick(end).is_empty() {
        calls += 1;
    }
    assert_eq!(calls, CLOSED / 256, "each call does so much and no more");
    assert_eq!(guard.witness(&failure(end, host(full + 1), "100")).len(), 1, "there is room again");
}

#[test]
fn known_sources_stay_to_their_end_and_new_ones_have_no_room() {
    let mut guard = Guard::default();
    let full = SOURCES as u32;
    for n in 0..full + 10 {
        let decisions = guard.witness(&of_kind(Kind::Qualified, failure(START, host(n), "trunk")));
        let made =
            decisions.iter().filter(|decision| matches!(decision.action, GuardAction::Know { .. })).count();
        assert_eq!(made, usize::from(n < full));
    }
    assert_eq!(guard.counters().known_refused, 10);
    assert_eq!(guard.source(host(0), START).unwrap().phones, 1);
    assert_eq!(guard.source(host(full), START), None);
}
