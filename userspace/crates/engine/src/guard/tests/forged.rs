//! Evidence that anybody could have sent changes nothing.

use proptest::prelude::*;

use super::*;

/// In a debug build this takes seconds; what ten million would do to a packet filter is tested elsewhere.
const FLOOD: u64 = 50_000;

/// A generator that is good enough to look random, and is the same each time.
struct Noise(u64);

impl Noise {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

fn is_alert(decision: &Decision) -> bool {
    matches!(decision.action, GuardAction::Alert { .. })
}

/// The consequences that need no proof: an alert, and strangers of a line have to wait before they ask again.
fn is_unproven(decision: &Decision) -> bool {
    is_alert(decision) || matches!(decision.action, GuardAction::LimitAsking { .. })
}

#[test]
fn a_forged_flood_changes_nothing_for_a_phone_a_trunk_and_an_attacker() {
    let mut guard = Guard::default();
    let (phone, trunk, cracker, near) = (host(1), host(2), host(3), host(4));
    let phone_at = phone;
    guard.witness(&registered(START, phone, "100", START + HOUR));
    guard.witness(&of_kind(Kind::Qualified, failure(START, trunk, "trunk")));
    feed(&mut guard, (0..6).map(|n| failure(START + nanos(n), cracker, "100")));
    feed(&mut guard, (0..5).map(|n| failure(START + nanos(n), near, "100")));
    let before = [phone, trunk, cracker, near].map(|source| guard.source(source, START + SECOND));
    let mut noise = Noise(88_172_645_463_325_252);
    let mut alerts = 0;
    for n in 0..FLOOD {
        let source = match noise.next(4) {
            0 => host(1 + noise.next(4) as u32),
            _ => host(noise.next(131_072) as u32),
        };
        let name = if noise.next(2) == 0 { "100".to_owned() } else { noise.next(100_000).to_string() };
        let (phone, until) = (noise.next(3), START + nanos(noise.next(3_600_000_000_000)));
        let kind = match noise.next(8) {
            0 => Kind::Challenged,
            1 => Kind::Stale,
            2 => Kind::Refused,
            3 => Kind::UnknownAccount,
            4 => Kind::Registered { phone, until },
            5 => Kind::Unregistered { phone },
            6 => Kind::Succeeded,
            _ => Kind::Failed { attempt: n },
        };
        let decisions = guard.witness(&forged(of_kind(kind, failure(START + SECOND, source, &name))));
        assert!(decisions.iter().all(is_unproven), "{decisions:?}");
        let limits = |decision: &Decision| match decision.action {
            GuardAction::LimitAsking { source, .. } => source == phone_at || source == trunk,
            _ => false,
        };
        assert!(!decisions.iter().any(limits), "{decisions:?}");
        alerts += decisions.iter().filter(|decision| is_alert(decision)).count();
    }
    assert!((1..=30).contains(&alerts), "somebody knows, and is not flooded: {alerts}");
    assert_eq!(guard.counters().unproven_evidence, FLOOD);
    assert!(guard.unproven_failures.weight() <= super::super::unproven_failures::ROOM * 2);
    let after = [phone, trunk, cracker, near].map(|source| guard.source(source, START + SECOND));
    assert_eq!(before, after);
    let last = guard.witness(&failure(START + SECOND, near, "100"));
    assert_eq!(suspensions(&last), [("100", near)], "the count of who really failed is as it was");
    assert_eq!(guard.source_histories.forgotten() + guard.account_histories.forgotten(), 0);
}

#[test]
fn an_alert_is_raised_again_after_an_hour() {
    let mut guard = Guard::default();
    let spray = |at| (1..=12).map(move |n| forged(failure(at, host(1), &format!("{}", n * 10))));
    assert_eq!(rules(&feed(&mut guard, spray(START))), [Rule::ManyAccounts]);
    assert_eq!(feed(&mut guard, spray(START + HOUR - nanos(1))), []);
    assert_eq!(rules(&feed(&mut guard, spray(START + HOUR))), [Rule::ManyAccounts]);
    assert_eq!(guard.counters().alerts, 2);
}

#[test]
fn so_many_alerts_at_once_and_then_one_each_minute() {
    let mut guard = Guard::default();
    let flood = |at, first| {
        let names = move |source| {
            (1..=12).map(move |n| forged(failure(at, host(source), &format!("{source}x{}", n * 10))))
        };
        (first..first + 100).flat_map(names)
    };
    assert_eq!(feed(&mut guard, flood(START, 0)).len(), 30);
    assert_eq!(guard.counters().alerts_withheld, 70);
    assert_eq!(feed(&mut guard, flood(START + MINUTE - nanos(1), 100)).len(), 0);
    assert_eq!(feed(&mut guard, flood(START + MINUTE, 200)).len(), 1);
}

#[test]
fn a_forged_attack_from_many_sources_is_told_and_locks_nothing() {
    let mut guard = Guard::default();
    let decisions = feed(&mut guard, (1..=50).map(|n| forged(failure(START, host(n), "100"))));
    assert_eq!(rules(&decisions), [Rule::Distributed]);
    assert_eq!(decisions[0].action, GuardAction::Alert { source: None, account: Some(account("100")) });
    assert_eq!(guard.account(&account("100"), START), None);
}

pub(super) fn any_evidence() -> impl Strategy<Value = Evidence> {
    let kind = prop_oneof![
        8 => (0..1000u64).prop_map(|attempt| Kind::Failed { attempt }),
        1 => Just(Kind::Challenged),
        1 => Just(Kind::Stale),
        1 => Just(Kind::Refused),
        1 => Just(Kind::UnknownAccount),
        1 => Just(Kind::Succeeded),
        1 => Just(Kind::Qualified),
        1 => (0..4u64, up_to(HOUR)).prop_map(|(phone, lasts)| Kind::Registered { phone, until: START + lasts }),
        1 => (0..4u64).prop_map(|phone| Kind::Unregistered { phone }),
    ];
    let method = prop::sample::select(vec![Method::Register, Method::Invite, Method::Other]);
    let flow = (0..3u16, any::<bool>())
        .prop_map(|(port, udp)| Flow { port, transport: if udp { Transport::Udp } else { Transport::Tcp } });
    let source =
        prop_oneof![4 => (1..6u32).prop_map(host), 1 => (1..4u8).prop_map(|n| ip(&format!("2001:db8::{n}")))];
    (source, flow, prop::option::weighted(0.95, 100..110u32), method, kind).prop_map(
        |(source, flow, name, method, kind)| {
            let account = name.map(|name| account(&name.to_string()));
            Evidence {
                at: START,
                source,
                flow,
                account,
                method,
                kind,
                proof: Proof::Proven,
                made_after: KernelTime::START,
            }
        },
    )
}

/// Shorter than that.
fn up_to(end: Duration) -> impl Strategy<Value = Duration> {
    (0..end.as_nanos() as u64).prop_map(Duration::from_nanos)
}

/// Pauses, after which there is evidence or a tick.
pub(super) fn any_run() -> impl Strategy<Value = Vec<(Duration, Option<Evidence>)>> {
    let pause = prop_oneof![4 => up_to(SECOND), 2 => up_to(MINUTE), 1 => up_to(HOUR)];
    prop::collection::vec((pause, prop::option::weighted(0.9, any_evidence())), 0..200)
}

pub(super) fn lively() -> Settings {
    let mut settings = Settings::default();
    for rule in [&mut settings.lock, &mut settings.neighbours] {
        rule.on = true;
    }
    settings.suspend.retries = 3;
    settings.calls.retries = 2;
    for rule in [&mut settings.many_accounts, &mut settings.sequential, &mut settings.spray] {
        rule.count = 4;
    }
    (settings.distributed.count, settings.neighbours.count) = (3, 2);
    settings
}

fn step(guard: &mut Guard, at: KernelTime, evidence: Option<&Evidence>) -> Vec<Decision> {
    match evidence {
        Some(evidence) => guard.witness(&Evidence { at, ..evidence.clone() }),
        None => guard.tick(at),
    }
}

proptest! {
    #[test]
    fn mixed_into_any_run_it_changes_nothing_but_alerts(
        run in any_run(), forgeries in prop::collection::vec(prop::collection::vec(any_evidence(), 0..4), 200),
    ) {
        let (mut clean, mut mixed) = (Guard::new(lively()), Guard::new(lively()));
        let mut at = START;
        for ((pause, evidence), forgeries) in run.iter().zip(forgeries) {
            at += *pause;
            for forgery in forgeries {
                let decisions = mixed.witness(&forged(Evidence { at, ..forgery }));
                prop_assert!(decisions.iter().all(is_unproven));
            }
            let proven = |mut decisions: Vec<Decision>| {
                decisions.retain(|decision| !matches!(decision.action, GuardAction::LimitAsking { .. }));
                decisions
            };
            let [clean, mixed] = [&mut clean, &mut mixed].map(|guard| proven(step(guard, at, evidence.as_ref())));
            prop_assert_eq!(clean, mixed);
        }
        prop_assert_eq!(clean.accounts(at), mixed.accounts(at));
    }

    #[test]
    fn a_success_always_clears(run in any_run(), last in any_evidence()) {
        let mut guard = Guard::new(lively());
        let mut at = START;
        for (pause, evidence) in &run {
            at += *pause;
            step(&mut guard, at, evidence.as_ref());
        }
        let Some(name) = last.account.clone() else { return Ok(()) };
        guard.witness(&success(at, last.source, name.as_str()));
        let view = guard.source(last.source, at).unwrap();
        let here = view.accounts.iter().find(|here| here.account == name).unwrap();
        prop_assert_eq!((here.failures, here.calls, here.suspension), (0, 0, None));
        prop_assert!(here.works_until.is_some());
    }

    #[test]
    fn without_evidence_there_is_no_decision_and_in_the_end_nothing_is_left(run in any_run()) {
        let mut guard = Guard::new(lively());
        prop_assert_eq!(guard.tick(START), vec![]);
        let mut at = START;
        for (pause, evidence) in &run {
            at += *pause;
            step(&mut guard, at, evidence.as_ref());
        }
        let end = at + 365 * 24 * HOUR;
        for lifted in guard.tick(end) {
            let ends = matches!(lifted.action, GuardAction::Lift { .. } | GuardAction::Forget { .. } | GuardAction::ForgetFlow { .. });
            prop_assert!(ends, "{lifted:?}");
            prop_assert_eq!(lifted.trigger.rule, Rule::Expired);
        }
        prop_assert_eq!(guard.tick(end), vec![]);
        prop_assert_eq!(guard.accounts(end), vec![]);
        for number in 1..6 {
            let view = guard.source(host(number), end);
            prop_assert!(view.is_none(), "{view:?}");
        }
    }
}
