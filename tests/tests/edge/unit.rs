//! The edge as its unit runs it: a user of its own, who is root in nothing.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, chown},
};

use sipward_tests::{
    auth_pbx::PbxKind,
    command::binary,
    daemon::Daemon,
    edge::Edge,
    sip_phone::Transport,
    unit_file::DAEMON,
    wait::wait_until,
};

use crate::{
    guarded::{PATIENCE, fail, guesser, suspended},
    site::{CALLEE, Family, Hosts, Site},
};

/// The user and the group nobody, in the place of the edge's.
const NOBODY: u32 = 65_534;

/// The edge without a capability, and without a way to one.
fn start_confined(hosts: &Hosts, site: &Site<'_>) -> Edge {
    let own = site.state.0.join("own");
    fs::create_dir(&own).unwrap();
    chown(&own, Some(NOBODY), Some(NOBODY)).unwrap();
    // The build may lie where only its owner can go.
    let copy = site.state.0.join("sipward");
    fs::copy(binary(), &copy).unwrap();
    let mut command = hosts.pbx().command("setpriv");
    command
        .args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}")])
        .args(["--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"])
        .arg(copy)
        .args(["edge", "--config", &site.config])
        .env("SIPWARD_STATE_DIR", site.sipward.state())
        .env("SIPWARD_RUNTIME_DIR", site.sipward.runtime())
        .env("SIPWARD_EDGE_STATE_DIR", own);
    Edge::start_by(command, &site.state)
}

#[test]
fn a_user_without_any_right_reads_accounts_serves_phones_and_feeds_the_guard() {
    let hosts = Hosts::new();
    let Some(mut site) = Site::start(&hosts, PbxKind::EdgedAsterisk, "[roles]\nfeed = 'nobody'\n") else {
        return;
    };
    site.edge = None;
    // 201 is in the database alone.
    site.state.file("accounts.txt", "202 secret-202\n");
    let done = site.sipward.typed("account add 201", "secret-201\n");
    assert_eq!(done.code, Some(0), "{done}");
    let _daemon = Daemon::start(&site.sipward, &site.config);
    // As systemd does for the daemon, and the command for the edge's group, which this host need not have.
    let state = site.sipward.state();
    let mode = u32::from_str_radix(DAEMON.values("StateDirectoryMode")[0], 8).unwrap();
    fs::set_permissions(&state, Permissions::from_mode(mode)).unwrap();
    chown(state.join("accounts.db"), None, Some(NOBODY)).unwrap();
    site.edge = Some(start_confined(&hosts, &site));

    for account in [201, 202] {
        let mut phone = hosts.phone(CALLEE, Transport::Udp, Family::V4, account);
        assert_eq!(phone.register(120).statuses(), [401, 200], "{account}: {}", phone.transcript());
    }
    let mut guesser = guesser(&hosts, Transport::Udp, 201);
    fail(&mut guesser, 6);
    wait_until("it is suspended", PATIENCE, || suspended(&site).contains(&"201".to_owned()));
    wait_until("the edge has heard of it", PATIENCE, || guesser.register(60).statuses() == [403]);
}
