//! Rates and flows of strangers, of known sources, and of their neighbours.

use sipward_tests::filter_pair::{FilterPair, lift_limits};
use sipward_tests::frame::{Frame, SYN, tcp, udp};
use sipward_tests::message::clean;
use xdp_prog::abi::kind::KNOWN;
use xdp_prog::abi::{FOREVER, SourceEntry};
use xdp_prog::reason::Class;

use crate::{ENFORCE, HOUR, an_hour};

#[test]
fn each_source_has_its_rate_and_its_neighbour_has_its_own() {
    let mut pair = FilterPair::adjusted(ENFORCE, |policy| {
        lift_limits(policy);
        policy.stranger[Class::Register as usize] = an_hour(10);
        policy.stranger[Class::Invite as usize] = an_hour(3);
        policy.prefix[Class::Register as usize] = an_hour(25);
    });
    let from = |source: &str, method: &str| udp().from(source).carrying(clean(method)).build();
    let mut passed = |source: &str, method: &str, packets: usize| {
        let all: Vec<_> = (0..packets).map(|_| pair.judge(&from(source, method))).collect();
        let over = all.iter().find(|reason| *reason != "request").cloned().unwrap_or_default();
        (all.iter().filter(|reason| *reason == "request").count(), over)
    };
    let rate = || "rate:register".to_owned();
    for (first, second, third) in [
        ("198.51.100.1", "198.51.100.2", "198.51.100.3"),
        ("2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:1:3::1"),
    ] {
        assert_eq!(passed(first, "REGISTER", 30), (10, rate()));
        assert_eq!(passed(second, "REGISTER", 30), (10, rate()), "a neighbour has its own budget");
        assert_eq!(passed(third, "REGISTER", 30), (5, "prefix-rate:register".to_owned()));
        assert_eq!(passed(first, "INVITE", 5), (3, "rate:invite".to_owned()), "each method has its own");
    }
    assert_eq!(passed("2001:db8:1:1::2", "REGISTER", 3), (0, rate()), "a /64 is one source");
    assert_eq!(passed("198.51.101.1", "REGISTER", 1), (1, String::new()), "another /24 is not touched");
}

#[test]
fn newcomers_have_a_limit_that_who_floods_cannot_spend() {
    let mut pair = FilterPair::adjusted(ENFORCE, |policy| {
        lift_limits(policy);
        policy.newcomer_packets = 8;
        policy.newcomers[Class::Register as usize] = an_hour(24);
        policy.prefix[Class::Register as usize] = an_hour(10);
    });
    for [flood, slow, first, second, elsewhere] in [
        ["198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4", "198.51.101.1"],
        ["2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:1:3::1", "2001:db8:1:4::1", "2001:db8:2:1::1"],
    ] {
        let mut passed = |source: &str, packets: usize| {
            let frame = udp().from(source).carrying(clean("REGISTER")).build();
            let all: Vec<_> = (0..packets).map(|_| pair.judge(&frame)).collect();
            let over = all.iter().filter(|reason| *reason == "prefix-rate:register").count();
            assert_eq!(all.iter().filter(|reason| *reason == "request").count() + over, packets, "{all:?}");
            packets - over
        };
        assert_eq!(passed(flood, 100), 8 + 10, "as a newcomer, and of what all others may send");
        assert_eq!(passed(slow, 8), 2 + 2, "the first two, and what is left of the first half");
        assert_eq!(passed(first, 100), 2, "the other half is for those who have sent next to nothing");
        assert_eq!(passed(second, 2), 2);
        assert_eq!(passed(elsewhere, 100), 18, "another neighbourhood is not touched");
    }
}

#[test]
fn requests_that_share_a_segment_are_charged_one_by_one() {
    let mut pair = FilterPair::adjusted(ENFORCE, |policy| {
        lift_limits(policy);
        policy.stranger[Class::Register as usize] = an_hour(5);
        policy.stranger[Class::Other as usize] = an_hour(5);
    });
    let unknown = tcp().carrying(clean("ACK") + &clean("VENDORX").repeat(3)).build();
    assert_eq!(pair.judge(&unknown), "request");
    assert_eq!(pair.judge(&unknown), "rate:other");
    let three = tcp().carrying(clean("REGISTER").repeat(3)).build();
    assert_eq!(pair.judge(&three), "request");
    assert_eq!(pair.judge(&three), "rate:register");
}

#[test]
fn a_known_source_has_the_budget_of_its_phones() {
    let mut pair = FilterPair::adjusted(ENFORCE, |policy| {
        policy.stranger[Class::Register as usize] = an_hour(2);
        policy.prefix[Class::Register as usize] = an_hour(1);
        policy.known[Class::Register as usize] = an_hour(5);
    });
    let entry = SourceEntry { expires: FOREVER, kind: KNOWN, phones_or_mark: 4, ..SourceEntry::default() };
    pair.put_entry("198.51.100.1", entry);
    for port in 0..20 {
        let register = udp().from("198.51.100.1").source_port(40_000 + port).carrying(clean("REGISTER"));
        assert_eq!(pair.judge(&register.build()), "request", "phone {port}");
    }
    let register = udp().from("198.51.100.1").carrying(clean("REGISTER")).build();
    assert_eq!(pair.judge(&register), "rate:register");
}

#[test]
fn what_one_limit_refuses_is_charged_to_no_other() {
    let mut pair = FilterPair::adjusted(ENFORCE, |policy| {
        lift_limits(policy);
        policy.stranger[Class::Register as usize] = an_hour(12);
        (policy.flow_window, policy.flows_per_source) = (HOUR, 10);
    });
    let mut register = |port| pair.judge(&udp().source_port(port).carrying(clean("REGISTER")).build());
    let opened: Vec<_> = (40_000..40_010).map(&mut register).collect();
    assert!(opened.iter().all(|reason| reason == "request"), "{opened:?}");
    let refused: Vec<_> = (41_000..41_020).map(&mut register).filter(|reason| reason == "flows").collect();
    assert!(refused.len() >= 18, "some ports share a bit: {}", refused.len());
    assert_eq!(register(40_003), "request", "the twenty that were refused cost nothing");
}

#[test]
fn flows_are_limited_per_source_and_per_prefix() {
    let mut pair = FilterPair::adjusted(ENFORCE, |policy| {
        lift_limits(policy);
        (policy.flow_window, policy.flows_per_source, policy.flows_per_prefix) = (HOUR, 10, 25);
    });
    let mut open = |frame: Frame, host: u8, port: u16| {
        pair.judge(&frame.from(&format!("198.51.100.{host}")).source_port(port).build())
    };
    let mut request = |host, port| open(udp().carrying(clean("REGISTER")), host, port);
    let flows: Vec<_> = (0..12).map(|port| request(1, 40_000 + port)).collect();
    assert!(flows[..10].iter().all(|reason| reason == "request"), "{flows:?}");
    assert_eq!(flows[10..], ["flows", "flows"]);
    assert_eq!(request(1, 40_003), "request", "a flow in use goes on");
    for port in 0..10 {
        assert_eq!(request(2, 41_000 + port), "request", "the neighbour");
    }
    let last: Vec<_> = (0..6).map(|port| request(3, 42_000 + port)).collect();
    assert_eq!(last.iter().filter(|reason| *reason == "request").count(), 5, "{last:?}");
    assert_eq!(last[5], "flows-prefix");
    for (host, port) in (1..=4).flat_map(|host| (50_000..50_050).map(move |port| (host, port))) {
        assert_eq!(
            open(tcp().flags(SYN), host, port),
            "tcp-control",
            "connects are counted by their rate alone"
        );
    }
}
