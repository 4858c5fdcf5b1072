//! Calls of every kind pass, and hostile requests of the same kind do not.

use sipward_tests::{
    caller::{CALLS, Caller, Plan, REGISTRATIONS, SCANNER, Tally, Way},
    pbx::Pbx,
};

use crate::{CUSTOMER, OTHER, dropped, protect, site};

#[test]
fn a_call_in_fragments_goes_through_and_a_scanner_in_fragments_does_not() {
    let lan = site();
    let [host, customer, other] = lan.hosts();
    let pbx = Pbx::start(host);
    let sipward = protect(host);
    let (customer, other) = (Caller::new(customer, CUSTOMER), Caller::new(other, OTHER));
    for way in [Way::Udp, Way::UdpV6] {
        let large = Plan { way, padding: 2_000, ..CALLS };
        let scan = Plan { agent: SCANNER, ..large };
        let passed = dropped(&sipward, "fragment");
        assert_eq!(customer.run(&large), Tally::all(2), "{way:?}");
        assert_eq!(dropped(&sipward, "fragment"), passed + 2, "{way:?}: one later fragment of each INVITE");

        let (first, rest) = (dropped(&sipward, "signature"), dropped(&sipward, "fragment-rest"));
        assert_eq!(other.run(&scan), Tally::none(2), "{way:?}");
        let first = dropped(&sipward, "signature") - first;
        assert!(first >= 2, "{way:?}");
        assert_eq!(dropped(&sipward, "fragment-rest") - rest, first, "{way:?}: no fragment stayed behind");
        assert_eq!(pbx.heard("INVITE", &way.address(OTHER)), 0, "{way:?}");
        assert_eq!(customer.run(&large), Tally::all(2), "{way:?}, after the scan");
    }
    sipward.ok("detach");
    let scan = Plan { agent: SCANNER, padding: 2_000, ..CALLS };
    assert_eq!(other.run(&scan), Tally::all(2), "with the filter detached");
}

#[test]
fn calls_over_tcp_go_through_and_scanners_over_tcp_do_not() {
    let lan = site();
    let [host, customer, other] = lan.hosts();
    let pbx = Pbx::start(host);
    let sipward = protect(host);
    let (customer, other) = (Caller::new(customer, CUSTOMER), Caller::new(other, OTHER));
    let tcp = Plan { way: Way::Tcp, ..CALLS };
    // With segments full of it, too.
    for padding in [0, 4_000] {
        assert_eq!(customer.run(&Plan { padding, ..tcp }), Tally::all(2), "{padding}");
    }
    let registrations = Plan { way: Way::Tcp, ..REGISTRATIONS };
    let scan = Plan { agent: SCANNER, ..registrations };
    assert_eq!(customer.run(&registrations), Tally::all(2));
    assert_eq!(other.run(&scan), Tally::none(2));
    assert!(dropped(&sipward, "signature") >= 1);
    assert_eq!(pbx.heard("REGISTER", &Way::Tcp.address(OTHER)), 0);
    assert_eq!(customer.run(&tcp), Tally::all(2), "after the scan");

    sipward.ok("detach");
    assert_eq!(other.run(&scan), Tally::all(2), "with the filter detached");
}
