//! Known flows: a phone's packets have a budget of their own, whatever other ports of its address send.

use std::time::Duration;

use sipward_kernel::clock::now;
use sipward_tests::{
    filter_pair::{FilterPair, lift_limits},
    frame::{Frame, SYN, tcp, udp},
    message::{OK_TO_OUR_OPTIONS, clean},
    wait::sleep_until,
};
use sipward_types::flow::{Flow, Transport};
use sipward_types::time::KernelTime;
use xdp_prog::abi::{
    FOREVER, SourceEntry,
    kind::{BANNED, TRUSTED},
};

use crate::{ENFORCE, an_hour};

const HERE: [&str; 2] = ["198.51.100.7", "2001:db8:7::7"];
const ELSEWHERE: [&str; 2] = ["198.51.101.7", "2001:db8:8::7"];
const PORT: u16 = 40_001;
/// Of each phone and class, in a minute.
const BUDGET: u32 = 5;

/// Only known sources have limits.
fn pair() -> FilterPair {
    FilterPair::adjusted(ENFORCE, |policy| {
        lift_limits(policy);
        policy.known.fill(an_hour(BUDGET));
    })
}

fn know(pair: &mut FilterPair, source: &str, phones: u32) {
    let entry = SourceEntry::known(phones, FOREVER);
    pair.put_entry(source, entry);
}

const fn over(transport: Transport) -> Flow {
    Flow { port: PORT, transport }
}

fn register() -> Frame {
    udp().carrying(clean("REGISTER"))
}

/// Sends `packets`. Returns the number that pass, and the one reason of all others.
fn passed(pair: &mut FilterPair, frame: &Frame, source: &str, port: u16, packets: u32) -> (u32, String) {
    let frame = frame.clone().from(source).source_port(port).build();
    let all: Vec<_> = (0..packets).map(|_| pair.judge(&frame)).collect();
    let over: Vec<_> = all.iter().filter(|reason| reason.starts_with("rate:")).collect();
    assert!(over.windows(2).all(|two| two[0] == two[1]), "{over:?}");
    (packets - over.len() as u32, over.first().map_or_else(String::new, |over| (*over).clone()))
}

/// Packets that an attacker sends in the name of the source.
fn flood(pair: &mut FilterPair, frame: &Frame, source: &str) {
    let all: u32 = (1..=30).map(|port| passed(pair, frame, source, 1024 + port, 1).0).sum();
    assert!(all < 30, "there is a limit");
}

#[test]
fn a_known_flow_has_its_budget_while_its_address_is_over() {
    let classes = [
        (udp().carrying(clean("REGISTER")), "rate:register"),
        (udp().carrying(clean("INVITE")), "rate:invite"),
        (udp().carrying(clean("OPTIONS")), "rate:options"),
        (udp().carrying(clean("BYE")), "rate:dialog"),
        (udp().carrying(clean("SUBSCRIBE")), "rate:other"),
        (udp().carrying(OK_TO_OUR_OPTIONS), "rate:response"),
        (udp().carrying("\r\n\r\n"), "rate:keepalive"),
        (tcp().carrying(clean("REGISTER")), "rate:register"),
        (tcp().carrying("the middle of a message"), "rate:other"),
        (tcp().flags(SYN), "rate:connect"),
    ];
    let mut pair = pair();
    for (row, (frame, reason)) in classes.into_iter().enumerate() {
        for (here, elsewhere) in [
            (format!("198.51.{row}.7"), format!("198.51.{row}.8")),
            (format!("2001:db8:{row}:7::7"), format!("2001:db8:{row}:8::7")),
        ] {
            know(&mut pair, &here, 1);
            know(&mut pair, &elsewhere, 1);
            for transport in [Transport::Udp, Transport::Tcp] {
                pair.know_flow(&here, over(transport), 1, KernelTime::FOREVER);
            }
            flood(&mut pair, &frame, &here);
            let refused = (0, reason.to_owned());
            assert_eq!(passed(&mut pair, &frame, &here, PORT + 1, 3), refused, "another port, {here}");
            let own = passed(&mut pair, &frame, &here, PORT, 30);
            assert_eq!(own, (BUDGET, reason.to_owned()), "its own budget and no more, {here}");
            let neighbour = passed(&mut pair, &frame, &elsewhere, PORT, 30);
            assert_eq!(neighbour, (BUDGET, reason.to_owned()), "a neighbour as ever, {elsewhere}");
        }
    }
}

#[test]
fn who_sends_himself_gets_no_more_by_it() {
    let mut pair = pair();
    for here in HERE {
        know(&mut pair, here, 4);
        pair.know_flow(here, over(Transport::Udp), 1, KernelTime::FOREVER);
        let over = || "rate:register".to_owned();
        let all = passed(&mut pair, &register(), here, PORT, 90);
        assert_eq!(
            all,
            (4 * BUDGET, over()),
            "what is left of the address's is for any of its flows, {here}"
        );
        assert_eq!(passed(&mut pair, &register(), here, PORT + 1, 9), (0, over()));
    }
}

#[test]
fn a_flow_has_the_budget_of_its_phones() {
    let [here, _] = HERE;
    let mut pair = pair();
    know(&mut pair, here, 4);
    pair.know_flow(here, over(Transport::Udp), 3, KernelTime::FOREVER);
    flood(&mut pair, &register(), here);
    assert_eq!(passed(&mut pair, &register(), here, PORT, 60).0, 3 * BUDGET);
    pair.know_flow(here, over(Transport::Udp), 4, KernelTime::FOREVER);
    assert_eq!(passed(&mut pair, &register(), here, PORT, 60).0, BUDGET, "what it has sent stays counted");
}

#[test]
fn a_flow_is_one_port_of_one_address_over_one_transport() {
    let mut pair = pair();
    for (here, elsewhere) in HERE.into_iter().zip(ELSEWHERE) {
        know(&mut pair, here, 1);
        know(&mut pair, elsewhere, 1);
        pair.know_flow(here, over(Transport::Tcp), 1, KernelTime::FOREVER);
        pair.know_flow(elsewhere, over(Transport::Udp), 1, KernelTime::FOREVER);
        flood(&mut pair, &register(), here);
        assert_eq!(passed(&mut pair, &register(), here, PORT, 3).0, 0, "it is known over TCP");
        let tcp = tcp().carrying(clean("REGISTER"));
        assert_eq!(passed(&mut pair, &tcp, here, PORT, 30).0, BUDGET);
    }
}

#[test]
fn a_flow_ends_in_time_or_when_it_is_forgotten() {
    let [here, _] = HERE;
    let mut pair = pair();
    know(&mut pair, here, 1);
    let end = now() + Duration::from_millis(300);
    pair.know_flow(here, over(Transport::Udp), 1, end);
    pair.know_flow(here, over(Transport::Tcp), 1, KernelTime::FOREVER);
    sleep_until(end);
    flood(&mut pair, &register(), here);
    assert_eq!(passed(&mut pair, &register(), here, PORT, 3).0, 0, "its time is over");
    let tcp = tcp().carrying(clean("REGISTER"));
    assert_eq!(passed(&mut pair, &tcp, here, PORT, 1).0, 1);
    pair.forget_flow(here, over(Transport::Tcp));
    assert_eq!(passed(&mut pair, &tcp, here, PORT, 3).0, 0, "it is forgotten");
}

#[test]
fn without_a_known_source_a_flow_is_nothing() {
    let [here, _] = HERE;
    let frame = register().from(here).source_port(PORT).build();
    let mut pair = FilterPair::adjusted(ENFORCE, |policy| {
        lift_limits(policy);
        policy.stranger.fill(an_hour(2));
        policy.known.fill(an_hour(BUDGET));
    });
    pair.know_flow(here, over(Transport::Udp), 1, KernelTime::FOREVER);
    assert_eq!(passed(&mut pair, &register(), here, PORT, 30).0, 2, "a stranger's limits");
    for (kind, expected) in [(BANNED, "ban"), (TRUSTED, "trusted")] {
        pair.put(here, kind);
        assert_eq!(pair.judge(&frame), expected);
    }
}

#[test]
fn what_is_known_is_found_again_as_it_was_put() {
    let mut pair = pair();
    let mut flows = pair.filter().known_flows().unwrap();
    let mut all = Vec::new();
    for (source, until) in HERE.into_iter().zip([KernelTime::from_nanos(7), KernelTime::FOREVER]) {
        for transport in [Transport::Udp, Transport::Tcp] {
            all.push((source.parse().unwrap(), Flow { port: 65_535, transport }, 3, until));
        }
    }
    for &(source, flow, phones, until) in &all {
        flows.put(source, flow, 1, KernelTime::from_nanos(1)).unwrap();
        flows.put(source, flow, phones, until).unwrap();
    }
    let mut found = flows.iter().collect::<Result<Vec<_>, _>>().unwrap();
    found.sort_by_key(|(source, flow, ..)| (*source, *flow));
    assert_eq!(found, all);
    for (source, flow, ..) in all {
        assert!(flows.remove(source, flow).unwrap());
        assert!(!flows.remove(source, flow).unwrap());
    }
    assert_eq!(flows.iter().count(), 0);
}
