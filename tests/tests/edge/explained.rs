//! Refusals of the edge, where an operator looks for them: `explain`, `events`, `status` and `doctor`.

use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

use serde_json::Value;
use sipward_tests::{
    auth_pbx::{PbxKind, password},
    daemon::Daemon,
    namespace::Family,
    sip_phone::{Edit, OnChallenge, Phone, Settings, Transport},
    tcp::connect,
    wait::wait_until,
};

use crate::site::{CALLER, Hosts, Site};

const PATIENCE: Duration = Duration::from_secs(20);
const ADDRESS: &str = "10.90.0.2";

/// The line of a cause and an account in the explanation of that account or of an address, once it is there.
fn diagnosed(site: &Site<'_>, about: &str, account: Option<&str>, cause: &str) -> Value {
    let is_it = |line: &Value| line["cause"] == cause && line["account"].as_str() == account;
    let mut found = None;
    wait_until(&format!("{cause} is in the explanation of {about}"), PATIENCE, || {
        let explained = site.sipward.json(&format!("explain {about}")).remove(0);
        let lines = explained["diagnoses"].as_array().expect("diagnoses").clone();
        found = lines.into_iter().find(is_it);
        found.is_some()
    });
    found.expect("it was waited for")
}

fn causes(site: &Site<'_>, about: &str) -> Vec<String> {
    let explained = site.sipward.json(&format!("explain {about}")).remove(0);
    let lines = explained["diagnoses"].as_array().expect("diagnoses").clone();
    lines.iter().map(|line| line["cause"].as_str().expect("a name").to_owned()).collect()
}

fn phone(hosts: &Hosts, account: u32, change: impl FnOnce(&mut Settings)) -> Phone {
    hosts.phone_with(CALLER, Transport::Udp, Family::V4, account, change)
}

#[test]
fn a_challenge_that_is_ignored_a_loop_another_realm_and_old_nonces_are_explained_with_a_remedy() {
    let hosts = Hosts::new();
    let Some(site) = Site::start(&hosts, PbxKind::EdgedAsterisk, "") else { return };
    let _daemon = Daemon::start(&site.sipward, &site.config);
    let mut silent = phone(&hosts, 201, |settings| settings.on_challenge = OnChallenge::Ignore);
    assert_eq!(silent.register(60).statuses(), [401]);
    let mut looping = phone(&hosts, 202, |settings| {
        settings.on_challenge = OnChallenge::Repeat(5);
        settings.credentials.claims.response = Some("0".repeat(32));
    });
    assert_eq!(looping.register(60).statuses(), [401; 5], "{}", looping.transcript());
    let elsewhere =
        |settings: &mut Settings| settings.credentials.claims.realm = Some("elsewhere".to_owned());
    assert_eq!(phone(&hosts, 203, elsewhere).register(60).statuses(), [401, 401]);
    let mut old = phone(&hosts, 204, |settings| {
        settings.on_challenge = OnChallenge::Repeat(4);
        settings.credentials.claims.nonce = Some("of-another-server".to_owned());
    });
    assert_eq!(old.register(60).statuses(), [401; 4], "{}", old.transcript());
    for (account, cause, says) in [
        ("201", "challenge-ignored", "Give the phone a password"),
        ("202", "auth-loop", "restart the phone"),
        ("203", "wrong-realm", "Leave the phone's realm empty"),
        ("204", "stale-nonces", "NAT"),
    ] {
        for about in [account, ADDRESS] {
            let line = diagnosed(&site, about, Some(account), cause);
            assert_eq!(line["source"], ADDRESS, "{line}");
            assert!(line["remedy"].as_str().expect("a remedy").contains(says), "{line}");
        }
    }
    // The edge and the observer do not both say it.
    let wrong_password = diagnosed(&site, "202", Some("202"), "wrong-password");
    assert!(wrong_password["count"].as_u64() >= Some(4), "{wrong_password}");
    assert_eq!(wrong_password["proven"], true, "{wrong_password}");
    for (account, cause) in [("202", "wrong-password"), ("203", "wrong-realm"), ("204", "stale-nonces")] {
        let all = causes(&site, account);
        assert_eq!(all.iter().filter(|other| *other == cause).count(), 1, "{all:?}");
    }
    // A stale nonce is no failure, and one that a phone gets over is no problem.
    assert!(site.sipward.json("account list").is_empty());
}

#[test]
fn whoever_is_refused_by_the_status_of_the_account_is_explained_until_it_works() {
    let hosts = Hosts::new();
    let Some(site) = Site::start(&hosts, PbxKind::EdgedAsterisk, "") else { return };
    let _daemon = Daemon::start(&site.sipward, &site.config);
    let line = |account: u32, status: &str| format!("{account} {}{status}\n", password(account));
    let all = [
        line(201, ""),
        line(202, " status=locked"),
        line(203, " status=disabled"),
        line(204, " expires=2020-01-31"),
        line(205, " from=192.0.2.0/24"),
    ];
    site.state.file("accounts.txt", &all.concat());
    let mut locked = phone(&hosts, 202, |_| {});
    wait_until("the edge has the accounts", PATIENCE, || locked.register(60).statuses() == [401, 403]);
    let expected = [(202, "locked"), (203, "disabled"), (204, "expired"), (205, "address-not-allowed")];
    for (account, cause) in expected {
        assert_eq!(phone(&hosts, account, |_| {}).register(60).statuses(), [401, 403], "{cause}");
        let line = diagnosed(&site, &account.to_string(), Some(&account.to_string()), cause);
        assert_eq!((&line["status"], &line["proven"]), (&403.into(), &true.into()), "{line}");
        assert!(line["remedy"].as_str().expect("a remedy").contains("`sipward account "), "{line}");
        let text = site.sipward.ok(&format!("explain {account}"));
        assert!(text.contains(&format!("account {account} at {ADDRESS}: {cause}")), "{text}");
        assert!(text.contains("last with 403"), "{text}");
    }
    // On a slow machine, requests come again, which may have a cause of its own.
    let at_address = causes(&site, ADDRESS);
    for (_, cause) in expected {
        assert_eq!(at_address.iter().filter(|at| *at == cause).count(), 1, "{cause}: {at_address:?}");
    }
    let events = site.sipward.json("events");
    for (account, cause) in expected {
        let account = account.to_string();
        let is_it = |event: &&Value| event["refused"] == cause && event["account"] == account;
        let event = events.iter().find(is_it).unwrap_or_else(|| panic!("no event of {cause}: {events:?}"));
        assert_eq!((&event["source"], &event["status"]), (&ADDRESS.into(), &403.into()), "{event}");
    }
    let text = site.sipward.ok("events");
    assert!(text.contains("refused: disabled, with 403, account 203"), "{text}");
    // One phone speaks for another account, and one sends a message that can be read in two ways.
    let mut other = phone(&hosts, 201, |settings| "209".clone_into(&mut settings.account));
    assert_eq!(other.register(60).statuses(), [401, 403], "{}", other.transcript());
    assert_eq!(diagnosed(&site, "201", Some("201"), "other-account")["proven"], true);
    let double = Edit::new(|draft| draft.add("To", "<sip:209@pbx>"));
    assert_eq!(phone(&hosts, 201, |_| {}).register_with(60, double).statuses(), [400]);
    diagnosed(&site, ADDRESS, None, "unclear");
    // Once it works, nothing has to be explained.
    assert_eq!(phone(&hosts, 201, |_| {}).register(60).statuses(), [401, 200]);
    wait_until("what is over is gone", PATIENCE, || causes(&site, "201").is_empty());
    site.sipward.ok("account lock 201");
    let mut shut_out = phone(&hosts, 201, |_| {});
    wait_until("the edge has heard of the lock", PATIENCE, || shut_out.register(60).statuses() == [403]);
    assert_eq!(diagnosed(&site, "201", Some("201"), "locked-by-guard")["status"], 403);
}

#[test]
fn status_and_doctor_say_how_the_edge_fares_and_that_it_is_silent() {
    let hosts = Hosts::new();
    let Some(mut site) = Site::start(&hosts, PbxKind::EdgedAsterisk, "") else { return };
    site.edge = None;
    let _daemon = Daemon::start(&site.sipward, &site.config);
    let doctor = |site: &Site<'_>| {
        let done = site.sipward.run(&format!("doctor --config {} --json", site.config));
        let findings =
            done.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("a finding"));
        findings.into_iter().find(|finding| finding["check"] == "edge").expect("a check of the edge")
    };
    assert_eq!(site.reported()["reported"], Value::Null);
    assert!(site.sipward.ok("status").contains("edge: no report since the daemon started"));
    let found = doctor(&site);
    assert_eq!(found["state"], "bad", "{found}");
    assert!(found["advice"].as_str().expect("advice").contains("systemctl status sipward-edge"), "{found}");

    site.start_edge();
    assert_eq!(phone(&hosts, 201, |_| {}).register(60).statuses(), [401, 200]);
    let wrong = |settings: &mut Settings| "wrong".clone_into(&mut settings.credentials.password);
    assert_eq!(phone(&hosts, 202, wrong).register(60).statuses(), [401, 401]);
    wait_until("both are counted", PATIENCE, || {
        let edge = site.reported();
        let causes = serde_json::json!({ "challenged": 2, "wrong-password": 1 });
        (&edge["served"], &edge["causes"], &edge["evidence_dropped"]) == (&1.into(), &causes, &0.into())
    });
    let text = site.sipward.ok("status");
    assert!(text.contains("; 1 served, 1 refused, "), "{text}");
    assert!(text.contains("edge, by cause: wrong-password 1, challenged 2"), "{text}");
    assert_eq!(doctor(&site)["state"], "ok");

    assert!(text.contains(" digests; evidence: 0 waiting, 0 dropped"), "{text}");

    site.edge = None;
    wait_until("it is missed", PATIENCE, || site.sipward.ok("status").contains("the edge is silent"));
    let found = doctor(&site);
    assert_eq!(found["state"], "bad", "{found}");
    assert!(found["found"].as_str().expect("words").contains("has reported nothing for"), "{found}");
}

#[test]
fn breaks_20_http_on_the_port_for_tcp_is_closed_counted_and_explained() {
    let hosts = Hosts::new();
    let Some(site) = Site::start(&hosts, PbxKind::EdgedAsterisk, "") else { return };
    let _daemon = Daemon::start(&site.sipward, &site.config);
    let [from, to] =
        [format!("{ADDRESS}:0"), "10.90.0.1:5060".to_owned()].map(|at| at.parse().expect("an address"));
    let mut stream = hosts.host(CALLER).enter(|| connect(from, to, PATIENCE)).expect("a connection");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: pbx\r\n\r\n").expect("an open connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout that is not zero");
    assert_eq!(stream.read(&mut [0; 16]).expect("an end"), 0);
    let line = diagnosed(&site, ADDRESS, None, "not-sip");
    assert_eq!((&line["proven"], &line["status"]), (&true.into(), &Value::Null), "{line}");
    wait_until("it is counted", PATIENCE, || site.reported()["causes"]["not-sip"] == 1);
}
