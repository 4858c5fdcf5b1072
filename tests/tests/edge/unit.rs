//! The edge as its unit runs it: a user of its own, who is root in nothing.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, chown},
};

use sipward_tests::{
    auth_pbx::PbxKind,
    command::{Done, Sipward, binary},
    daemon::Daemon,
    edge::Edge,
    namespace::Family,
    scratch::Scratch,
    sip_phone::Transport,
    unit_file::DAEMON,
    wait::wait_until,
};

use crate::{
    guarded::{PATIENCE, fail, guesser, suspended},
    site::{CALLEE, Hosts, Site},
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
    let mut command = hosts.host(1).command("setpriv");
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

/// Of the codes, systemd starts nothing again after 2.
#[test]
fn an_address_that_is_not_there_yet_is_no_wrong_configuration() {
    let hosts = Hosts::new();
    let sipward = Sipward::new(hosts.host(1));
    let state = Scratch::new(hosts.host(1));
    let _holds = hosts.host(1).udp("10.90.0.1:5066");
    for (listen, inner, code, said) in [
        ("udp:10.90.0.9:5060", "127.0.0.1:5071", 3, "10.90.0.9:5060 over UDP: this host does not have it"),
        ("tcp:10.90.0.1:5060", "10.90.0.1:5066", 3, "10.90.0.1:5066 over UDP: another program has it"),
        ("udp:0.0.0.0:5060", "127.0.0.1:5071", 2, "phones cannot reach 0.0.0.0"),
    ] {
        let section =
            format!("listen = '{listen}'\ninner = '{inner}'\npbx = '127.0.0.1:5070'\nrealm = 'pbx'\n");
        let config = state.file("sipward.toml", &format!("interface = 'eth0'\n[edge]\n{section}"));
        let mut command = sipward.command(&format!("edge --config {config}"));
        let done = Done::of(command.env("SIPWARD_EDGE_STATE_DIR", &state.0));
        assert_eq!(done.code, Some(code), "{done}");
        assert!(done.stderr.contains(said), "{done}");
    }
}
