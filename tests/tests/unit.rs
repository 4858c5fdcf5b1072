//! The systemd units give sipward the rights that it needs and no others.

use std::{os::unix::net::UnixStream, process::Command};

use sipward::account_store::EDGE_GROUP;
use sipward_tests::{
    command::{Done, Sipward},
    namespace::Lan,
    scratch::Scratch,
    tool::Running,
    unit_file::{DAEMON, EDGE},
};

fn capabilities() -> Vec<&'static str> {
    let all = DAEMON.values("CapabilityBoundingSet");
    assert!(!all.is_empty(), "the unit bounds no capabilities");
    all
}

/// A command as the unit would run it: root with these capabilities and no way to more.
fn confined(sipward: &Sipward<'_>, capabilities: &[&str], line: &str) -> Command {
    let plain = sipward.command(line);
    // `nsenter --net=… sipward …`: to enter the namespace takes more than sipward may do.
    let mut words = plain.get_args();
    let mut command = Command::new(plain.get_program());
    command.arg(words.next().expect("the namespace"));
    let set = |capability: &&str| format!(",+{}", capability.trim_start_matches("CAP_").to_lowercase());
    let set = format!("-all{}", capabilities.iter().map(set).collect::<String>());
    command.args([
        "setpriv",
        "--no-new-privs",
        "--inh-caps=-all",
        "--ambient-caps=-all",
        "--bounding-set",
        &set,
    ]);
    command.args(words);
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// Runs one.
fn done(sipward: &Sipward<'_>, capabilities: &[&str], line: &str) -> Done {
    Done::of(&mut confined(sipward, capabilities, line))
}

/// The state of a check of `sipward doctor` and what it found.
fn diagnosis(done: &Done, check: &str) -> (String, String) {
    let findings = done.stdout.lines().map(serde_json::from_str::<serde_json::Value>);
    let finding = findings.map(|finding| finding.unwrap_or_else(|error| panic!("{error}: {done}")));
    let finding = finding.into_iter().find(|finding| finding["check"] == check);
    let finding = finding.unwrap_or_else(|| panic!("{check} was not checked\n{done}"));
    let text = |key: &str| finding[key].as_str().expect("a text").to_owned();
    (text("state"), text("found"))
}

#[test]
fn its_capabilities_suffice_for_every_command() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    for line in [
        "attach --iface eth0 --monitor",
        "attach --iface eth0",
        "status",
        "trust add 192.0.2.1 --for 1h",
        "ban add 198.51.100.7",
        "ban add 2001:db8:bad::/48",
        "ban list",
        "signature load",
        "mode enforce",
        "ban del 198.51.100.7",
        "detach",
    ] {
        let done = done(&sipward, &capabilities(), line);
        assert_eq!(done.code, Some(0), "{done}");
    }
    assert!(!sipward.pins().exists(), "{} is still there", sipward.pins().display());
}

#[test]
fn its_capabilities_suffice_for_the_daemon() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let directory = Scratch::new(pbx);
    let config = directory.file("sipward.toml", "interface = \"eth0\"\n");
    let all = capabilities();
    // The second takes over what the first left in force.
    for start in ["first", "second"] {
        let mut command = confined(&sipward, &all, &format!("run --config {config}"));
        let mut daemon = Running::start(&mut command, &directory.0.join(start));
        let socket = sipward.runtime().join("control.sock");
        daemon.wait_until("the daemon listens", || UnixStream::connect(&socket).is_ok());
        let doctor = done(&sipward, &all, &format!("doctor --json --config {config}"));
        for check in ["daemon", "filter", "eth0-xdp", "store", "capabilities"] {
            assert_eq!(
                diagnosis(&doctor, check).0,
                "ok",
                "{check}, {start} start\n{doctor}\n{}",
                daemon.log()
            );
        }
        let log = daemon.log();
        assert!(log.contains("eth0: the observer reads the answers of the PBX"), "{start} start\n{log}");
        for line in ["ban add 198.51.100.7", "trust add 192.0.2.1 --for 1h", "reload", "status"] {
            let done = done(&sipward, &all, line);
            assert_eq!(done.code, Some(0), "{start} start\n{done}\n{}", daemon.log());
        }
    }
    assert_eq!(sipward.json("ban list").len(), 1);
    sipward.ok("detach");
}

#[test]
fn none_of_its_capabilities_can_be_left_out() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let all = capabilities();
    let whole = done(&sipward, &all, "doctor --json");
    assert_eq!(diagnosis(&whole, "capabilities").0, "ok", "{whole}");
    for missing in &all {
        let others: Vec<_> = all.iter().copied().filter(|capability| capability != missing).collect();
        let attach = done(&sipward, &others, "attach --iface eth0");
        assert_eq!(attach.code, Some(3), "without {missing}\n{attach}");
        assert!(attach.stderr.contains(&format!("this process is without {missing})")), "{attach}");
        assert!(!sipward.pins().exists(), "without {missing}, {} was left behind", sipward.pins().display());
        let (state, found) = diagnosis(&done(&sipward, &others, "doctor --json"), "capabilities");
        assert_eq!((state.as_str(), found), ("bad", format!("without {missing}")));
    }
}

#[test]
fn it_is_in_force_before_the_network_is_up() {
    for (key, value) in [
        ("Before", "network-pre.target"),
        ("Wants", "network-pre.target"),
        // Without these two it would begin after much of the system is up.
        ("DefaultDependencies", "no"),
        ("Before", "shutdown.target"),
        ("WantedBy", "multi-user.target"),
    ] {
        assert!(DAEMON.values(key).contains(&value), "{key}={value}");
    }
}

#[test]
fn what_it_shuts_off_leaves_room_for_the_filter() {
    assert!(DAEMON.values("ReadWritePaths").contains(&"/sys/fs/bpf"));
    assert!(DAEMON.values("SystemCallFilter").contains(&"bpf"));
    // To ask what kind of interface one is takes an IPv4 socket, to hear of interfaces a netlink one.
    for family in ["AF_UNIX", "AF_NETLINK", "AF_INET"] {
        assert!(DAEMON.values("RestrictAddressFamilies").contains(&family), "{family}");
    }
    // systemd 252 makes /sys/fs/bpf read-only with the first, and hides with the others what the daemon reads in /proc.
    for key in ["ProtectKernelTunables", "ProtectProc", "ProcSubset"] {
        assert_eq!(DAEMON.values(key), [""; 0], "{key}");
    }
}

#[test]
fn the_edge_has_a_user_of_its_own_and_no_right_of_root() {
    assert_eq!(EDGE.values("User"), ["sipward-edge"]);
    assert_eq!(EDGE.values("Group"), [EDGE_GROUP]);
    for key in ["CapabilityBoundingSet", "AmbientCapabilities"] {
        assert!(EDGE.has(key) && EDGE.values(key).is_empty(), "{key}");
    }
    assert_eq!(EDGE.values("NoNewPrivileges"), ["yes"]);
    assert_eq!(EDGE.values("RestrictAddressFamilies"), ["AF_INET", "AF_INET6", "AF_UNIX"]);
    assert!(!EDGE.values("SystemCallFilter").contains(&"bpf"));
    // The group could not read accounts.db with a user that is made at each start.
    assert!(!EDGE.has("DynamicUser"));
}

#[test]
fn the_edge_reaches_its_accounts_and_starts_again_whatever_ends_it_but_a_wrong_configuration() {
    // To reach accounts.db in it takes the right to go through, and no more.
    assert_eq!(DAEMON.values("StateDirectoryMode"), ["0711"]);
    assert_eq!(EDGE.values("StateDirectory"), ["sipward-edge"]);
    for (key, value) in [
        ("Type", "notify"),
        ("Restart", "always"),
        ("RestartPreventExitStatus", "2"),
        ("After", "sipward.service"),
        ("WantedBy", "multi-user.target"),
    ] {
        assert!(EDGE.values(key).contains(&value), "{key}={value}");
    }
    // It goes on without the daemon.
    for key in ["Requires", "BindsTo", "PartOf"] {
        assert!(!EDGE.has(key), "{key}");
    }
}
