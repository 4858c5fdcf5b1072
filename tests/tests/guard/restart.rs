//! The daemon ends or is killed: its suspensions stay, and end at the same time.

use sipward_tests::{
    auth_pbx::{AuthPbx, PbxKind},
    daemon::Daemon,
    guesser::Guesser,
    namespace::v4,
};

use crate::site::{ATTACKER, Guarded, PATIENT, SOON, Site, next_second, phone_works};

#[test]
fn a_suspension_outlives_the_daemon_and_keeps_its_end() {
    let site = Site::new();
    let auth_pbx = AuthPbx::start(PbxKind::Kamailio, site.pbx()).expect("Kamailio is everywhere");
    let mut guarded = Guarded::start(&site, PATIENT);
    phone_works(&site);
    let attacker = v4(ATTACKER);
    let guesser = Guesser::new(site.host(ATTACKER), &attacker);
    next_second();
    for _ in 0..6 {
        assert!(guesser.guess("201").is_some());
    }
    let before = guarded.wait_for("suspended", SOON, |guarded| guarded.closed(201, &attacker));
    let heard = auth_pbx.heard(&attacker);
    for end in [Daemon::terminate, Daemon::kill] {
        guarded.end(end);
        assert_eq!(guesser.guess("201"), None, "nobody is there but the filter");
        guarded.begin();
        assert_eq!(guesser.guess("201"), None);
        let after = guarded.closed(201, &attacker).expect("still suspended");
        let until = |closed: &serde_json::Value| closed["until"].as_u64().expect("an end");
        assert!(until(&before).abs_diff(until(&after)) <= 1, "{before} {after}");
        for same in ["since", "rule", "count"] {
            assert_eq!(before[same], after[same]);
        }
    }
    assert_eq!(auth_pbx.heard(&attacker), heard);
    assert!(guesser.guess("202").is_some(), "another account from there");
    phone_works(&site);

    guarded.sipward.ok("account unlock 201");
    assert!(guesser.guess("201").is_some(), "unlocked");
}
