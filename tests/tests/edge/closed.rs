//! The end of what the guard has closed.

use std::{thread, time::Duration};

use serde_json::Value;
use sipward_tests::{
    auth_pbx::{PbxKind, password},
    daemon::Daemon,
    length::is_long,
    namespace::Family,
    sip_phone::Transport,
    wait::wait_until,
};

use crate::{
    guarded::{BAD, PATIENCE, fail, guesser, suspended},
    site::{CALLER, Hosts, Site},
};

/// Failures of the account at the guesser's address.
fn failures(site: &Site<'_>, account: u32) -> Option<u64> {
    let shown = site.sipward.json(&format!("account show {account}")).remove(0);
    let sources = shown["sources"].as_array().into_iter().flatten();
    sources.filter(|at| at["source"] == BAD).find_map(|at| at["failures"].as_u64())
}

/// Hashes that the edge has run for passwords when it has refused suspended accounts so often.
fn digest_runs_after(site: &Site<'_>, refusals: u64) -> u64 {
    let mut edge = Value::Null;
    wait_until("the edge has reported its refusals", PATIENCE, || {
        edge = site.reported();
        edge["causes"]["suspended"].as_u64() >= Some(refusals)
    });
    edge["digest_runs"].as_u64().expect("a number")
}

/// The shortest suspension that can be configured lasts a minute, for which only the long form waits.
#[test]
fn a_suspension_holds_for_the_right_password_until_it_ends_and_a_success_begins_a_new_streak() {
    let hosts = Hosts::new();
    let settings = "[guard]\nsuspend = { retries = 6, time = '1m' }\n";
    let Some(site) = Site::start(&hosts, PbxKind::EdgedKamailio, settings) else { return };
    let _daemon = Daemon::start(&site.sipward, &site.config);
    let mut bad = guesser(&hosts, Transport::Udp, 201);
    fail(&mut bad, 6);
    wait_until("the edge has heard of it", PATIENCE, || bad.register(60).statuses() == [403]);
    let runs = digest_runs_after(&site, 1);
    for _ in 0..5 {
        assert_eq!(bad.register(60).statuses(), [403]);
    }
    assert_eq!(digest_runs_after(&site, 6), runs, "a suspended account costs no digest");
    let mut right = hosts.phone(CALLER, Transport::Tcp, Family::V4, 201);
    let refused = right.register(60);
    assert_eq!(refused.statuses(), [403], "{}", right.transcript());
    let answer = refused.final_answer().expect("a final answer");
    assert_eq!(answer.header("Warning"), None, "names without an account get the same: {answer:?}");

    let mut forgetful = guesser(&hosts, Transport::Udp, 202);
    for _ in 0..2 {
        fail(&mut forgetful, 5);
        wait_until("five are counted", PATIENCE, || failures(&site, 202) == Some(5));
        password(202).clone_into(&mut forgetful.settings.credentials.password);
        assert_eq!(forgetful.register(60).statuses(), [401, 200], "{}", forgetful.transcript());
        wait_until("the streak is over", PATIENCE, || failures(&site, 202).unwrap_or_default() == 0);
        "wrong".clone_into(&mut forgetful.settings.credentials.password);
    }
    assert_eq!(suspended(&site), ["201"]);
    if is_long() {
        wait_until("the minute is over", 6 * PATIENCE, || {
            thread::sleep(Duration::from_millis(500));
            right.register(60).statuses() == [401, 200]
        });
        assert_eq!(suspended(&site), [] as [String; 0]);
    }
}

/// A lock can be shorter than a suspension, and the edge ends both in the same way.
#[test]
fn a_lock_ends_by_itself() {
    let hosts = Hosts::new();
    let Some(site) = Site::start(&hosts, PbxKind::EdgedKamailio, "") else { return };
    let _daemon = Daemon::start(&site.sipward, &site.config);
    let mut phone = hosts.phone(CALLER, Transport::Udp, Family::V4, 201);
    assert_eq!(phone.register(60).statuses(), [401, 200], "{}", phone.transcript());
    site.sipward.ok("account lock 201 --for 3s");
    wait_until("the edge has heard of it", PATIENCE, || phone.register(60).statuses() == [403]);
    wait_until("the lock is over", PATIENCE, || phone.register(60).statuses() == [401, 200]);
}
