//! The rights of known sources, and the reports about sources that are refused.

use sipward_tests::{
    auth_pbx::{AuthPbx, PbxKind},
    caller::{PHONE as ORDINARY, Tally},
    guesser::{Answer, Attempt, Guesser},
    namespace::v4,
    scratch::Scratch,
};

use crate::site::{
    ATTACKER, Guarded, OFFICE, PATIENT, PHONE, SOON, Site, TRUNK, login, next_second, plan, trunk,
};

fn both(test: impl Fn(PbxKind, &Site, &AuthPbx)) {
    for make in [PbxKind::Kamailio, PbxKind::Asterisk] {
        let site = Site::new();
        let Some(auth_pbx) = AuthPbx::start(make, site.pbx()) else { return };
        test(make, &site, &auth_pbx);
    }
}

#[test]
fn phones_and_trunks_may_ask_for_options_and_strangers_may_not() {
    both(|make, site, auth_pbx| {
        let guarded = Guarded::start(site, "");
        let asks = |number| Guesser::new(site.host(number), &v4(number)).ask("OPTIONS", "201").is_some();
        let dropped = guarded.dropped("options-stranger");
        for number in [PHONE, TRUNK, ATTACKER] {
            assert!(!asks(number), "{make:?}: {number} is a stranger");
            assert_eq!(auth_pbx.heard(&v4(number)), 0, "{make:?}");
        }
        assert_eq!(guarded.dropped("options-stranger"), dropped + 3, "{make:?}");

        let directory = Scratch::new(site.host(TRUNK));
        let _trunk = trunk(site, &directory);
        assert_eq!(site.caller(PHONE).run(&plan("login", 1, 1, &[login(201)])), Tally::all(1), "{make:?}");
        for number in [PHONE, TRUNK] {
            guarded.wait_for("known", SOON, |guarded| guarded.is_known(&v4(number)).then_some(true.into()));
            assert!(asks(number), "{make:?}: {number} is known");
        }
        assert!(!asks(ATTACKER), "{make:?}: still a stranger");
        assert_eq!(auth_pbx.heard(&v4(ATTACKER)), 0, "{make:?}");

        // It was hit by a rule and has authenticated since, and the stranger has not.
        let rule = guarded.wait_for("in the ledger", SOON, |guarded| {
            let rules = guarded.sipward.json("rules");
            rules.into_iter().find(|rule| rule["rule"] == "options-stranger" && rule["authenticated"] != 0)
        });
        println!("{make:?}: {rule}");
        assert_eq!((&rule["sources"], &rule["action"]), (&3.into(), &"drop".into()), "{make:?}");
    });
}

#[test]
fn the_cause_of_a_refusal_is_named() {
    both(|make, site, _| {
        let guarded = Guarded::start(site, PATIENT);
        let guesser = |number| Guesser::new(site.host(number), &v4(number));
        next_second();
        let wrong = guesser(PHONE);
        for _ in 0..3 {
            assert!(wrong.guess("201").is_some_and(|answer| answer.status == 401), "{make:?}");
        }
        next_second();
        let elsewhere = guesser(OFFICE);
        for _ in 0..3 {
            let asked = elsewhere.ask("REGISTER", "202").expect("a challenge");
            let challenge = Answer { realm: "elsewhere.example.com".to_owned(), ..asked };
            let attempt =
                Attempt { method: "REGISTER", account: "202", agent: ORDINARY, challenge: Some(&challenge) };
            assert!(elsewhere.send(&attempt).is_some(), "{make:?}");
        }
        let deaf = guesser(ATTACKER);
        for _ in 0..4 {
            assert!(deaf.ask("REGISTER", "203").is_some(), "{make:?}");
        }
        for (account, number, cause) in [
            ("201", PHONE, "wrong-password"),
            ("202", OFFICE, "wrong-realm"),
            ("203", ATTACKER, "challenge-ignored"),
        ] {
            for about in [account, &v4(number)] {
                let said = guarded.wait_for(cause, 2 * SOON, |guarded| {
                    let causes = guarded.causes(about);
                    (!causes.is_empty()).then(|| causes.into())
                });
                assert_eq!(said[0], cause, "{make:?}: {about}: {said}");
            }
        }
        assert!(guarded.causes("204").is_empty(), "{make:?}: of whom nothing was seen");
    });
}
