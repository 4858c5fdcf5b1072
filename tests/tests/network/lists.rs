//! Bans and the lock-down.

use sipward_tests::{
    caller::{CALLS, Caller, Plan, Tally, Way},
    pbx::Pbx,
};

use crate::{CUSTOMER, OTHER, dropped, protect, site};

#[test]
fn a_banned_customers_calls_fail_and_the_neighbours_do_not() {
    let lan = site();
    let [host, customer, other] = lan.hosts();
    let pbx = Pbx::start(host);
    let sipward = protect(host);
    let (customer, other) = (Caller::new(customer, CUSTOMER), Caller::new(other, OTHER));
    for way in Way::ALL {
        let plan = Plan { way, ..CALLS };
        let address = way.address(CUSTOMER);
        assert_eq!(customer.run(&plan), Tally::all(2), "{way:?}, before");

        sipward.ok(&format!("ban add {address}"));
        let (before, heard) = (dropped(&sipward, "ban"), pbx.heard("INVITE", &address));
        assert_eq!(customer.run(&plan).successful, 0, "{way:?}, banned");
        assert_eq!(other.run(&plan), Tally::all(2), "{way:?}, a neighbour of the banned");
        assert!(dropped(&sipward, "ban") > before, "{way:?}");
        assert_eq!(pbx.heard("INVITE", &address), heard, "{way:?}");

        sipward.ok(&format!("ban del {address}"));
        assert_eq!(customer.run(&plan), Tally::all(2), "{way:?}, no longer banned");
    }
}

#[test]
fn a_lock_down_leaves_only_the_trusted() {
    let lan = site();
    let [host, customer, other] = lan.hosts();
    let pbx = Pbx::start(host);
    let sipward = protect(host);
    let (customer, other) = (Caller::new(customer, CUSTOMER), Caller::new(other, OTHER));
    for way in [Way::Udp, Way::UdpV6] {
        let plan = Plan { way, ..CALLS };
        sipward.ok(&format!("trust add {}", way.address(CUSTOMER)));
        assert_eq!(other.run(&plan), Tally::all(2), "{way:?}, before");

        sipward.ok("trust only on");
        let (before, heard) = (dropped(&sipward, "trusted-only"), pbx.heard("INVITE", &way.address(OTHER)));
        assert_eq!(other.run(&plan), Tally::none(2), "{way:?}, locked out");
        assert_eq!(customer.run(&plan), Tally::all(2), "{way:?}, trusted");
        assert!(dropped(&sipward, "trusted-only") > before, "{way:?}");
        assert_eq!(pbx.heard("INVITE", &way.address(OTHER)), heard, "{way:?}");

        sipward.ok("trust only off");
        assert_eq!(other.run(&plan), Tally::all(2), "{way:?}, after");
    }
}
