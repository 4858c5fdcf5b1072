//! Nobody fills what is kept of others, and nobody is forgotten because packets were missed.

use super::*;

fn address(site: u16, home: u32, host: u16) -> IpAddr {
    let [_, high, middle, low] = home.to_be_bytes();
    assert_eq!(high, 0);
    ip(&format!("2001:db8:{site:x}:{:x}::{host:x}", u16::from_be_bytes([middle, low])))
}

fn is_known(guard: &Guard, source: IpAddr, now: KernelTime) -> bool {
    guard.source(source, now).is_some_and(|view| view.phones > 0)
}

#[test]
fn one_account_is_known_at_so_many_sources_and_leaves_the_oldest_for_one_more() {
    let mut guard = Guard::default();
    guard.witness(&registered(START, address(7, 1, 1), "neighbour", START + HOUR));
    for n in 0..1_000u32 {
        guard.witness(&registered(START + nanos(n.into()), address(1, n, 1), "thief", START + HOUR));
    }
    let now = START + nanos(1_000);
    let known: Vec<_> = (0..1_000u32).filter(|n| is_known(&guard, address(1, *n, 1), now)).collect();
    assert_eq!(known, (936..1_000).collect::<Vec<_>>());
    assert!(is_known(&guard, address(7, 1, 1), now));
    let works = guard.account(&account("thief"), now).unwrap().sources;
    assert_eq!(works.len(), 64, "nor has it worked at more");
    assert_eq!(guard.counters().known_refused, 0);
}

#[test]
fn what_an_account_leaves_stays_known_by_the_others() {
    let mut guard = Guard::default();
    guard.witness(&success(START, host(1), "100"));
    guard.witness(&success(START, host(1), "thief"));
    for n in 2..100u32 {
        guard.witness(&success(START + nanos(n.into()), host(n), "thief"));
    }
    assert!(is_known(&guard, host(1), START + nanos(100)));
    assert!(!is_known(&guard, host(2), START + nanos(100)));
}

#[test]
fn one_48_fills_no_more_than_its_share() {
    let mut guard = Guard::default();
    for n in 0..4_000u32 {
        guard.witness(&registered(START, address(2, n, 1), &format!("other-{n}"), START + 10 * HOUR));
    }
    for n in 0..20_000u32 {
        let at = START + SECOND + nanos(n.into());
        guard.witness(&registered(at, address(1, n % 60_000, 1), &format!("sybil-{n}"), at + HOUR));
    }
    let now = START + MINUTE;
    let known = |site, homes: u32| (0..homes).filter(|n| is_known(&guard, address(site, *n, 1), now)).count();
    assert_eq!(known(2, 4_000), 4_000);
    assert!((7_680..=8_192).contains(&known(1, 20_000)), "{}", known(1, 20_000));
    assert!(is_known(&guard, address(1, 19_999, 1), now), "the newest is");
    let works = |site, n: u32, name: String| {
        let view = guard.source(address(site, n, 1), now);
        view.is_some_and(|view| view.accounts.iter().any(|here| here.account.as_str() == name))
    };
    assert!((0..4_000).all(|n| works(2, n, format!("other-{n}"))));
}

#[test]
fn who_is_known_stays_so_while_packets_are_missed_and_not_for_ever() {
    let mut guard = Guard::default();
    feed(&mut guard, (0..3).map(|n| registered(START, host(1), &format!("{n}"), START + HOUR)));
    let end = START + HOUR + 30 * MINUTE;
    let mut kernel = end + HOUR;
    let mut minutes = 0;
    for minute in 0..40 * 60 {
        let now = START + minute * MINUTE;
        let missed = guard.missed(now, 10);
        for decision in missed.into_iter().chain(guard.tick(now)) {
            match decision.action {
                GuardAction::Know { phones, until, .. } => {
                    assert_eq!(phones, 3);
                    kernel = until;
                }
                GuardAction::Forget { .. } => kernel = KernelTime::START,
                _ => {}
            }
        }
        if is_known(&guard, host(1), now) {
            minutes = minute;
            assert!(now < end || kernel > now, "{minute}");
        }
    }
    // A day behind its end, and what was added last.
    let longest = 90 + 24 * 60 + 30;
    assert!((longest - 31..=longest).contains(&minutes), "{minutes}");
    assert_eq!(kernel, KernelTime::START);
    // Without any missed it ends when it ends, also if some were missed long ago.
    let mut guard = Guard::default();
    guard.witness(&registered(START, host(1), "100", START + HOUR));
    guard.missed(START + 30 * MINUTE, 1);
    assert_eq!(guard.tick(end).len(), 2, "the source and its flow");
}

#[test]
fn what_is_missed_again_and_again_is_told_once_in_a_while() {
    let mut guard = Guard::default();
    let misses = |from: KernelTime, count: u32, pause: Duration| {
        move |guard: &mut Guard| -> Vec<Decision> {
            (0..count).filter_map(|n| guard.missed(from + n * pause, 5)).collect()
        }
    };
    assert_eq!(misses(START, 100, 11 * SECOND)(&mut guard), [], "now and then");
    let told = misses(START + HOUR, 600, 5 * SECOND)(&mut guard);
    assert_eq!(rules(&told), [Rule::Missed]);
    assert_eq!((told[0].trigger.count, told[0].trigger.seconds), (65, 60));
    assert_eq!(told[0].action, GuardAction::Alert { source: None, account: None });
}
