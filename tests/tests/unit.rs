//! The systemd unit gives sipward what it needs, and nothing that it does not need.

use std::process::Command;

use sipward_tests::{
    command::{Done, Sipward},
    namespace::Lan,
};

const UNIT: &str = include_str!("../../userspace/sipward.service");

/// The values of a key, those of all its lines.
fn values(key: &str) -> Vec<&'static str> {
    let value = |line: &'static str| line.strip_prefix(key)?.strip_prefix('=');
    UNIT.lines().filter_map(value).flat_map(str::split_whitespace).collect()
}

fn capabilities() -> Vec<&'static str> {
    let all = values("CapabilityBoundingSet");
    assert!(!all.is_empty(), "the unit bounds no capabilities");
    all
}

/// A command as the unit would run it: root with these capabilities and no way to more.
fn confined(sipward: &Sipward<'_>, capabilities: &[&str], line: &str) -> Done {
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
    Done::of(&mut command)
}

/// The state of a check of `sipward doctor` and what it found.
fn diagnosis(done: &Done, check: &str) -> (String, String) {
    let findings = done.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line));
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
        let done = confined(&sipward, &capabilities(), line);
        assert_eq!(done.code, Some(0), "{done}");
    }
    assert!(!sipward.pins().exists(), "{} is still there", sipward.pins().display());
}

#[test]
fn none_of_its_capabilities_can_be_left_out() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let all = capabilities();
    let whole = confined(&sipward, &all, "doctor --json");
    assert_eq!(diagnosis(&whole, "capabilities").0, "ok", "{whole}");
    for missing in &all {
        let others: Vec<_> = all.iter().copied().filter(|capability| capability != missing).collect();
        let done = confined(&sipward, &others, "attach --iface eth0");
        assert_eq!(done.code, Some(3), "without {missing}\n{done}");
        assert!(!sipward.pins().exists(), "without {missing}, {} was left behind", sipward.pins().display());
        let (state, found) = diagnosis(&confined(&sipward, &others, "doctor --json"), "capabilities");
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
        assert!(values(key).contains(&value), "{key}={value}");
    }
}
