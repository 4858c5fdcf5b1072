//! Locks by hand, without a daemon: the output of the commands, and the effect on packets.

use serde_json::{Value, json};
use sipward_tests::{
    command::Sipward,
    message::clean,
    namespace::{Lan, v4},
};

use crate::{host, reachability::Reachability, refused};

#[test]
fn a_locked_account_drops_from_anywhere_and_no_other_does() {
    let lan = Lan::new(["pbx", "phone", "other"]);
    let [pbx, phone, other] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let mut hears = Reachability::new(pbx);
    sipward.ok("attach --iface eth0 --enforce");
    // The requests are of account 201.
    assert!(hears.from(phone, 1) && hears.from(other, 2));
    assert_eq!(sipward.ok("account lock 202"), "202: locked, forever\n");
    assert!(hears.from(phone, 1), "another account");
    assert_eq!(sipward.ok("account lock 201 --for 30m --note stolen"), "201: locked, 30m\n");
    assert!(!hears.from(phone, 1) && !hears.from(other, 2));
    hears.say(phone, 1, &clean("REGISTER"));
    assert!(sipward.ok("events").contains("suspended"));
    assert_eq!(sipward.ok("account unlock 201"), "201: no longer locked\n");
    assert!(hears.from(phone, 1) && hears.from(other, 2));
}

#[test]
fn what_is_locked_is_listed_by_what_is_asked_for() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    sipward.ok("attach --iface eth0");
    assert_eq!(sipward.ok("account list"), "No suspensions or locks.\n");
    sipward.ok("account lock 201 --for 30m");
    sipward.ok("account lock alice");
    let listed = sipward.json("account list");
    let accounts: Vec<_> = listed.iter().map(|closed| &closed["account"]).collect();
    assert_eq!(accounts.len(), 2, "{listed:?}");
    for (options, expected) in [
        ("--name AL", vec!["alice"]),
        ("--name 20", vec!["201"]),
        ("--name 9", vec![]),
        ("--status suspended", vec![]),
        ("--status locked --name 201", vec!["201"]),
        ("--within 0.0.0.0/1", vec![]),
    ] {
        let listed = sipward.json(&format!("account list {options}"));
        let accounts: Vec<_> = listed.iter().filter_map(|closed| closed["account"].as_str()).collect();
        assert_eq!(accounts, expected, "{options}");
    }
    let locked = &sipward.json("account list --name 201")[0];
    let expected =
        json!({ "flow": null, "status": "locked", "source": null, "strict": true, "rule": "hand" });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&locked[field], value, "{field} of {locked}");
    }
    assert!((1_790..=1_800).contains(&locked["expires_in"].as_u64().unwrap()), "{locked}");
    let text = sipward.ok("account list");
    assert!(text.starts_with("account  status  from      time left  why\n"), "{text}");
    assert!(
        text.lines().any(|line| line.starts_with("alice    locked  anywhere    forever  hand: ")),
        "{text}"
    );
}

#[test]
fn an_account_is_shown_and_explained_alike() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    sipward.ok("attach --iface eth0");
    sipward.ok("account lock 201 --note ticket-4711");
    let shown = sipward.ok("account show 201");
    for said in [
        "account 201: locked",
        "`sipward account unlock 201`",
        "without the daemon",
        "ticket-4711",
        "anywhere",
    ] {
        assert!(shown.contains(said), "{said} is missing in\n{shown}");
    }
    assert_eq!(sipward.ok("explain 201"), shown);
    let unknown = sipward.ok("explain 999");
    assert!(unknown.starts_with("account 999: neither suspended nor locked\n"), "{unknown}");
    let item = &sipward.json("account show 201")[0];
    assert_eq!((&item["status"], &item["diagnoses"]), (&"locked".into(), &Value::Null), "{item}");
    assert_eq!(item["history"][0]["what"], "locked", "{item}");
    assert_eq!(sipward.json("audit --account 201").len(), 1);
    assert_eq!(sipward.json("audit --account 20").len(), 0);
}

#[test]
fn what_is_an_address_is_explained_as_one() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    sipward.ok("attach --iface eth0");
    let said = sipward.ok(&format!("explain {}", v4(2)));
    assert!(said.starts_with(&format!("{}: a stranger", v4(2))), "{said}");
    assert!(said.contains("OPTIONS drop: the source is a stranger"), "{said}");
    sipward.ok(&format!("trust add {}", v4(2)));
    let said = sipward.ok(&format!("explain {}", v4(2)));
    assert!(said.contains("OPTIONS pass: the source is trusted"), "{said}");
    refused_usage(&sipward, "explain 192.0.2.0/24", "`sipward ban list --within 192.0.2.0/24`");
}

/// The command line itself is wrong.
fn refused_usage(sipward: &Sipward<'_>, line: &str, said: &str) {
    let done = sipward.run(line);
    assert_eq!(done.code, Some(2), "{done}");
    assert!(done.stderr.contains(said), "{done}");
}

#[test]
fn what_cannot_be_done_is_said_with_what_can() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    refused(&sipward.run("account list"), 1, &["sipward attach"]);
    sipward.ok("attach --iface eth0");
    refused(&sipward.run("account unlock 201"), 1, &["201", "neither locked nor suspended", "account list"]);
    refused(
        &sipward.run("account unlock 201 --from 192.0.2.1"),
        1,
        &["201", "not suspended at 192.0.2.1", "account list"],
    );
    refused_usage(&sipward, "account lock 201 --for soon", "90s");
}

#[test]
fn rules_say_what_was_dropped_without_a_daemon_too() {
    let lan = Lan::new(["pbx", "scanner"]);
    let [pbx, scanner] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let mut hears = Reachability::new(pbx);
    sipward.ok("attach --iface eth0 --enforce");
    assert_eq!(sipward.ok("rules"), "No rule has dropped anything yet.\n");
    sipward.ok(&format!("ban add {}", v4(2)));
    assert!(!hears.from(scanner, 1));
    sipward.ok("mode monitor");
    assert!(hears.from(scanner, 1));
    let expected = json!({
        "rule": "ban", "action": "monitor", "dropped": 1, "would_drop": 1,
        "sources": 0, "authenticated": 0, "estimated": false, "flagged": false,
    });
    assert_eq!(sipward.json("rules"), [expected]);
}
