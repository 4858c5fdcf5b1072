//! The loaded filter's own maps: policy, signatures, lists, counters, events.

use std::net::IpAddr;

use sipward::kernel::{Filter, LoadOptions};
use xdp_prog::{
    abi::{FOREVER, Policy, PortSet, RateLimit, SourceEntry, kind},
    reason::{Class, Reason},
};

fn load() -> Filter {
    Filter::load(&LoadOptions::default()).unwrap()
}

fn policy() -> Box<Policy> {
    let mut udp = PortSet::EMPTY;
    udp.add(5060);
    Box::new(Policy {
        enforce: 1,
        trusted_only: 0,
        drop_options: 1,
        drop_unknown_methods: 0,
        flow_window: 0,
        flows_per_source: 0,
        flows_per_prefix: 0,
        stranger: [RateLimit::default(); Class::COUNT],
        prefix: [RateLimit::default(); Class::COUNT],
        known: [RateLimit::default(); Class::COUNT],
        udp,
        tcp: PortSet::EMPTY,
        tls: PortSet::EMPTY,
    })
}

#[test]
fn loads() {
    let mut filter = load();
    filter.set_policy(&policy()).unwrap();
    let address: IpAddr = "192.0.2.1".parse().unwrap();
    let entry = SourceEntry { expires: FOREVER, shadowed_until: 0, kind: kind::BANNED, budget: 0 };
    filter.sources().unwrap().put(address, entry).unwrap();
    assert_eq!(filter.sources().unwrap().get(address).unwrap(), Some(entry));
    let (action, _) = filter.test_run(&[0; 64], 1).unwrap();
    assert_eq!(action, 2);
    let counts = filter.counters().unwrap();
    assert_eq!(counts[Reason::NotIp as usize].enforced.packets, 1);
}
