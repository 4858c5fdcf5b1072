//! Many who do nothing wrong.

use sipward_tests::{
    caller::{Plan, Tally},
    exchange::{ACCOUNTS, Exchange, Make},
    length::by_length,
    namespace::v4,
};

use crate::site::{OFFICE, PATIENT, SOON, Site, Ward, login, plan};

/// Each of them is challenged first, and comes back with its password.
#[test]
fn thousands_of_first_challenges_are_no_failures() {
    let registrations = by_length(2_000, 10_000);
    let site = Site::new();
    let exchange = Exchange::start(Make::Kamailio, site.pbx()).expect("Kamailio is everywhere");
    let ward = Ward::start(&site, &format!("{PATIENT}[known_rate]\nregister = 'off'\n"));
    let logins: Vec<_> = ACCOUNTS.map(login).collect();
    let storm = Plan { own_ports: false, ..plan("login", registrations, 500, &logins) };
    assert_eq!(site.caller(OFFICE).run(&storm), Tally::all(registrations));
    assert!(exchange.heard(&v4(OFFICE)) >= 2 * registrations as usize);

    ward.wait_for("all of it is seen", SOON, |ward| {
        (ward.guard("evidence") >= u64::from(registrations)).then_some(true.into())
    });
    println!(
        "{} packets looked at, {} outcomes, {} of them unproven; {} packets came too fast",
        ward.guard("packets"),
        ward.guard("evidence"),
        ward.guard("unproven"),
        ward.guard("unseen_known") + ward.guard("unseen_strangers"),
    );
    for account in ACCOUNTS {
        let said = ward.sipward.json(&format!("account show {account}")).remove(0);
        let sources = said["sources"].as_array().expect("sources");
        assert!(sources.iter().all(|source| source["failures"] == 0 && source["calls"] == 0), "{said}");
        assert_eq!(said["diagnoses"].as_array().map(Vec::len), Some(0), "{said}");
        assert_eq!(said["status"], "normal", "{said}");
    }
    for decided in ["suspended", "locked", "banned", "alert"] {
        assert_eq!(ward.decided(decided), [""; 0], "{decided}");
    }
    assert_eq!(ward.dropped("suspended"), 0);
}
