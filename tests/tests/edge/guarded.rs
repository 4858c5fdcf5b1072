//! The edge and the guard: failures suspend, and whoever is suspended is told so without any digest work.

use std::{io::Write as _, time::Duration};

use sipward_tests::{
    auth_pbx::PbxKind,
    daemon::Daemon,
    namespace::Family,
    sip_phone::{Edit, Phone, Transport},
    tcp::connect,
    wait::wait_until,
};

use crate::site::{CALLEE, CALLER, Hosts, Site};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The guesser's address.
pub(crate) const BAD: &str = "10.90.0.2";

pub(crate) fn guesser(hosts: &Hosts, transport: Transport, account: u32) -> Phone {
    hosts.phone_with(CALLER, transport, Family::V4, account, |settings| {
        "wrong".clone_into(&mut settings.credentials.password);
    })
}

pub(crate) fn fail(guesser: &mut Phone, times: usize) {
    for _ in 0..times {
        assert_eq!(guesser.register(60).statuses(), [401, 401], "{}", guesser.transcript());
    }
}

/// The accounts that are suspended at the guesser's address.
pub(crate) fn suspended(site: &Site<'_>) -> Vec<String> {
    let items = site.sipward.json("account list");
    let is_there = |item: &&serde_json::Value| item["source"] == BAD && item["status"] == "suspended";
    items.iter().filter(is_there).map(|item| item["account"].as_str().expect("a name").to_owned()).collect()
}

fn standing(site: &Site<'_>, address: &str) -> String {
    let explained = site.sipward.json(&format!("explain {address}")).remove(0);
    explained["standing"].as_str().expect("a word").to_owned()
}

#[test]
fn six_failures_suspend_at_the_edge_and_the_accounts_own_phone_goes_on() {
    let hosts = Hosts::new();
    let Some(site) = Site::start(&hosts, PbxKind::EdgedAsterisk, "") else { return };
    let _daemon = Daemon::start(&site.sipward, &site.config);
    let mut own = hosts.phone(CALLEE, Transport::Udp, Family::V4, 201);
    assert_eq!(own.register(120).statuses(), [401, 200]);
    wait_until("the phone is known", PATIENCE, || standing(&site, "10.90.0.3") == "known");
    // 299 has no account, and nobody who guesses can tell. A third suspension would ban the source.
    for (account, transport) in [(201, Transport::Udp), (299, Transport::Tcp)] {
        let mut guesser = guesser(&hosts, transport, account);
        let name = account.to_string();
        fail(&mut guesser, 5);
        wait_until("five are counted", PATIENCE, || {
            let shown = site.sipward.json(&format!("account show {account}")).remove(0);
            shown["sources"].as_array().is_some_and(|sources| sources.iter().any(|at| at["failures"] == 5))
        });
        assert!(!suspended(&site).contains(&name), "the sixth suspends, and none counts twice");
        fail(&mut guesser, 1);
        wait_until("it is suspended", PATIENCE, || suspended(&site).contains(&name));
        wait_until("the edge has heard of it", PATIENCE, || guesser.register(60).statuses() == [403]);
        let message = guesser.request("MESSAGE", "sip:600@10.90.0.1", Edit::none());
        assert_eq!(message.statuses(), [403], "{}", guesser.transcript());
    }
    assert_eq!(own.register(120).status(), Some(200), "{}", own.transcript());
    let mut neighbour = hosts.phone(CALLER, Transport::Udp, Family::V4, 202);
    assert_eq!(neighbour.register(60).statuses(), [401, 200], "another account at that address");
    site.sipward.ok("account unlock 201");
    let mut right = hosts.phone(CALLER, Transport::Udp, Family::V4, 201);
    wait_until("it is let in", PATIENCE, || right.register(60).status() == Some(200));
}

#[test]
fn without_the_daemon_phones_go_on_and_evidence_is_handed_in_later() {
    let hosts = Hosts::new();
    let Some(site) = Site::start(&hosts, PbxKind::EdgedAsterisk, "") else { return };
    let daemon = Daemon::start(&site.sipward, &site.config);
    let mut own = hosts.phone(CALLEE, Transport::Udp, Family::V4, 202);
    assert_eq!(own.register(120).statuses(), [401, 200]);
    drop(daemon);
    assert_eq!(own.register(120).status(), Some(200), "{}", own.transcript());
    let mut guesser = guesser(&hosts, Transport::Udp, 201);
    fail(&mut guesser, 6);
    assert_eq!(guesser.register(60).statuses(), [401, 401], "nobody has judged that yet");
    let daemon = Daemon::start(&site.sipward, &site.config);
    wait_until("it is suspended", PATIENCE, || suspended(&site).contains(&"201".to_owned()));
    wait_until("the edge has heard of it", PATIENCE, || guesser.register(60).statuses() == [403]);
    drop(daemon);
    assert_eq!(guesser.register(60).statuses(), [403], "what was in force stays so");
    assert_eq!(own.register(120).status(), Some(200), "{}", own.transcript());
}

#[test]
fn failures_of_one_address_leave_room_for_others_while_the_daemon_is_away() {
    let hosts = Hosts::new();
    let Some(site) = Site::start(&hosts, PbxKind::EdgedAsterisk, "") else { return };
    // Each is a challenge and a failure, and 1,024 of these may wait. Then equal challenges take each other's place.
    fail(&mut guesser(&hosts, Transport::Udp, 201), 600);
    let mut own = hosts.phone(CALLEE, Transport::Udp, Family::V4, 202);
    assert_eq!(own.register(120).statuses(), [401, 200]);
    let _daemon = Daemon::start(&site.sipward, &site.config);
    wait_until("the phone is known", PATIENCE, || standing(&site, "10.90.0.3") == "known");
    wait_until("it is suspended", PATIENCE, || suspended(&site).contains(&"201".to_owned()));
    wait_until("it is said how many found no place", PATIENCE, || {
        let edge = &site.sipward.json("status")[0]["edge"];
        edge["evidence_dropped"].as_u64().is_some_and(|dropped| (80..=180).contains(&dropped))
    });
}

#[test]
fn accounts_change_at_once_and_the_phone_is_told_why_one_is_refused() {
    let hosts = Hosts::new();
    let Some(site) = Site::start(&hosts, PbxKind::EdgedAsterisk, "") else { return };
    let mut phone = hosts.phone(CALLER, Transport::Udp, Family::V4, 201);
    let mut wait_for = |what: &str, statuses: &[u16]| {
        wait_until(what, PATIENCE, || phone.register(60).statuses() == statuses);
    };
    wait_for("it is in the file", &[401, 200]);
    site.state.file("accounts.txt", "202 secret-202\n");
    wait_for("it is no longer in the file", &[401, 401]);
    let done = site.sipward.typed("account add 201", "secret-201\n");
    assert_eq!(done.code, Some(0), "{done}");
    wait_for("it is in the database", &[401, 200]);
    site.sipward.ok("account set 201 --status disabled");
    wait_for("it is disabled", &[401, 403]);
    let outcome = phone.register(60);
    let warning = outcome.final_answer().and_then(|answer| answer.header("Warning").map(str::to_owned));
    assert!(warning.is_some_and(|text| text.contains("disabled")), "{}", phone.transcript());
}

/// Clients open connections in advance, keep them open, and lose them.
#[test]
fn breaks_21_a_silent_connection_is_no_attack() {
    const CONNECTIONS: usize = 100;
    let hosts = Hosts::new();
    let Some(site) = Site::start(&hosts, PbxKind::EdgedKamailio, "") else { return };
    let _daemon = Daemon::start(&site.sipward, &site.config);
    let [from, to] = ["10.90.0.2:0", "10.90.0.1:5060"].map(|address| address.parse().expect("an address"));
    let silent = hosts
        .host(CALLER)
        .enter(|| [(); CONNECTIONS].map(|()| connect(from, to, PATIENCE).expect("a connection")));
    for mut stream in silent.iter().step_by(2) {
        stream.write_all(b"\r\n\r\n").expect("a connection");
    }
    let mut phone = hosts.phone(CALLER, Transport::Tcp, Family::V4, 201);
    assert_eq!(phone.register(60).statuses(), [401, 200], "{}", phone.transcript());
    drop(silent);
    // The evidence about the phone is there, so that about the connections would be, too.
    wait_until("the phone is known", PATIENCE, || standing(&site, BAD) == "known");
    assert_eq!(phone.register(60).statuses(), [401, 200], "{}", phone.transcript());
    assert_eq!((site.sipward.json("ban list"), site.sipward.json("account list")), (Vec::new(), Vec::new()));
}
