//! The edge behind the filter as it comes, with all its limits.

use std::{thread, time::Duration};

use sipward_tests::{
    auth_pbx::PbxKind,
    daemon::Daemon,
    namespace::Family,
    sip_phone::{Phone, Transport},
    wait::wait_until,
};

use crate::site::{CALLER, Hosts, Site};

/// In two seconds all of them have come, as in an office whose phones are switched on.
const PAUSE: Duration = Duration::from_millis(65);

/// The filter charges credentials as guesses, and gives back what is not refused: it is the edge's answer that shows that.
#[test]
fn thirty_phones_of_one_address_register_and_no_limit_drops_any() {
    let hosts = Hosts::new();
    let Some(mut site) = Site::with_defaults(&hosts, PbxKind::EdgedAsterisk) else { return };
    let _daemon = Daemon::start(&site.sipward, &site.config);
    let mut phones: Vec<_> =
        (201..=230).map(|account| hosts.phone(CALLER, Transport::Udp, Family::V4, account)).collect();
    register(&mut phones, &[401, 200]);
    assert_eq!(site.dropped(), []);
    wait_until("all are known", Duration::from_secs(10), || {
        site.sipward.json("status").remove(0)["guard"]["phones"] == 30
    });
    // Nobody but the edge remembers its nonces.
    site.start_edge();
    register(&mut phones, &[401, 200]);
    assert_eq!(site.dropped(), []);
}

fn register(phones: &mut [Phone], expected: &[u16]) {
    for phone in phones {
        let outcome = phone.register(120);
        assert_eq!((&outcome.statuses()[..], outcome.repeated), (expected, 0), "{}", phone.transcript());
        thread::sleep(PAUSE);
    }
}
