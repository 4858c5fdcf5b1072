//! Known flows: which there are, and how many phones are on them. That what is forged makes none is in [`forged`](super::forged).

use std::collections::BTreeMap;

use proptest::prelude::*;
use xdp_prog::abi::MAX_KNOWN_FLOWS;

use super::{forged::any_run, *};
use crate::guard::flows::{FLOWS, FLOWS_OF_ACCOUNT};

const GRACE: Duration = Duration::from_secs(1_800);

/// The contents of the kernel's map.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Kernel(BTreeMap<(IpAddr, Flow), (u32, KernelTime)>);

impl Kernel {
    fn hear(&mut self, decisions: &[Decision]) {
        for decision in decisions {
            match decision.action {
                GuardAction::KnowFlow { source, flow, phones, until } => {
                    self.0.insert((source, flow), (phones, until));
                }
                GuardAction::ForgetFlow { source, flow } => {
                    self.0.remove(&(source, flow)).expect("it was told of it");
                }
                _ => {}
            }
        }
    }

    fn after(guard: &mut Guard, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        let mut kernel = Self::default();
        kernel.hear(&feed(guard, evidence));
        kernel
    }

    /// Port and phones of one source's.
    fn of(&self, source: IpAddr) -> Vec<(u16, u32)> {
        let flows = self.0.iter().filter(|((at, _), _)| *at == source);
        flows.map(|((_, flow), (phones, _))| (flow.port, *phones)).collect()
    }
}

fn registers(port: u16, name: &str) -> Evidence {
    from_port(port, registered(START, host(1), name, START + HOUR))
}

fn over_tcp(evidence: Evidence) -> Evidence {
    Evidence { flow: Flow { transport: Transport::Tcp, ..evidence.flow }, ..evidence }
}

#[test]
fn it_is_known_where_a_phone_registers_calls_or_a_trunk_answers() {
    for kind in [Kind::Registered { phone: 7, until: START + HOUR }, Kind::Succeeded, Kind::Qualified] {
        for evidence in [failure(START, host(1), "100"), over_tcp(failure(START, ip("2001:db8::1"), "100"))] {
            let flow = (evidence.source, evidence.flow);
            let mut guard = Guard::default();
            let kernel = Kernel::after(&mut guard, [of_kind(kind, evidence)]);
            let known: Vec<_> = kernel.0.into_iter().map(|(flow, (phones, _))| (flow, phones)).collect();
            assert_eq!(known, [(flow, 1)], "{kind:?}");
        }
    }
}

#[test]
fn what_fails_or_only_asks_makes_none() {
    let mut guard = Guard::default();
    let kinds = [
        Kind::Challenged,
        Kind::Failed { attempt: 1 },
        Kind::Stale,
        Kind::Refused,
        Kind::UnknownAccount,
        Kind::Unregistered { phone: 7 },
    ];
    let all = kinds.map(|kind| of_kind(kind, failure(START, host(1), "100")));
    assert_eq!(Kernel::after(&mut guard, all), Kernel::default());
}

#[test]
fn twenty_accounts_over_one_flow_are_twenty_phones_on_it() {
    let mut guard = Guard::default();
    let pbx = (100..120).map(|name| registers(5060, &name.to_string()));
    let kernel = Kernel::after(&mut guard, pbx.chain([registers(5061, "300")]));
    assert_eq!(kernel.of(host(1)), [(5060, 20), (5061, 1)]);
    let many = (1_000..1_300).map(|name| registers(5060, &name.to_string()));
    assert_eq!(Kernel::after(&mut guard, many).of(host(1)), [(5060, 100)], "as of a source");
}

#[test]
fn a_phone_is_on_the_flow_that_it_registered_over_last() {
    let mut guard = Guard::default();
    let moving = [registers(5060, "100"), registers(5060, "101"), registers(40_000, "100")];
    assert_eq!(Kernel::after(&mut guard, moving).of(host(1)), [(5060, 1), (40_000, 1)]);
    let mut kernel = Kernel::after(&mut guard, [registers(40_001, "300")]);
    kernel.hear(&guard.witness(&registers(40_002, "300")));
    assert_eq!(kernel.of(host(1)), [(40_002, 1)], "nothing is left where nobody else is");
}

#[test]
fn it_lasts_as_long_as_its_source_is_known_by_it() {
    let mut guard = Guard::default();
    let mut kernel = Kernel::after(&mut guard, [registers(5060, "100")]);
    assert!(kernel.0.values().all(|(_, until)| *until >= START + HOUR + GRACE));
    let Kind::Registered { phone, .. } = registers(5060, "100").kind else { unreachable!() };
    let at = START + MINUTE;
    let bye = of_kind(Kind::Unregistered { phone }, failure(at, host(1), "100"));
    kernel.hear(&guard.witness(&from_port(40_000, bye)));
    kernel.hear(&guard.tick(at + GRACE - nanos(1)));
    assert_eq!(kernel.of(host(1)), [(5060, 1)], "it says goodbye from wherever, and has the grace");
    let end = guard.tick(at + GRACE);
    let expected = [
        GuardAction::Forget { source: host(1) },
        GuardAction::ForgetFlow { source: host(1), flow: bye_flow() },
    ];
    assert_eq!(end.into_iter().map(|decision| decision.action).collect::<Vec<_>>(), expected);
}

fn bye_flow() -> Flow {
    Flow { port: 5060, transport: Transport::Udp }
}

#[test]
fn a_refresh_is_told_once_an_hour() {
    let mut guard = Guard::default();
    let (mut kernel, mut times) = (Kernel::default(), 0);
    for minute in 0..24 * 60 {
        let at = START + minute * MINUTE;
        let decisions = guard.witness(&registered(at, host(1), "100", at + 2 * MINUTE));
        times += decisions.iter().filter(|what| matches!(what.action, GuardAction::KnowFlow { .. })).count();
        kernel.hear(&decisions);
        assert!(kernel.0.values().all(|(_, until)| *until >= at + 2 * MINUTE + GRACE));
    }
    assert!((23..=25).contains(&times), "{times} in a day");
}

#[test]
fn one_account_has_a_few_wherever_it_is_and_others_keep_theirs() {
    let phones = (1..=60).map(|n| registers(n, &format!("phone{n}")));
    let mut guard = Guard::default();
    let mut kernel = Kernel::after(&mut guard, phones);
    let before = kernel.clone();
    for port in (1024..=u16::MAX).step_by(17) {
        let contact = of_kind(
            Kind::Registered { phone: port.into(), until: START + 10 * HOUR },
            failure(START, host(1), "thief"),
        );
        let source = ip(&format!("2001:db8:{port:x}::1"));
        for evidence in [contact.clone(), success(START, host(1), "thief"), Evidence { source, ..contact }] {
            kernel.hear(&guard.witness(&from_port(port, evidence)));
        }
    }
    assert_eq!(kernel.0.len(), before.0.len() + FLOWS_OF_ACCOUNT);
    assert!(before.0.keys().all(|flow| kernel.0.contains_key(flow)));
    let last = Flow { port: 1024 + (u16::MAX - 1024) / 17 * 17, transport: Transport::Udp };
    assert!(kernel.0.contains_key(&(host(1), last)), "it is the first that it gives up");
}

#[test]
fn one_account_cannot_buy_a_budget_of_any_size() {
    let mut guard = Guard::default();
    let contact = |n: u16| {
        let kind = Kind::Registered { phone: n.into(), until: START + HOUR };
        from_port(1 + n / 100, of_kind(kind, failure(START, host(1), "thief")))
    };
    let kernel = Kernel::after(&mut guard, (0..1_000).map(contact));
    assert_eq!(kernel.0.len(), 10);
    assert!(kernel.0.values().map(|(phones, _)| phones).sum::<u32>() < 20, "{kernel:?}");
}

#[test]
fn a_source_has_as_many_as_phones_and_who_has_one_keeps_it() {
    for (here, there) in [(host(1), host(1)), (ip("2001:db8::1"), ip("2001:db8::ffff"))] {
        let mut guard = Guard::default();
        let at = |source, port: u16| {
            from_port(port, registered(START, source, &format!("phone{port}"), START + HOUR))
        };
        let kernel = Kernel::after(&mut guard, (1..=150).map(|port| at(here, port)));
        assert_eq!(kernel.0.len(), 100);
        assert_eq!(guard.counters().flows_refused, 50);
        assert!((1..=100).all(|port| kernel.0.contains_key(&(here, at(here, port).flow))));
        assert_eq!(Kernel::after(&mut guard, [at(there, 999)]), Kernel::default(), "a /64 is one source");
        assert_eq!(Kernel::after(&mut guard, [at(host(2), 999)]).0.len(), 1, "another source has its own");
    }
}

#[test]
fn there_are_no_more_than_the_kernel_has_room_for() {
    const { assert!(FLOWS == MAX_KNOWN_FLOWS) };
    let mut guard = Guard::default();
    let mut kernel = Kernel::default();
    let trunk = |port, n| from_port(port, of_kind(Kind::Qualified, failure(START, host(n), "trunk")));
    for n in 0..FLOWS as u32 / 2 + 10 {
        kernel.hear(&feed(&mut guard, [trunk(5060, n), trunk(5061, n)]));
    }
    assert_eq!(kernel.0.len(), FLOWS);
    assert_eq!(guard.counters().flows_refused, 20);
}

#[test]
fn what_was_known_before_a_restart_stays_so() {
    let mut guard = Guard::default();
    let flow = bye_flow();
    guard.restore(
        START,
        [
            Held::Known { source: host(1), phones: 40, until: START + HOUR },
            Held::KnownFlow { source: host(1), flow, phones: 40, until: START + HOUR },
        ],
    );
    let mut kernel = Kernel(BTreeMap::from([((host(1), flow), (40, START + HOUR))]));
    kernel.hear(&guard.witness(&registers(5060, "100")));
    assert_eq!(kernel.of(host(1)), [(5060, 40)]);
    assert!(kernel.0.values().all(|(_, until)| *until >= START + HOUR + GRACE));
    kernel.hear(&guard.tick(START + HOUR));
    assert_eq!(kernel.of(host(1)), [(5060, 1)], "those that did not come again have had their time");
    kernel.hear(&guard.tick(START + HOUR + GRACE));
    assert_eq!(kernel, Kernel::default());
}

proptest! {
    /// Each is of a source that is known at least as long, with at least as many phones.
    #[test]
    fn a_flow_is_never_more_than_its_source(run in any_run()) {
        let mut guard = Guard::default();
        let mut kernel = Kernel::default();
        let mut at = START;
        for (pause, evidence) in run {
            at += pause;
            if let Some(evidence) = evidence {
                kernel.hear(&guard.witness(&Evidence { at, ..evidence }));
            }
            let mut ends = guard.tick(at);
            kernel.hear(&ends);
            while !ends.is_empty() {
                ends = guard.tick(at);
                kernel.hear(&ends);
            }
            for ((source, flow), (phones, _)) in &kernel.0 {
                let view = guard.source(*source, at);
                prop_assert!(view.is_some_and(|view| view.phones >= *phones), "{source} {flow}");
            }
        }
        let end = at + 100 * HOUR;
        while let ends @ [_, ..] = guard.tick(end).as_slice() {
            kernel.hear(ends);
        }
        prop_assert_eq!(kernel, Kernel::default());
    }
}
