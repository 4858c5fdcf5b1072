//! Scenes of real installations.

use super::*;

/// Each phone of an office registers, and some of them have a wrong password: what they send in the first `rounds`
/// tries, half a minute apart. The phones share an address and have ports of their own.
fn office_phones(phones: u16, wrong: u16, at: KernelTime, rounds: u32) -> Vec<Evidence> {
    let mut seen = Vec::new();
    for round in 0..rounds {
        for phone in 0..phones {
            let at = at + round * 30 * SECOND + u32::from(phone) * nanos(50_000_000);
            let name = (100 + phone).to_string();
            let asked = from_port(20_000 + phone, failure(at, host(1), &name));
            seen.push(forged(of_kind(Kind::Challenged, asked.clone())));
            seen.push(if phone < wrong {
                asked
            } else {
                from_port(20_000 + phone, registered(at, host(1), &name, at + HOUR))
            });
        }
    }
    seen
}

#[test]
fn forty_phones_come_back_within_two_seconds_and_three_have_a_wrong_password() {
    // Known from before, or seen for the first time.
    for before in [0, 1] {
        let mut guard = Guard::default();
        feed(&mut guard, office_phones(40, 0, START - HOUR, before));
        let decisions = feed(&mut guard, office_phones(40, 3, START, 20));
        assert_eq!(bans(&decisions), []);
        let mut slowed = suspensions(&decisions);
        slowed.sort_unstable();
        slowed.dedup();
        assert_eq!(slowed, [("100", host(1)), ("101", host(1)), ("102", host(1))]);
        let now = START + 10 * MINUTE;
        for phone in 103..140 {
            let view = guard.account(&account(&phone.to_string()), now).unwrap();
            assert_eq!(view.status, Status::Normal, "{phone}");
            assert!(view.sources[0].works_until.is_some());
        }
        assert_eq!(guard.source(host(1), now).unwrap().phones, if before == 1 { 40 } else { 37 });
    }
}

#[test]
fn a_whole_office_with_wrong_passwords_is_not_banned_after_it_has_worked() {
    let mut guard = Guard::default();
    feed(&mut guard, office_phones(40, 0, START, 1));
    let later = START + 24 * HOUR;
    assert!(!guard.tick(later).is_empty());
    assert_eq!(guard.source(host(1), later), None, "it is a stranger by now");
    let decisions = feed(&mut guard, office_phones(40, 40, later, 100));
    assert_eq!(bans(&decisions), []);
    assert_eq!(suspensions(&decisions).iter().filter(|(name, _)| *name == "100").count(), 9);
}

#[test]
fn a_phone_that_works_keeps_working_while_others_attack_its_account() {
    let mut guard = Guard::default();
    let (phone, attackers) = (host(1), 1000);
    guard.witness(&registered(START, phone, "100", START + 24 * HOUR));
    let mut decisions = Vec::new();
    for n in 1..=50 {
        let guesses =
            (0..10).map(|guess| failure(START + n * MINUTE + nanos(guess), host(attackers + n), "100"));
        decisions.extend(feed(&mut guard, guesses));
        let at = START + n * MINUTE + 30 * SECOND;
        decisions.extend(guard.witness(&registered(at, phone, "100", at + 24 * HOUR)));
    }
    assert_eq!(suspensions(&decisions).len(), 50);
    assert!(suspensions(&decisions).iter().all(|(_, source)| *source != phone));
    assert!(bans(&decisions).iter().all(|(_, scope)| *scope != Scope::Source { source: phone }));
    assert!(rules(&decisions).contains(&Rule::Distributed), "a lock, which exempts sources where it works");
    let now = START + 50 * MINUTE;
    assert!(guard.source(phone, now).unwrap().accounts[0].works_until.is_some());
    assert_eq!(guard.source(phone, now).unwrap().accounts[0].suspension, None);
}

#[test]
fn fifty_sources_against_one_account_lock_it_and_nothing_else() {
    let mut guard = Guard::default();
    guard.witness(&registered(START, host(1), "100", START + HOUR));
    let decisions = feed(&mut guard, (2..=51).map(|n| failure(START + n * SECOND, host(n), "100")));
    assert_eq!(rules(&decisions), [Rule::Distributed]);
    let until = START + 11 * SECOND + 30 * MINUTE;
    assert_eq!(decisions[0].action, GuardAction::Lock { account: account("100"), until });
    assert_eq!(status(&guard, "100", START + MINUTE), Status::Locked);
    assert_eq!(status(&guard, "101", START + MINUTE), Status::Normal);
    assert_eq!(guard.source(host(1), START + MINUTE).unwrap().phones, 1);
    let lifted = guard.tick(until);
    assert!(
        lifted.iter().any(|lift| lift.action == GuardAction::Lift { account: account("100"), source: None })
    );
}

#[test]
fn svcrack_is_suspended_and_then_banned_and_its_neighbour_is_not() {
    let mut guard = Guard::default();
    guard.witness(&registered(START, host(2), "100", START + HOUR));
    let mut decisions = Vec::new();
    // It does not stop; what it sends while it is suspended is dropped, but for what is under way.
    for hundredth in 0..360_000 {
        let at = START + nanos(hundredth * 10_000_000);
        let is_closed =
            guard.account(&account("100"), at).is_some_and(|view| view.status == Status::Suspended);
        if !is_closed {
            decisions.extend(guard.witness(&failure(at, host(1), "100")));
        }
        if !bans(&decisions).is_empty() {
            break;
        }
    }
    assert_eq!(rules(&decisions), [Rule::Suspend, Rule::Suspend, Rule::Suspend, Rule::Persistent]);
    assert_eq!(bans(&decisions), [(Rule::Persistent, Scope::Source { source: host(1) })]);
    assert_eq!(guard.source(host(2), START + MINUTE).unwrap().accounts[0].suspension, None);
}

#[test]
fn svcrack_behind_the_address_of_an_office_loses_its_flow_alone() {
    let mut guard = Guard::default();
    feed(&mut guard, office_phones(10, 0, START, 1));
    let crack = |port: fn(u32) -> u16| {
        (0..20).flat_map(move |round| {
            (0..6).map(move |n| {
                let at = START + MINUTE + round * 181 * SECOND + n * SECOND / 10;
                from_port(port(n), failure(at, host(1), "boss"))
            })
        })
    };
    let decisions = feed(&mut guard, crack(|_| 5066));
    let flow = Flow { port: 5066, transport: Transport::Udp };
    assert_eq!(bans(&decisions)[0], (Rule::Persistent, Scope::Flow { source: host(1), flow }));
    assert!(bans(&decisions).iter().all(|(_, scope)| matches!(scope, Scope::Flow { .. })));
    let (at, flow_of_a_phone) = (START + 20 * 181 * SECOND, 20_003);
    let wrong = (0..6).map(|n| from_port(flow_of_a_phone, failure(at + nanos(n), host(1), "103")));
    assert_eq!(suspensions(&feed(&mut guard, wrong)), [("103", host(1))], "the others are judged as before");
    assert_eq!(guard.source(host(1), at).unwrap().phones, 10);
    let mut guard = Guard::default();
    feed(&mut guard, office_phones(10, 0, START, 1));
    let decisions = feed(&mut guard, crack(|n| 5000 + n as u16));
    assert_eq!(bans(&decisions), [], "from many ports: then it is only suspended, and told");
    let alert = GuardAction::Alert { source: Some(host(1).into()), account: Some(account("boss")) };
    assert!(
        decisions
            .iter()
            .any(|decision| decision.action == alert && decision.trigger.rule == Rule::Persistent)
    );
}

#[test]
fn svwar_is_banned_where_it_is_proven_and_told_where_it_is_not() {
    let harvest = |proof| {
        (100..200u64).map(move |n| {
            let kind = if n % 7 == 0 { Kind::Challenged } else { Kind::UnknownAccount };
            Evidence {
                proof,
                ..of_kind(kind, failure(START + nanos(n * 1_000_000), host(1), &n.to_string()))
            }
        })
    };
    let decisions = feed(&mut Guard::default(), harvest(Proof::Proven));
    assert_eq!(bans(&decisions)[0], (Rule::Sequential, Scope::Source { source: host(1) }));
    let decisions = feed(&mut Guard::default(), harvest(Proof::Unproven));
    let alert = GuardAction::Alert { source: Some(host(1).into()), account: None };
    assert!(decisions.iter().all(|decision| decision.action == alert));
    let mut told = rules(&decisions);
    told.sort_unstable();
    assert_eq!(told, [Rule::ManyAccounts, Rule::Sequential], "each once");
}

#[test]
fn a_spray_is_banned_and_a_neighbour_is_not() {
    let mut guard = Guard::default();
    let names = ["anna", "bert", "carl", "dora", "emil", "fred", "gina", "hugo"];
    let spray = names.iter().zip(0..).map(|(name, n)| failure(START + n * MINUTE, host(1), name));
    let innocent = (0..3).map(|n| failure(START + nanos(n), host(2), "anna"));
    assert_eq!(feed(&mut guard, innocent), []);
    let decisions = feed(&mut guard, spray);
    assert_eq!(bans(&decisions), [(Rule::Spray, Scope::Source { source: host(1) })]);
    assert_eq!(decisions.len(), 1);
}

#[test]
fn ten_thousand_registrations_with_their_challenges_are_no_failure() {
    let mut guard = Guard::default();
    for n in 0..10_000u32 {
        let at = START + n * nanos(1_000_000);
        let name = (10_000 + n).to_string();
        // Over TCP the challenge is proven. One office and many homes.
        let source = if n % 2 == 0 { host(1) } else { host(n) };
        let asked = of_kind(Kind::Challenged, failure(at, source, &name));
        assert_eq!(guard.witness(&asked), []);
        let stale = of_kind(Kind::Stale, failure(at, source, &name));
        assert_eq!(guard.witness(&stale), []);
        let decisions = guard.witness(&registered(at, source, &name, at + HOUR));
        assert!(
            decisions.iter().all(|decision| matches!(
                decision.action,
                GuardAction::Know { .. } | GuardAction::KnowFlow { .. }
            )),
            "{decisions:?}"
        );
        let view = guard.account(&account(&name), at);
        assert!(view.is_none_or(|view| view.sources.iter().all(|at| at.failures + at.calls == 0)));
    }
    assert_eq!(guard.source_histories.weight(), 0, "nothing is left that counts against anybody");
}

#[test]
fn challenges_alone_are_nothing_while_they_may_be_answered() {
    let mut guard = Guard::default();
    for n in 0..500u64 {
        let asked = of_kind(Kind::Challenged, failure(START + nanos(n), host(1), &n.to_string()));
        assert_eq!(guard.witness(&asked), []);
        assert_eq!(guard.witness(&forged(asked)), []);
    }
}

#[test]
fn the_order_of_unrelated_accounts_does_not_matter() {
    let one = (0..7).map(|n| failure(START + n * SECOND, host(1), "100"));
    let other = (0..7).map(|n| failure(START + n * SECOND, host(2), "200"));
    let mut apart = feed(&mut Guard::default(), one.clone().chain(other.clone()));
    let mut mixed = feed(&mut Guard::default(), one.zip(other).flat_map(|(one, other)| [other, one]));
    let key = |decision: &Decision| format!("{decision:?}");
    apart.sort_by_key(key);
    mixed.sort_by_key(key);
    assert_eq!(apart, mixed);
    assert_eq!(apart.len(), 2);
}

/// A PBX of a customer: its accounts come over one connection, and some of them have a wrong password and try again at
/// once, whenever they may.
fn pbx(accounts: u32, wrong: u32, at: KernelTime, rounds: u32) -> Vec<Evidence> {
    let over_one_flow =
        |evidence| Evidence { flow: Flow { port: 40_123, transport: Transport::Tcp }, ..evidence };
    let mut seen = Vec::new();
    for round in 0..rounds {
        let at = at + round * 185 * SECOND;
        for name in (100..100 + wrong).map(|name| name.to_string()) {
            seen.extend((0..6).map(|n| over_one_flow(failure(at + n * SECOND / 10, host(1), &name))));
        }
        for name in (100 + wrong..100 + accounts).map(|name| name.to_string()) {
            seen.push(over_one_flow(registered(at + SECOND, host(1), &name, at + HOUR)));
        }
    }
    seen
}

#[test]
fn a_pbx_with_all_its_accounts_on_one_flow_is_not_banned_for_one_of_them() {
    for (before, wrong) in [(0, 1), (1, 1), (1, 5)] {
        let mut guard = Guard::default();
        // It has worked; by now it is a stranger, and known only as one that was there.
        feed(&mut guard, pbx(30, 0, START - 24 * HOUR, before));
        let decisions = feed(&mut guard, pbx(30, wrong, START, 40));
        assert_eq!(bans(&decisions), [], "{before} {wrong}");
        let suspended = suspensions(&decisions);
        assert_eq!(suspended.len(), 40 * wrong as usize, "each as often as it fails");
        assert!(suspended.iter().all(|(name, _)| name.parse::<u32>().unwrap() < 100 + wrong));
        let is_told = |decision: &&Decision| {
            decision.trigger.rule == Rule::Persistent && matches!(decision.action, GuardAction::Alert { .. })
        };
        assert!(decisions.iter().any(|decision| is_told(&decision)), "{before} {wrong}");
        let now = START + 40 * 185 * SECOND - SECOND;
        assert_eq!(status(&guard, "129", now), Status::Normal);
        assert_eq!(guard.source(host(1), now).unwrap().phones, 30 - wrong);
    }
}

#[test]
fn a_flow_on_which_nobody_else_works_is_banned_also_beside_a_pbx() {
    let mut guard = Guard::default();
    feed(&mut guard, pbx(5, 0, START, 1));
    let alone = |at| (0..6).map(move |n| from_port(5070, failure(at + nanos(n), host(1), "100")));
    let decisions = feed(&mut guard, (1..=12).flat_map(|round| alone(START + round * 185 * SECOND)));
    let flow = Flow { port: 5070, transport: Transport::Udp };
    assert_eq!(bans(&decisions), [(Rule::Persistent, Scope::Flow { source: host(1), flow })]);
}

/// So many guesses at accounts of their own from each of some /64s of a customer's /48.
fn harvest(homes: u32, guesses: u32) -> impl Iterator<Item = Evidence> {
    (0..homes).flat_map(move |home| {
        (0..guesses).map(move |n| {
            let at = START + (home * guesses + n) * SECOND;
            failure(at, ip(&format!("2001:db8:77:{home:x}::1")), &format!("{}", (home * guesses + n) * 10))
        })
    })
}

#[test]
fn whoever_has_a_whole_48_does_not_begin_anew_with_each_64() {
    // Seven are one less than what is a spray: nothing is said of any /64.
    let decisions = feed(&mut Guard::default(), harvest(300, 7));
    let net = net("2001:db8:77::/48");
    assert_eq!(
        bans(&decisions),
        [(Rule::Spray, Scope::Prefix { net })],
        "and nothing more counts from there"
    );
    assert_eq!((decisions.len(), decisions[0].trigger.count), (1, 48));
    assert_eq!(feed(&mut Guard::default(), harvest(6, 7)), [], "several strangers are none");
    // Elsewhere it counts anew.
    let elsewhere = harvest(1000, 7).map(|evidence| {
        let n = evidence.at.since(KernelTime::START).as_secs() % 1000;
        Evidence { source: ip(&format!("2001:db8:{n:x}::1")), ..evidence }
    });
    assert_eq!(bans(&feed(&mut Guard::default(), elsewhere.take(900))), []);
    let one_after_the_other = (0..60).map(|n| {
        of_kind(
            Kind::Refused,
            failure(START + nanos(n), ip(&format!("2001:db8:77:{n:x}::1")), &(100 + n).to_string()),
        )
    });
    let found = feed(&mut Guard::default(), one_after_the_other);
    assert_eq!(bans(&found), [(Rule::Sequential, Scope::Prefix { net })]);
}

#[test]
fn a_wide_prefix_is_never_banned_where_a_phone_works_or_has_worked() {
    let net = net("2001:db8:77::/48");
    for later in [Duration::ZERO, 20 * 24 * HOUR] {
        let mut guard = Guard::default();
        let phone = ip("2001:db8:77:ffff::5");
        guard.witness(&registered(START, phone, "neighbour", START + HOUR));
        guard.tick(START + later);
        let attack = harvest(1000, 7).map(|evidence| Evidence { at: evidence.at + later, ..evidence });
        let decisions = feed(&mut guard, attack);
        assert_eq!(bans(&decisions), []);
        let alert = GuardAction::Alert { source: Some(net), account: None };
        let told = decisions.iter().filter(|decision| decision.action == alert).count();
        assert!((1..=6).contains(&told), "of each rule once an hour: {told}");
        assert!(decisions.iter().all(|decision| decision.action == alert));
        let end = START + later + 7100 * SECOND;
        assert_eq!(
            suspensions(&feed(&mut guard, (0..6).map(|n| failure(end + nanos(n), phone, "neighbour")))).len(),
            1
        );
    }
}

#[test]
fn an_account_that_works_somewhere_in_a_48_does_not_count_there() {
    let mut guard = Guard::default();
    // Many homes of one provider: each phone has a wrong password at first, and then the right one.
    for home in 0..500u64 {
        let (at, source) = (START + nanos(home), ip(&format!("2001:db8:77:{home:x}::1")));
        let name = (home * 10).to_string();
        assert_eq!(guard.witness(&failure(at, source, &name)), []);
        assert!(bans(&guard.witness(&success(at, source, &name))).is_empty());
    }
    assert_eq!(guard.source_histories.weight(), 0);
}
