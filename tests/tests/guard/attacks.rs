//! Other forms of guessing: many accounts in turn, one guess for each of many accounts, many sources.

use std::thread;

use serde_json::Value;
use sipward_tests::{
    auth_pbx::{AuthPbx, PbxKind},
    caller::{Login, Plan, Tally, Way},
    guesser::Guesser,
    namespace::v4,
};

use crate::site::{
    ATTACKER, Guarded, PATIENT, PHONE, SOON, Site, login, next_second, phone_works, plan, sipvicious,
};

/// Nothing of that address reaches the PBX any more.
fn nothing_arrives(auth_pbx: &AuthPbx, guarded: &Guarded<'_>, guesser: &Guesser, address: &str) {
    let (heard, dropped) = (auth_pbx.heard(address), guarded.dropped("ban"));
    assert_eq!(guesser.guess("240"), None);
    assert_eq!(auth_pbx.heard(address), heard);
    assert!(guarded.dropped("ban") > dropped);
}

#[test]
fn a_guess_for_each_of_many_accounts_bans_the_source() {
    for make in [PbxKind::Kamailio, PbxKind::Asterisk] {
        let site = Site::new();
        let Some(auth_pbx) = AuthPbx::start(make, site.pbx()) else { return };
        let guarded = Guarded::start(&site, PATIENT);
        phone_works(&site);
        let (attacker, other) = (v4(ATTACKER), "10.91.0.7".to_owned());
        site.attackers(1);
        let guesser = Guesser::new(site.host(ATTACKER), &attacker);
        next_second();
        // Not one after the other: that is another rule.
        for step in 0..7 {
            let account = 205 + 5 * step;
            assert!(guesser.guess(&account.to_string()).is_some(), "{make:?}: {account}");
        }
        assert_eq!(guarded.ban(&attacker), None, "{make:?}: seven are too few");
        let _ = guesser.guess("222");
        let ban = guarded.wait_for("banned", SOON, |guarded| guarded.ban(&attacker));
        assert!(ban.to_string().contains("spray"), "{ban}");
        nothing_arrives(&auth_pbx, &guarded, &guesser, &attacker);
        assert!(Guesser::new(site.host(ATTACKER), &other).ask("REGISTER", "240").is_some(), "a neighbour");
        phone_works(&site);

        guarded.sipward.ok(&format!("ban del {attacker}"));
        assert!(guesser.guess("240").is_some(), "{make:?}: no longer banned");
    }
}

#[test]
fn accounts_one_after_the_other_ban_the_source() {
    for make in [PbxKind::Kamailio, PbxKind::Asterisk] {
        let site = Site::new();
        let Some(auth_pbx) = AuthPbx::start(make, site.pbx()) else { return };
        let guarded = Guarded::start(&site, PATIENT);
        phone_works(&site);
        let attacker = v4(ATTACKER);
        let guesser = Guesser::new(site.host(ATTACKER), &attacker);
        next_second();
        for account in 210..215 {
            assert!(guesser.guess(&account.to_string()).is_some(), "{make:?}: {account}");
        }
        assert_eq!(guarded.ban(&attacker), None, "{make:?}: five are too few");
        let _ = guesser.guess("215");
        let ban = guarded.wait_for("banned", SOON, |guarded| guarded.ban(&attacker));
        assert!(ban.to_string().contains("sequential"), "{ban}");
        nothing_arrives(&auth_pbx, &guarded, &guesser, &attacker);
        phone_works(&site);
    }
}

#[test]
fn an_account_that_fails_from_many_sources_is_locked_but_for_where_it_works() {
    for make in [PbxKind::Kamailio, PbxKind::Asterisk] {
        let site = Site::new();
        let Some(auth_pbx) = AuthPbx::start(make, site.pbx()) else { return };
        let guarded = Guarded::start(&site, PATIENT);
        phone_works(&site);
        let attackers = site.attackers(50);
        let guessers: Vec<_> =
            attackers.iter().map(|address| Guesser::new(site.host(ATTACKER), address)).collect();
        let (first, rest) = guessers.split_at(12);
        for guesser in first {
            // Those who attack in earnest have time.
            if make == PbxKind::Kamailio {
                next_second();
            }
            guesser.guess("201");
        }
        let lock = guarded.wait_for("locked", SOON, |guarded| {
            let rows = guarded.sipward.json("account list --status locked");
            rows.into_iter().find(|row| row["account"] == "201")
        });
        println!("{make:?}: {lock}");
        assert_eq!((&lock["rule"], &lock["source"]), (&"distributed".into(), &Value::Null));
        let dropped = guarded.dropped("suspended");
        thread::scope(|scope| {
            for guesser in rest {
                scope.spawn(|| assert_eq!(guesser.guess("201"), None, "locked from there"));
            }
        });
        assert_eq!(guarded.dropped("suspended") - dropped, rest.len() as u64);
        for address in &attackers[first.len()..] {
            assert_eq!(auth_pbx.heard(address), 0, "{address}");
        }
        for address in &attackers {
            assert_eq!(guarded.ban(address), None, "a guess or two from each is no ban");
        }
        assert!(guessers[0].guess("202").is_some(), "another account from there");
        phone_works(&site);

        guarded.sipward.ok("account unlock 201");
        assert!(guessers[1].guess("201").is_some(), "unlocked");
    }
}

/// svwar never sends credentials, so its packets cannot be told from forged ones: the daemon raises an alert and
/// bans no source. (Its signature and its rate stop it, see `network/scans.rs`. Here they are off.)
#[test]
fn a_harvest_over_udp_is_told_of_and_bans_nobody() {
    let site = Site::new();
    let auth_pbx = AuthPbx::start(PbxKind::TalkativeKamailio, site.pbx()).expect("Kamailio is everywhere");
    let found = |said: &str| said.contains("| 201");
    for method in ["REGISTER", "INVITE"] {
        let said = sipvicious(&site, "svwar", &["-e", "190-230", "-m", method]);
        assert!(found(&said), "{method}, without a filter: {said}");
    }
    let guarded = Guarded::start(&site, PATIENT);
    phone_works(&site);
    for method in ["REGISTER", "INVITE"] {
        sipvicious(&site, "svwar", &["-e", "190-230", "-m", method]);
    }
    let alert = guarded.wait_for("told of", SOON, |guarded| {
        let told = guarded.sipward.json("audit");
        told.into_iter()
            .find(|told| told["what"] == "alert" && told["target"].to_string().contains(&v4(ATTACKER)))
    });
    println!("{alert}");
    assert_eq!(guarded.ban(&v4(ATTACKER)), None);
    assert!(auth_pbx.heard(&v4(ATTACKER)) > 80);
    phone_works(&site);
}

/// Over TCP, every guess is proven, regardless of other challenges in the same second.
#[test]
fn who_guesses_over_tcp_or_ipv6_is_suspended() {
    let site = Site::new();
    let auth_pbx = AuthPbx::start(PbxKind::Kamailio, site.pbx()).expect("Kamailio is everywhere");
    let guarded = Guarded::start(&site, PATIENT);
    phone_works(&site);
    let right = [login(202)];
    let wrong = [Login { password: "wrong".to_owned(), ..login(201) }];
    for way in [Way::Tcp, Way::UdpV6] {
        let guesses = Plan { way, own_ports: false, ..plan("guess", 9, 3, &wrong) };
        let Tally { successful: refused, .. } = site.caller(ATTACKER).run(&guesses);
        assert!((6..9).contains(&refused), "{way:?}: {refused}\n{}", guarded.state());
        let address = way.address(ATTACKER);
        let closed = guarded.wait_for("suspended", SOON, |guarded| guarded.closed(201, &address));
        assert_eq!((&closed["rule"], &closed["count"]), (&"suspend".into(), &6.into()), "{way:?}");
        let other = Plan { way, own_ports: false, ..plan("login", 1, 1, &right) };
        assert_eq!(site.caller(ATTACKER).run(&other), Tally::all(1), "{way:?}: another account from there");
        phone_works(&site);
    }
    assert_eq!(guarded.sipward.json("ban list"), [""; 0]);
    assert!(auth_pbx.heard(&v4(PHONE)) > 0);
}
