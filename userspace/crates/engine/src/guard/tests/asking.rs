//! Requests without credentials.

use super::*;

fn asked(at: KernelTime, source: IpAddr, name: &str) -> Evidence {
    forged(of_kind(Kind::Challenged, failure(at, source, name)))
}

fn over_tcp(evidence: Evidence) -> Evidence {
    let flow = Flow { port: 40_000, transport: Transport::Tcp };
    Evidence { flow, proof: Proof::Proven, ..evidence }
}

fn limits(decisions: &[Decision]) -> Vec<(IpAddr, KernelTime)> {
    let limit = |decision: &Decision| match decision.action {
        GuardAction::LimitAsking { source, until } => Some((source, until)),
        _ => None,
    };
    decisions.iter().filter_map(limit).collect()
}

#[test]
fn sixty_are_free_and_then_one_a_minute() {
    let mut guard = Guard::default();
    let scan = (0..200u32).map(|n| asked(START + n * SECOND, host(1), &format!("{}", n * 7)));
    let decisions = feed(&mut guard, scan);
    // The 61st has waited in vain by then.
    let (source, until) = limits(&decisions)[0];
    assert_eq!(limits(&decisions).len(), 1, "told once, while it lasts long enough");
    assert!(
        (START + 92 * SECOND..START + 96 * SECOND).contains(&(until - 600 * SECOND)),
        "{:?}",
        until.since(START)
    );
    assert_eq!(source, host(1));
    assert!(rules(&decisions).iter().all(|rule| matches!(rule, Rule::Enumeration | Rule::Sequential)));
    assert_eq!(bans(&decisions), [], "anybody could have sent that");
    // One a minute is what is left; it goes on being limited while more come than that, and ends with them.
    let goes_on = (0..30u32).map(|n| asked(START + (200 + n * 60) * SECOND, host(1), &format!("{n}x")));
    assert!(limits(&feed(&mut guard, goes_on)).len() >= 2);
    let after = START + 3 * HOUR;
    let few = (0..50u32).map(|n| asked(after + n * SECOND, host(1), &format!("{n}y")));
    assert_eq!(limits(&feed(&mut guard, few)), []);
}

#[test]
fn one_a_minute_is_never_limited() {
    let mut guard = Guard::default();
    let slow = (0..600u32).map(|n| asked(START + n * MINUTE, host(1), &format!("{}", n * 7)));
    assert_eq!(limits(&feed(&mut guard, slow)), []);
}

#[test]
fn a_line_is_a_56() {
    let mut guard = Guard::default();
    let scan = (0..200u32)
        .map(|n| asked(START + n * SECOND, ip(&format!("2001:db8:0:{n:x}::5")), &format!("{}", n * 7)));
    assert_eq!(limits(&feed(&mut guard, scan))[0].0, ip("2001:db8::"));
    let mut guard = Guard::default();
    let wide = (0..200u32).map(|n| asked(START + n * SECOND, ip(&format!("2001:db8:0:{n:x}00::5")), "1"));
    assert_eq!(limits(&feed(&mut guard, wide)), []);
}

/// Phones that were never seen before, all at once; each is let in after a while.
#[test]
fn who_gets_in_in_the_end_owes_nothing() {
    for (phones, source) in [(40u32, host(1)), (200, host(2)), (200, ip("2001:db8::1"))] {
        let mut guard = Guard::default();
        let mut seen = Vec::new();
        for phone in 0..phones {
            let name = format!("phone-{phone}x");
            // It is asked up to three times before its answer comes through, some of them later than any would wait.
            for again in 0..1 + phone % 3 {
                seen.push(asked(START + phone * SECOND / 100 + again * 4 * SECOND, source, &name));
            }
            let at = START + phone * SECOND / 5 + 15 * SECOND;
            seen.push(of_kind(Kind::Succeeded, failure(at, source, &name)));
        }
        seen.sort_by_key(|evidence| evidence.at);
        assert_eq!(limits(&feed(&mut guard, seen)), [], "{phones} at {source}");
    }
}

#[test]
fn a_wrong_password_is_a_guess_and_no_question() {
    let mut guard = Guard::default();
    for n in 0..2_000u32 {
        let at = START + n * 2 * SECOND;
        let name = format!("phone-{}x", n % 40);
        let question = guard.witness(&asked(at, host(1), &name));
        assert_eq!(limits(&question), []);
        // Under a name of its own for the purpose, as some phones have.
        let name = if n % 2 == 0 { name } else { format!("{name}-login") };
        guard.witness(&failure(at + SECOND, host(1), &name));
    }
}

#[test]
fn a_known_source_is_not_limited() {
    let mut guard = Guard::default();
    guard.witness(&registered(START, host(1), "100", START + HOUR));
    let scan = (0..200u32).map(|n| asked(START + n * SECOND, host(1), &format!("{}", n * 7)));
    assert_eq!(limits(&feed(&mut guard, scan)), []);
}

#[test]
fn over_tcp_it_is_banned_after_more_of_it_and_not_where_somebody_works() {
    let scan = |names: u32| {
        (0..names).map(|n| over_tcp(asked(START + n * SECOND / 2, host(1), &format!("name-{n}x"))))
    };
    let mut guard = Guard::default();
    let decisions = feed(&mut guard, scan(120 + 64));
    assert_eq!((bans(&decisions), limits(&decisions).len()), (vec![], 1));
    let mut guard = Guard::default();
    let decisions = feed(&mut guard, scan(120 + 64 + 8));
    assert_eq!(bans(&decisions), [(Rule::Enumeration, Scope::Source { source: host(1) })]);
    let mut guard = Guard::default();
    guard.witness(&registered(START, host(1), "neighbour", START + HOUR));
    let decisions = feed(&mut guard, scan(400));
    assert_eq!(bans(&decisions), []);
    assert!(rules(&decisions).contains(&Rule::Enumeration), "it is told");
}

#[test]
fn a_flood_in_other_names_takes_no_more_room_than_there_is_and_nothing_from_who_is_proven() {
    let mut guard = Guard::default();
    let real = |n: u32| over_tcp(asked(START + n * SECOND / 2, host(1), &format!("name-{n}x")));
    feed(&mut guard, (0..150).map(real));
    for n in 0..200_000u32 {
        guard.witness(&asked(START + 75 * SECOND, host(1_000 + n), "100"));
    }
    assert!(guard.asking.weight() <= 65_536);
    let decisions = feed(&mut guard, (150..192).map(real));
    assert_eq!(bans(&decisions), [(Rule::Enumeration, Scope::Source { source: host(1) })]);
}
