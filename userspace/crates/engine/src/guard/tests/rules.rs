//! Each rule of S10 at its limits: one less, as many, and just too late.

use super::*;
use crate::guard::Threshold;

/// The rule alone, and a number of events `apart` from each other that lead to a decision.
fn broken(settings: Settings, events: impl IntoIterator<Item = Evidence>) -> Vec<Decision> {
    feed(&mut Guard::new(settings), events)
}

fn only(choose: impl Fn(&mut Settings) -> &mut Threshold) -> Settings {
    let mut settings = all_off();
    choose(&mut settings).on = true;
    settings
}

/// So many events: the last one so long after the first one, the others with the first.
fn spread(count: u32, last: Duration, event: impl Fn(u32, KernelTime) -> Evidence) -> Vec<Evidence> {
    (1..=count).map(|n| event(n, if n == count { START + last } else { START })).collect()
}

/// Names that are no neighbours.
fn apart(n: u32, at: KernelTime) -> Evidence {
    failure(at, host(1), &format!("{}", n * 10))
}

#[test]
fn many_accounts() {
    for count in [2, 12, 100] {
        let mut settings = only(|settings| &mut settings.many_accounts);
        settings.many_accounts.count = count;
        assert_eq!(broken(settings, spread(count - 1, nanos(1), apart)), []);
        let decisions = broken(settings, spread(count, 600 * SECOND - nanos(1), apart));
        assert_eq!(bans(&decisions), [(Rule::ManyAccounts, Scope::Source { source: host(1) })]);
        assert_eq!((decisions[0].trigger.count, decisions[0].trigger.seconds), (count, 600));
        let until = START + 600 * SECOND - nanos(1) + HOUR;
        assert!(matches!(decisions[0].action, GuardAction::Ban { until: end, .. } if end == until));
        assert_eq!(broken(settings, spread(count, 600 * SECOND, apart)), []);
        let elsewhere = spread(count, nanos(1), |n, at| failure(at, host(n), &format!("{}", n * 10)));
        assert_eq!(broken(settings, elsewhere), []);
    }
}

#[test]
fn sequential_extensions_in_any_order() {
    let settings = only(|settings| &mut settings.sequential);
    let next = |n, at| failure(at, host(1), &format!("{}", 99 + n));
    assert_eq!(broken(settings, spread(5, nanos(1), next)), []);
    let ban = [(Rule::Sequential, Scope::Source { source: host(1) })];
    assert_eq!(bans(&broken(settings, spread(6, 600 * SECOND - nanos(1), next))), ban);
    assert_eq!(broken(settings, spread(6, 600 * SECOND, next)), []);
    let order = [103, 101, 105, 100, 104, 102].map(|n| failure(START, host(1), &n.to_string()));
    assert_eq!(bans(&broken(settings, order)), ban);
    let prefix = spread(6, nanos(1), |n, at| failure(at, host(1), &format!("ext-{n:03}")));
    assert_eq!(bans(&broken(settings, prefix)), ban);
    let gaps = spread(100, nanos(1), |n, at| failure(at, host(1), &format!("{}", 100 + 2 * n)));
    assert_eq!(broken(settings, gaps), []);
    let two_prefixes =
        spread(8, nanos(1), |n, at| failure(at, host(1), &format!("{}{n}", ["a", "b"][n as usize % 2])));
    assert_eq!(broken(settings, two_prefixes), []);
    let no_numbers = spread(100, nanos(1), |n, at| failure(at, host(1), &format!("{n}x")));
    assert_eq!(broken(settings, no_numbers), []);
}

/// From one port it is that port, whoever else works there. From many ports it could be anybody behind the address, and the
/// filter bounds his guesses.
#[test]
fn where_others_work_nobody_is_banned_for_who_comes_from_many_ports() {
    let settings = only(|settings| &mut settings.sequential);
    let next = |n: u32, at| failure(at, host(1), &format!("{}", 99 + n));
    let mut works = vec![of_kind(Kind::Succeeded, failure(START - SECOND, host(1), "desk"))];
    let ports = |n: u32, at| from_port(40_000 + n as u16, next(n, at));
    assert_eq!(bans(&broken(settings, spread(20, nanos(1), ports))).len(), 1, "a stranger");
    works.extend(spread(20, nanos(1), ports));
    assert_eq!(bans(&broken(settings, works)), []);
    let mut works = vec![from_port(1, of_kind(Kind::Succeeded, failure(START - SECOND, host(1), "desk")))];
    works.extend(spread(7, nanos(1), next));
    let flow = next(1, START).flow;
    assert_eq!(bans(&broken(settings, works)), [(Rule::Sequential, Scope::Flow { source: host(1), flow })]);
}

#[test]
fn extensions_that_exist_only_join_a_sequence() {
    let settings = only(|settings| &mut settings.sequential);
    let asked =
        |kind: fn(u32) -> Kind| move |n, at| of_kind(kind(n), failure(at, host(1), &format!("{}", 99 + n)));
    let exists: fn(u32) -> Kind = |_| Kind::Challenged;
    assert_eq!(broken(settings, spread(1000, nanos(1), asked(exists))), []);
    let every_other: fn(u32) -> Kind = |n| if n % 2 == 0 { Kind::UnknownAccount } else { Kind::Challenged };
    assert_eq!(broken(settings, spread(11, nanos(1), asked(every_other))), []);
    assert_eq!(bans(&broken(settings, spread(12, nanos(1), asked(every_other)))).len(), 1);
    let refused: fn(u32) -> Kind = |_| Kind::Refused;
    assert_eq!(broken(settings, spread(5, nanos(1), asked(refused))), []);
    assert_eq!(bans(&broken(settings, spread(6, nanos(1), asked(refused)))).len(), 1);
}

#[test]
fn who_is_refused_without_credentials_has_not_failed() {
    let mut guard = Guard::default();
    guard.witness(&of_kind(Kind::Qualified, failure(START, host(1), "trunk")));
    let at = START + HOUR;
    let spray = (1..=8).map(|n| failure(at - nanos(1), host(1), &format!("{}", n * 10)));
    assert_eq!(feed(&mut guard, spray), [], "one more is allowed to a source that is known");
    assert_eq!(guard.witness(&of_kind(Kind::Refused, failure(at, host(1), "x"))), [], "it is known no more");
    assert_eq!(bans(&guard.witness(&failure(at, host(1), "10"))).len(), 1);
}

#[test]
fn one_password_for_many_accounts() {
    let settings = only(|settings| &mut settings.spray);
    let once = |n, at| apart(n, at);
    assert_eq!(broken(settings, spread(7, nanos(1), once)), []);
    let ban = [(Rule::Spray, Scope::Source { source: host(1) })];
    assert_eq!(bans(&broken(settings, spread(8, HOUR - nanos(1), once))), ban);
    assert_eq!(broken(settings, spread(8, HOUR, once)), []);
    // Phones that keep trying with a wrong password are no spray.
    for (guesses, expected) in [(2, 1), (3, 0)] {
        let events = (1..=20).flat_map(|n| (0..guesses).map(move |again| apart(n, START + nanos(again))));
        // The last account of eight has had one guess when it counts, so the first seven decide.
        let decisions = broken(settings, events.take(7 * guesses as usize + 1));
        assert_eq!(bans(&decisions).len(), expected, "{guesses}");
    }
}

#[test]
fn one_account_from_many_sources() {
    let settings = only(|settings| &mut settings.distributed);
    let from = |n, at| failure(at, host(n), "100");
    assert_eq!(broken(settings, spread(9, nanos(1), from)), []);
    let decisions = broken(settings, spread(10, 30 * MINUTE - nanos(1), from));
    assert_eq!(rules(&decisions), [Rule::Distributed]);
    let until = START + 60 * MINUTE - nanos(1);
    assert_eq!(decisions[0].action, GuardAction::Lock { account: account("100"), until });
    assert_eq!(broken(settings, spread(10, 30 * MINUTE, from)), []);
    let one_network = spread(1000, nanos(1), |n, at| failure(at, ip(&format!("2001:db8::{n:x}")), "100"));
    assert_eq!(broken(settings, one_network), [], "a /64 is one source");
}

/// Suspended again and again: `retries` guesses so long apart, and the next ones as soon as it is over.
fn cracked(suspensions: u32, apart: Duration, pause: Duration) -> impl Iterator<Item = Evidence> {
    let round = 5 * apart + 180 * SECOND + pause;
    (0..suspensions).flat_map(move |n| {
        (0..6).map(move |guess| failure(START + n * round + guess * apart, host(1), "100"))
    })
}

fn persistent() -> Settings {
    let mut settings = only(|settings| &mut settings.persistent);
    settings.suspend.on = true;
    settings
}

#[test]
fn suspended_quickly_again_and_again() {
    assert_eq!(bans(&broken(persistent(), cracked(2, SECOND, Duration::ZERO))), []);
    let ban = [(Rule::Persistent, Scope::Source { source: host(1) })];
    let decisions = broken(persistent(), cracked(3, SECOND, Duration::ZERO));
    assert_eq!(bans(&decisions), ban);
    assert_eq!(rules(&decisions), [Rule::Suspend, Rule::Suspend, Rule::Suspend, Rule::Persistent]);
    // From the first suspension to the third: two rounds, which must be less than an hour.
    let half_hour = 30 * MINUTE - 185 * SECOND;
    assert_eq!(bans(&broken(persistent(), cracked(3, SECOND, half_hour - nanos(1)))), ban);
    assert_eq!(bans(&broken(persistent(), cracked(3, SECOND, half_hour))), []);
    assert_eq!(bans(&broken(persistent(), cracked(200, SECOND, HOUR))), []);
}

#[test]
fn a_phone_with_a_wrong_password_is_slowed_for_ever_and_no_more() {
    for seconds in [10, 20, 30, 60, 600] {
        let decisions = broken(persistent(), cracked(1000, seconds * SECOND, seconds * SECOND));
        assert_eq!(bans(&decisions), [], "one guess in {seconds} s");
        assert_eq!(suspensions(&decisions).len(), 1000);
    }
}

#[test]
fn neighbours_are_accomplices_only_where_set() {
    let crack = |n: u32| {
        let source = IpAddr::from([203, 0, 113, n as u8]);
        cracked(3, SECOND, Duration::ZERO).map(move |evidence| Evidence { source, ..evidence })
    };
    let mut settings = persistent();
    assert_eq!(bans(&broken(settings, (1..=20).flat_map(crack))).len(), 20);
    settings.neighbours.on = true;
    assert_eq!(bans(&broken(settings, (1..=7).flat_map(crack))).len(), 7);
    let found = bans(&broken(settings, (1..=8).flat_map(crack)));
    assert_eq!(found.last(), Some(&(Rule::Neighbours, Scope::Prefix { net: net("203.0.113.0/24") })));
    assert_eq!(found.len(), 9);
    let mut guard = Guard::new(settings);
    guard.witness(&registered(START, ip("203.0.113.200"), "200", START + HOUR));
    let found = feed(&mut guard, (1..=8).flat_map(crack));
    assert_eq!(bans(&found).len(), 8, "somebody works there");
}

#[test]
fn a_network_of_ipv6_is_one_source_and_is_banned_as_one() {
    let settings =
        Settings { suspend: Settings::default().suspend, ..only(|settings| &mut settings.persistent) };
    let mut guard = Guard::new(settings);
    let from = |n: u32| failure(START + n * SECOND, ip(&format!("2001:db8::{n:x}")), "100");
    let decisions = feed(&mut guard, (1..=100).map(from));
    let found = suspensions(&decisions);
    assert_eq!(found.first(), Some(&("100", ip("2001:db8::6"))));
    assert_eq!(found.len(), 3, "each address once, and then there is a ban");
    assert_eq!(bans(&decisions), [(Rule::Persistent, Scope::Prefix { net: net("2001:db8::/64") })]);
    assert_eq!(feed(&mut guard, (1..=5).map(|n| failure(START, ip("2001:db8:0:1::1"), &format!("{n}")))), []);
}

#[test]
fn the_64s_of_one_line_are_no_crowd_and_lock_nothing() {
    let mut guard = Guard::default();
    let of_a_line =
        (0..256u64).map(|n| failure(START + nanos(n), ip(&format!("2001:db8:1:{n:x}::1")), "100"));
    assert!(!rules(&feed(&mut guard, of_a_line)).contains(&Rule::Distributed));
    assert_ne!(status(&guard, "100", START + nanos(256)), Status::Locked);
    let of_many =
        (2..11u64).map(|n| failure(START + nanos(300 + n), ip(&format!("2001:db8:{n:x}::1")), "100"));
    assert_eq!(rules(&feed(&mut guard, of_many)), [Rule::Distributed], "with nine others there are ten");
}

#[test]
fn a_name_beside_another_counts_against_the_source_alone() {
    let named = |n: u64, source, name: &str| {
        of_kind(Kind::Named { attempt: n }, failure(START + nanos(n), source, name))
    };
    let mut guard = Guard::default();
    let at_one = (0..100).map(|n| named(n, host(1), "100"));
    let from_many = (2..60u32).map(|n| named(u64::from(n), host(n), "100"));
    assert_eq!(feed(&mut guard, at_one.chain(from_many)), [], "nobody is suspended, nobody is locked");
    assert_eq!(status(&guard, "100", START + nanos(100)), Status::Normal);
    let names = (0..12).map(|n| named(n, host(70), &format!("name-{n}x")));
    assert_eq!(bans(&feed(&mut guard, names)), [(Rule::Spray, Scope::Source { source: host(70) })]);
    let forged = (0..12).map(|n| forged(named(n, host(71), &format!("name-{n}x"))));
    assert_eq!(feed(&mut guard, forged), []);
}

#[test]
fn a_ban_that_is_refused_is_none_and_the_next_one_is_decided_as_well() {
    let mut guard = Guard::default();
    let spray = |at| (0..8).map(move |n| failure(at + nanos(n), host(1), &format!("name-{n}x")));
    for at in [START, START + MINUTE, START + 2 * MINUTE] {
        let decisions = feed(&mut guard, spray(at));
        assert_eq!(bans(&decisions), [(Rule::Spray, Scope::Source { source: host(1) })], "{at:?}");
        assert_eq!(feed(&mut guard, spray(at + SECOND)), [], "until somebody says otherwise");
        guard.refused(&decisions[0]);
    }
    // The same of a suspension.
    let guesses = |at| (0..6).map(move |n| failure(at + nanos(n), host(2), "100"));
    for at in [START, START + MINUTE] {
        let decisions = feed(&mut guard, guesses(at));
        assert_eq!(suspensions(&decisions), [("100", host(2))], "{at:?}");
        guard.refused(&decisions[0]);
        assert_eq!(status(&guard, "100", at + nanos(6)), Status::Normal);
    }
}
