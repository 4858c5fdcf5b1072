//! Requests of suspended accounts that come through all the same.

use super::*;

const TCP: Flow = Flow { port: 40_000, transport: Transport::Tcp };

/// A guard whose filter drops, with the account suspended at the source since then.
fn suspended(source: IpAddr) -> (Guard, KernelTime) {
    let mut guard = Guard::default();
    guard.set_drops(true, START);
    let decisions = feed(&mut guard, (0..6).map(|n| failure(START + nanos(n), source, "100")));
    assert_eq!(suspensions(&decisions), [("100", source)]);
    decisions.iter().for_each(|decision| guard.in_force(decision, START + SECOND));
    (guard, START + SECOND)
}

fn made(after: KernelTime, evidence: Evidence) -> Evidence {
    Evidence { made_after: after, ..evidence }
}

#[test]
fn what_was_made_before_the_filter_had_it_is_nothing_and_what_was_made_after_is_a_bypass() {
    for (after, flow, is_banned) in [
        (START, TCP, false),
        (START + SECOND, TCP, false),
        (START + 2 * SECOND, TCP, false),
        (START + 2 * SECOND + nanos(1), TCP, true),
        (START + 2 * SECOND + nanos(1), Flow { port: 5060, transport: Transport::Udp }, true),
    ] {
        let (mut guard, _) = suspended(host(1));
        let guess = Evidence { flow, ..failure(START + 3 * SECOND, host(1), "100") };
        let decisions = guard.witness(&made(after, guess));
        let expected = (Rule::Bypass, Scope::Source { source: host(1) });
        assert_eq!(bans(&decisions), if is_banned { vec![expected] } else { vec![] }, "{after:?} {flow}");
    }
}

#[test]
fn where_somebody_works_it_is_the_flow_alone() {
    for later in [Duration::ZERO, 29 * 24 * HOUR, 31 * 24 * HOUR] {
        let mut guard = Guard::default();
        guard.set_drops(true, START);
        guard.witness(&registered(START, host(1), "neighbour", START + HOUR));
        let at = START + later + MINUTE;
        guard.tick(at);
        let decisions = feed(&mut guard, (0..6).map(|n| failure(at + nanos(n), host(1), "100")));
        decisions.iter().for_each(|decision| guard.in_force(decision, at));
        let guess = made(at + 2 * SECOND, Evidence { flow: TCP, ..failure(at + 3 * SECOND, host(1), "100") });
        let scope = if later < 30 * 24 * HOUR {
            Scope::Flow { source: host(1), flow: TCP }
        } else {
            Scope::Source { source: host(1) }
        };
        assert_eq!(bans(&guard.witness(&guess)), [(Rule::Bypass, scope)], "{later:?}");
    }
}

#[test]
fn nothing_is_a_bypass_where_the_filter_does_not_drop() {
    let guess = |at| made(at - SECOND, failure(at, host(1), "100"));
    let (mut guard, _) = suspended(host(1));
    guard.set_drops(false, START + 2 * SECOND);
    assert_eq!(guard.witness(&guess(START + 10 * SECOND)), []);
    // From then on, and not for what was made before.
    guard.set_drops(true, START + 20 * SECOND);
    assert_eq!(guard.witness(&guess(START + 21 * SECOND)), []);
    assert_eq!(bans(&guard.witness(&guess(START + 23 * SECOND))).len(), 1);
    // Nor is what nobody proved, or what is not suspended, or not any more.
    let (mut guard, _) = suspended(host(1));
    assert_eq!(bans(&guard.witness(&forged(guess(START + 10 * SECOND)))), []);
    assert_eq!(
        bans(&guard.witness(&made(START + 9 * SECOND, failure(START + 10 * SECOND, host(1), "200")))),
        []
    );
    guard.order(&Order::Unlock { account: account("100") }, START + 11 * SECOND);
    assert_eq!(bans(&guard.witness(&guess(START + 20 * SECOND))), []);
}

#[test]
fn a_suspension_of_before_a_restart_counts_from_the_start() {
    let mut guard = Guard::default();
    let trigger = crate::guard::Trigger { rule: Rule::Suspend, count: 6, seconds: 1 };
    let until = START + HOUR;
    let held = Held::Suspended { account: account("100"), source: host(1), until, trigger };
    guard.restore(START + MINUTE, [held]);
    guard.set_drops(true, START + MINUTE);
    let guess = |after| made(after, failure(START + 2 * MINUTE, host(1), "100"));
    assert_eq!(guard.witness(&guess(START)), []);
    assert_eq!(bans(&guard.witness(&guess(START + 2 * MINUTE - SECOND))).len(), 1);
}
