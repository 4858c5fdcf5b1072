//! Many legitimate registrations.

use sipward_tests::{
    auth_pbx::{ACCOUNTS, AuthPbx, PbxKind},
    caller::{Plan, Tally},
    length::by_length,
    namespace::v4,
};

use crate::site::{Guarded, OFFICE, PATIENT, SOON, Site, login, plan};

/// Each of them is challenged first, and comes back with its password.
#[test]
fn thousands_of_first_challenges_are_no_failures() {
    let registrations = by_length(2_000, 10_000);
    let site = Site::new();
    let auth_pbx = AuthPbx::start(PbxKind::Kamailio, site.pbx()).expect("Kamailio is everywhere");
    let guarded = Guarded::start(&site, &format!("{PATIENT}[known_rate]\nregister = 'off'\n"));
    let logins: Vec<_> = ACCOUNTS.map(login).collect();
    let storm = Plan { own_ports: false, ..plan("login", registrations, 500, &logins) };
    assert_eq!(site.caller(OFFICE).run(&storm), Tally::all(registrations));
    assert!(auth_pbx.heard(&v4(OFFICE)) >= 2 * registrations as usize);

    guarded.wait_for("all of it is seen", SOON, |guarded| {
        (guarded.guard("evidence") >= u64::from(registrations)).then_some(true.into())
    });
    println!(
        "{} packets looked at, {} outcomes, {} of them unproven; {} packets came too fast",
        guarded.guard("packets"),
        guarded.guard("evidence"),
        guarded.guard("unproven"),
        guarded.guard("unseen_known") + guarded.guard("unseen_strangers"),
    );
    for account in ACCOUNTS {
        let said = guarded.sipward.json(&format!("account show {account}")).remove(0);
        let sources = said["sources"].as_array().expect("sources");
        assert!(sources.iter().all(|source| source["failures"] == 0 && source["calls"] == 0), "{said}");
        assert_eq!(said["diagnoses"].as_array().map(Vec::len), Some(0), "{said}");
        assert_eq!(said["status"], "normal", "{said}");
    }
    for decided in ["suspended", "locked", "banned", "alert"] {
        assert_eq!(guarded.decided(decided), [""; 0], "{decided}");
    }
    assert_eq!(guarded.dropped("suspended"), 0);
}
