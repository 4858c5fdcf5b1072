//! From the PBX's refusals to suspensions in the filter, which survive a restart.

use std::{fs, time::Duration};

use serde_json::Value;
use sipward_kernel::{Pins, Tables};
use sipward_tests::{command::Sipward, daemon::Daemon, scratch::Scratch, wait::wait_until};

use crate::{
    registrar::{Phone, Registrar},
    site::{PBX, Site, Wire, config},
};

const PATIENCE: Duration = Duration::from_secs(20);
/// Hosts of the attacker.
const BAD: u32 = 10;
const NEIGHBOUR: u32 = 11;
/// The phone, on a wire of its own.
const PHONE: u32 = 2;

/// A site whose daemon guards it.
struct Guarded<'a> {
    site: &'a Site,
    sipward: Sipward<'a>,
    registrar: Registrar,
    config: String,
    scratch: Scratch,
}

impl<'a> Guarded<'a> {
    fn new(site: &'a Site, guard: &str) -> Self {
        let sipward = Sipward::new(&site.pbx);
        let scratch = Scratch::new(&site.pbx);
        let limits = config("'eth0', 'eth1'") + "[known_rate]\nregister = 'off'\n";
        let config = scratch.file("sipward.toml", &format!("{limits}[guard]\n{guard}"));
        Self { site, sipward, registrar: Registrar::start(&site.pbx), config, scratch }
    }

    fn daemon(&self) -> Daemon {
        let daemon = Daemon::start(&self.sipward, &self.config);
        // The daemon does not know which challenges left before it started: for some seconds nothing proves an address.
        let (wire, phone) = (Wire::Phone, &self.site.phone);
        let phone = Phone::new(phone, &wire.v4(PHONE), &wire.v4(PBX));
        wait_until("somebody can prove their address", PATIENCE, || {
            assert_eq!(phone.register("203", true), Some(200));
            let guard = &self.sipward.json("status")[0]["guard"];
            guard["evidence"].as_u64() > guard["unproven"].as_u64()
        });
        daemon
    }

    fn phone(&self, host: u32) -> Phone {
        let wire = Wire::Attacker;
        Phone::new(&self.site.attacker, &wire.v4(host), &wire.v4(PBX))
    }

    fn standing_of_neighbour(&self) -> String {
        let explained = self.sipward.json("explain 10.91.0.11").remove(0);
        explained["standing"].as_str().expect("a word").to_owned()
    }

    /// Account and source of all that is suspended, and until when.
    fn suspended(&self) -> Vec<(String, String, u64)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let items = self.sipward.json("account list");
        let line = |item: &Value| {
            (text(&item["account"]), text(&item["source"]), item["until"].as_u64().unwrap_or(u64::MAX))
        };
        items.iter().map(line).collect()
    }

    fn is_suspended(&self, account: &str, host: u32) -> bool {
        let source = Wire::Attacker.v4(host);
        self.suspended().iter().any(|(name, from, _)| *name == account && *from == source)
    }

    fn dropped(&self, reason: &str) -> u64 {
        let status = self.sipward.json("status").remove(0);
        let rows = status["reasons"].as_array().expect("a list");
        let row = rows.iter().find(|row| row["reason"] == reason).expect("a reason");
        row["packets"].as_u64().expect("a number")
    }

    /// Asserts that the filter drops the account's requests from that host, and that none reaches the PBX.
    fn assert_dropped(&self, phone: &Phone, account: &str, host: u32, reason: &str) {
        let source = Wire::Attacker.v4(host);
        let (heard, dropped) = (self.registrar.heard(account, &source), self.dropped(reason));
        phone.knock(account);
        wait_until("the packet drops", PATIENCE, || self.dropped(reason) > dropped);
        assert_eq!(self.registrar.heard(account, &source), heard);
    }
}

/// Six real failures.
fn fail(phone: &Phone, account: &str) {
    for _again in 0..6 {
        assert_eq!(phone.register(account, false), Some(401));
    }
}

fn site() -> Site {
    Site::new(&[BAD, NEIGHBOUR], &[PHONE])
}

#[test]
fn six_failures_suspend_an_account_at_that_source_and_nothing_else() {
    let site = site();
    let guarded = Guarded::new(&site, "suspend = { retries = 6, time = '1h' }\n");
    let daemon = guarded.daemon();
    let (bad, neighbour) = (guarded.phone(BAD), guarded.phone(NEIGHBOUR));
    for _again in 0..5 {
        assert_eq!(bad.register("201", false), Some(401));
    }
    // A success clears what was counted.
    assert_eq!(bad.register("201", true), Some(200));
    for _again in 0..5 {
        assert_eq!(bad.register("201", false), Some(401));
    }
    assert_eq!(bad.register("201", true), Some(200));
    assert_eq!(guarded.suspended(), []);
    fail(&bad, "201");
    wait_until("it is suspended", PATIENCE, || guarded.is_suspended("201", BAD));
    guarded.assert_dropped(&bad, "201", BAD, "suspended");
    assert_eq!(bad.register("202", true), Some(200), "another account");
    assert_eq!(neighbour.register("201", true), Some(200), "another source");

    let before = guarded.suspended();
    assert_eq!(before.len(), 1, "{before:?}");
    daemon.kill();
    let dropped = guarded.registrar.heard("201", &Wire::Attacker.v4(BAD));
    bad.knock("201");
    assert_eq!(neighbour.register("201", true), Some(200), "without a daemon");
    assert_eq!(guarded.registrar.heard("201", &Wire::Attacker.v4(BAD)), dropped, "without a daemon");
    let daemon = guarded.daemon();
    let after = guarded.suspended();
    assert_eq!((&after[0].0, &after[0].1), (&before[0].0, &before[0].1));
    assert!(after[0].2.abs_diff(before[0].2) <= 1, "{before:?} {after:?}");
    guarded.assert_dropped(&bad, "201", BAD, "suspended");

    assert_eq!(guarded.sipward.json("account unlock 201").len(), 1);
    assert_eq!(guarded.suspended(), []);
    assert_eq!(bad.register("201", false), Some(401), "it takes six again");
    assert_eq!(bad.register("201", true), Some(200));
    daemon.terminate();
    let trail = guarded.sipward.json("audit --limit 50");
    let by_guard = trail.iter().find(|line| line["who"] == "guard").expect("the guard's line");
    assert_eq!(
        (by_guard["what"].as_str(), by_guard["target"].as_str()),
        (Some("suspended"), Some("201 from 10.91.0.10"))
    );
}

#[test]
fn a_lock_holds_everywhere_and_ends_by_itself() {
    let site = site();
    let guarded = Guarded::new(&site, "");
    let _daemon = guarded.daemon();
    let neighbour = guarded.phone(NEIGHBOUR);
    assert_eq!(neighbour.register("201", true), Some(200));
    guarded.sipward.ok("account lock 201 --for 10s");
    guarded.assert_dropped(&neighbour, "201", NEIGHBOUR, "suspended");
    assert_eq!(neighbour.register("202", true), Some(200));
    wait_until("the lock ends", PATIENCE, || guarded.suspended().is_empty());
    // The filter's clock may be some milliseconds behind, and lost requests are not repeated.
    wait_until("it works again", PATIENCE, || neighbour.register("201", true) == Some(200));
}

#[test]
fn who_tries_many_accounts_is_banned_and_a_pardon_is_final() {
    let site = site();
    let guarded = Guarded::new(&site, "many_accounts = { count = 4, within = '10m', lasts = '1h' }\n");
    let _daemon = guarded.daemon();
    let (bad, neighbour) = (guarded.phone(BAD), guarded.phone(NEIGHBOUR));
    for account in ["alice", "bob", "carol", "dave"] {
        bad.register(account, false);
        bad.register(account, false);
    }
    let list = || guarded.sipward.json("ban list");
    wait_until("it is banned", PATIENCE, || !list().is_empty());
    let [banned] = &list()[..] else { panic!("{:?}", list()) };
    assert_eq!((banned["source"].as_str(), banned["origin"].as_str()), (Some("10.91.0.10"), Some("guard")));
    let evidence = banned["evidence"].as_str().expect("evidence");
    assert!(evidence.starts_with("many-accounts: "), "{evidence}");
    guarded.assert_dropped(&bad, "erin", BAD, "ban");
    assert_eq!(neighbour.register("alice", true), Some(200));

    guarded.sipward.ok("ban del 10.91.0.10");
    for account in ["frank", "grace"] {
        assert_eq!(bad.register(account, false), Some(401));
    }
    assert_eq!(bad.register("frank", true), Some(200));
    assert_eq!(list(), [Value::Null; 0], "old evidence counts no more");
}

#[test]
fn who_is_trusted_may_fail_as_often_as_they_like() {
    let site = site();
    let guarded = Guarded::new(&site, "");
    let _daemon = guarded.daemon();
    let (bad, neighbour) = (guarded.phone(BAD), guarded.phone(NEIGHBOUR));
    fail(&bad, "201");
    wait_until("it is suspended", PATIENCE, || guarded.is_suspended("201", BAD));
    guarded.sipward.ok("trust add 10.91.0.10");
    assert_eq!(guarded.suspended(), [], "trust pardons");
    for account in ["201", "201", "202", "203", "204"] {
        fail(&bad, account);
    }
    // The daemon has seen a later packet, and therefore all earlier ones.
    fail(&neighbour, "201");
    wait_until("the neighbour is suspended", PATIENCE, || guarded.is_suspended("201", NEIGHBOUR));
    assert_eq!(guarded.suspended().len(), 1);
    assert_eq!(bad.register("201", true), Some(200));
    assert_eq!(guarded.sipward.json("ban list"), [Value::Null; 0]);
}

#[test]
fn a_suspension_may_be_left_to_the_pbx() {
    let site = site();
    let guarded = Guarded::new(&site, "suspended = 'pass'\n");
    let daemon = guarded.daemon();
    let bad = guarded.phone(BAD);
    fail(&bad, "201");
    wait_until("it is suspended", PATIENCE, || guarded.is_suspended("201", BAD));
    assert_eq!(bad.register("201", false), Some(401), "the PBX answers");
    daemon.kill();
    let _daemon = guarded.daemon();
    assert!(guarded.is_suspended("201", BAD));
    assert_eq!(bad.register("201", false), Some(401));
    guarded.scratch.file("sipward.toml", &config("'eth0', 'eth1'"));
    guarded.sipward.ok("reload");
    guarded.assert_dropped(&bad, "201", BAD, "suspended");
}

#[test]
fn a_command_needs_no_daemon_and_nothing_is_handed_over_without_one() {
    let site = site();
    let guarded = Guarded::new(&site, "");
    let daemon = guarded.daemon();
    let (bad, neighbour) = (guarded.phone(BAD), guarded.phone(NEIGHBOUR));
    fail(&bad, "201");
    wait_until("it is suspended", PATIENCE, || guarded.is_suspended("201", BAD));
    for _guess in 0..5 {
        assert_eq!(bad.register("204", false), Some(401));
    }
    wait_until("five are counted", PATIENCE, || {
        guarded.sipward.json("account show 204")[0]["sources"][0]["failures"] == 5
    });
    let tables = Tables::open(&Pins::at(guarded.sipward.pins())).expect("the filter");
    assert!(tables.tapping().expect("the switch").is_some());
    daemon.terminate();
    assert_eq!(tables.tapping().expect("the switch"), None);

    assert!(guarded.is_suspended("201", BAD));
    let shown = guarded.sipward.json("account show 201").remove(0);
    assert_eq!((&shown["status"], &shown["diagnoses"]), (&Value::from("suspended"), &Value::Null));
    guarded.sipward.ok("account lock 202");
    guarded.assert_dropped(&neighbour, "202", NEIGHBOUR, "suspended");
    assert_eq!(guarded.sipward.run("account unlock 203").code, Some(1));
    for account in ["201", "202"] {
        guarded.sipward.ok(&format!("account unlock {account}"));
    }
    assert_eq!(guarded.suspended(), []);
    assert_eq!(bad.register("201", true), Some(200));
    assert_eq!(neighbour.register("202", true), Some(200));
    // After a restart, the unlocked account counts from zero, and the failures of other accounts still count.
    let _daemon = guarded.daemon();
    assert_eq!(guarded.suspended(), []);
    for account in ["201", "204"] {
        assert_eq!(bad.register(account, false), Some(401));
    }
    wait_until("the sixth suspends", PATIENCE, || guarded.is_suspended("204", BAD));
    assert_eq!(guarded.suspended().len(), 1, "201 has five more");
}

#[test]
fn an_interface_that_comes_again_is_watched_again() {
    let site = site();
    let guarded = Guarded::new(&site, "");
    let daemon = guarded.daemon();
    let bad = guarded.phone(BAD);
    let watched = || daemon.log().matches("eth0: the observer reads the answers of the PBX").count();
    assert_eq!(watched(), 1);
    site.pbx.ip("link del eth0");
    site.wire(Wire::Attacker, "eth0", &site.attacker, &[BAD, NEIGHBOUR]);
    wait_until("it is watched again", PATIENCE, || watched() == 2);
    fail(&bad, "201");
    wait_until("it is suspended", PATIENCE, || guarded.is_suspended("201", BAD));
    guarded.assert_dropped(&bad, "201", BAD, "suspended");
}

#[test]
fn who_is_known_is_so_again_when_a_ban_ends() {
    let site = site();
    let guarded = Guarded::new(&site, "");
    let _daemon = guarded.daemon();
    let standing = || guarded.standing_of_neighbour();
    assert_eq!(guarded.phone(NEIGHBOUR).register("201", true), Some(200));
    wait_until("it is known", PATIENCE, || standing() == "known");
    for lists in
        [&["ban add", "ban del"][..], &["ban add", "trust add", "trust del"], &["trust add", "trust del"]]
    {
        for deed in lists {
            guarded.sipward.ok(&format!("{deed} 10.91.0.11"));
            let expected = match *deed {
                "ban add" => "banned",
                "trust add" => "trusted",
                _ => "known",
            };
            assert_eq!(standing(), expected, "{lists:?} {deed}");
        }
    }
    guarded.sipward.ok("ban add 10.91.0.11 --for 2s");
    assert_eq!(standing(), "banned");
    wait_until("the ban ends", PATIENCE, || standing() == "known");
    guarded.sipward.ok("ban add 10.91.0.8/29");
    assert_eq!(standing(), "banned");
    guarded.sipward.ok("ban del 10.91.0.8/29");
    assert_eq!(standing(), "known");
}

#[test]
fn who_is_known_is_so_again_when_the_configuration_lets_them_go() {
    let site = site();
    let guarded = Guarded::new(&site, "");
    let daemon = guarded.daemon();
    let standing = || guarded.standing_of_neighbour();
    assert_eq!(guarded.phone(NEIGHBOUR).register("201", true), Some(200));
    wait_until("it is known", PATIENCE, || standing() == "known");
    let text = fs::read_to_string(&guarded.config).expect("the configuration");
    let lists = |line: &str| fs::write(&guarded.config, format!("{line}\n{text}")).expect("it is written");
    for (line, expected) in [
        ("trusted = ['10.91.0.11']", "trusted"),
        ("", "known"),
        ("banned = ['10.91.0.11']", "banned"),
        ("", "known"),
        ("banned = ['10.91.0.8/29']", "banned"),
        ("trusted = ['10.91.0.8/29']", "trusted"),
        ("", "known"),
    ] {
        lists(line);
        guarded.sipward.ok("reload");
        assert_eq!(standing(), expected, "{line}");
    }
    // While no daemon runs, the next one takes what the configuration says.
    daemon.terminate();
    lists("banned = ['10.91.0.11']");
    let daemon = Daemon::start(&guarded.sipward, &guarded.config);
    assert_eq!(standing(), "banned");
    daemon.terminate();
    lists("");
    let _daemon = Daemon::start(&guarded.sipward, &guarded.config);
    assert_eq!(standing(), "known");
}

#[test]
fn what_is_decided_is_told_among_the_events() {
    let site = site();
    let guarded = Guarded::new(&site, "");
    let _daemon = guarded.daemon();
    let bad = guarded.phone(BAD);
    fail(&bad, "201");
    wait_until("it is suspended", PATIENCE, || guarded.is_suspended("201", BAD));
    guarded.assert_dropped(&bad, "201", BAD, "suspended");
    guarded.sipward.ok("account unlock 201");
    let mut events = Vec::new();
    let drops = |events: &[Value]| events.iter().filter(|event| event["reason"] == "suspended").count();
    // The filter counts a drop before it reports it.
    wait_until("the drop is told, too", PATIENCE, || {
        events = guarded.sipward.json("events");
        drops(&events) > 0
    });
    assert_eq!(drops(&events), 1, "{events:?}");
    let decided: Vec<_> = events.iter().filter_map(|event| event["decision"].as_str()).collect();
    assert_eq!(decided, ["suspended", "lifted"]);
    let suspended = &events[events.iter().position(|event| event["decision"] == "suspended").expect("one")];
    assert_eq!(
        (&suspended["account"], &suspended["source"]),
        (&Value::from("201"), &Value::from("10.91.0.10"))
    );
    assert_eq!((&suspended["rule"], &suspended["count"]), (&Value::from("suspend"), &Value::from(6)));
}
