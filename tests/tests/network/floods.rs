//! Floods: more than any phone would send.

use std::{thread, time::Duration};

use sipward_tests::{
    caller::{CALLS, Caller, Plan, REGISTRATIONS, Tally},
    namespace::v4,
    pbx::Pbx,
    wait::wait_until,
};

use crate::{CUSTOMER, OTHER, dropped, protect, site};

/// REGISTERs that one stranger may send in a minute, by default.
const BUDGET: u32 = 240;

#[test]
fn of_a_flood_the_budget_reaches_the_pbx_and_calls_go_on() {
    let lan = site();
    let [host, customer, other] = lan.hosts();
    let pbx = Pbx::start(host);
    let sipward = protect(host);
    let (customer, attacker) = (Caller::new(customer, CUSTOMER), Caller::new(other, OTHER));
    let flood = Plan { scenario: "flood", count: 2_000, rate: 1_000, ..CALLS };
    thread::scope(|scope| {
        let flood = scope.spawn(|| attacker.run(&flood));
        let calls = scope.spawn(|| customer.run(&Plan { count: 20, ..CALLS }));
        assert_eq!(flood.join().unwrap(), Tally::all(2_000));
        assert_eq!(calls.join().unwrap(), Tally::all(20));
    });
    assert_eq!(pbx.heard("REGISTER", &v4(OTHER)), BUDGET as usize);
    assert_eq!(dropped(&sipward, "rate:register"), u64::from(flood.count - BUDGET));
    // The neighbourhood's budget was not touched by what fell.
    assert_eq!(customer.run(&REGISTRATIONS), Tally::all(2));

    sipward.ok("detach");
    let small = Plan { count: 200, ..flood };
    assert_eq!(attacker.run(&small), Tally::all(200));
    wait_until("with the filter detached all are heard", Duration::from_secs(5), || {
        pbx.heard("REGISTER", &v4(OTHER)) == (BUDGET + 200) as usize
    });
}
