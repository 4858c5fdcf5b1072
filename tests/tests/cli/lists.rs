//! Trust and bans: the output of the commands, and the effect on packets.

use std::time::Duration;

use sipward_tests::{
    command::{Done, Sipward},
    namespace::{Lan, v4, v6},
    scratch::Scratch,
    wait::wait_until,
};

use crate::{host, reachability::Reachability, refused};

#[test]
fn a_ban_drops_its_source_and_nobody_else() {
    let lan = Lan::new(["pbx", "scanner", "customer"]);
    let [pbx, scanner, customer] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let mut hears = Reachability::new(pbx);
    sipward.ok("attach --iface eth0 --enforce");
    for (number, bad, good) in [(1, v4(2), v4(3)), (2, v6(2), v6(3))] {
        assert!(hears.from(scanner, number) && hears.from(customer, number), "before the ban");
        sipward.ok(&format!("ban add {bad} --for 1h"));
        assert!(!hears.from(scanner, number), "{bad} is banned");
        assert!(hears.from(customer, number), "{good} is not");

        sipward.ok("mode monitor");
        assert!(hears.from(scanner, number), "{bad} would be dropped");
        sipward.ok("mode enforce");

        sipward.ok(&format!("trust add {bad}"));
        assert!(hears.from(scanner, number), "{bad} is trusted now");
        refused(&sipward.run(&format!("ban add {bad}")), 1, &[&bad, "trust del"]);
        sipward.ok(&format!("trust del {bad}"));
        assert!(hears.from(scanner, number), "the ban is gone for good");

        sipward.ok(&format!("ban add {bad} --for 1s"));
        wait_until("the ban ends by itself", Duration::from_secs(5), || hears.from(scanner, number));
        assert_eq!(sipward.json("ban list").len(), 0);
    }
}

#[test]
fn lock_down_lets_only_the_trusted_in() {
    let lan = Lan::new(["pbx", "stranger", "provider"]);
    let [pbx, stranger, provider] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let mut hears = Reachability::new(pbx);
    sipward.ok("attach --iface eth0 --enforce");
    refused(&sipward.run("trust only on"), 1, &["no source is trusted", "--force"]);
    sipward.ok(&format!("trust add {} --note provider", v4(3)));
    sipward.ok("trust only on");
    assert!(!hears.from(stranger, 1));
    assert!(hears.from(provider, 1));
    sipward.ok("trust only off");
    assert!(hears.from(stranger, 1));
}

#[test]
fn a_ban_inside_a_trusted_prefix_sleeps() {
    let lan = Lan::new(["pbx", "customer"]);
    let [pbx, customer] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let mut hears = Reachability::new(pbx);
    sipward.ok("attach --iface eth0 --enforce");
    sipward.ok(&format!("ban add {} --for 2h", v4(2)));
    assert!(!hears.from(customer, 1));
    sipward.ok("trust add 10.90.0.0/24 --for 1h --note lab");
    assert!(hears.from(customer, 1));
    let listed = sipward.ok("ban list");
    assert!(listed.contains("no effect"), "{listed}");
    let said = sipward.ok("ban add 10.90.0.77");
    assert!(said.contains("without effect") && said.contains("10.90.0.0/24"), "{said}");
    sipward.ok("trust del 10.90.0.0/24");
    assert!(!hears.from(customer, 1), "the ban is awake again");
    sipward.ok(&format!("ban del {}", v4(2)));
    assert!(hears.from(customer, 1));
    // The same between prefixes.
    sipward.ok("ban add 10.90.0.0/16 --force");
    assert!(!hears.from(customer, 1));
    sipward.ok("trust add 10.90.0.0/24");
    assert!(hears.from(customer, 1));
    sipward.ok("trust del 10.90.0.0/24");
    assert!(!hears.from(customer, 1));
}

#[test]
fn a_ban_is_never_made_shorter_unless_it_is_deleted() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    sipward.ok("attach --iface eth0");
    let left = || sipward.json("ban list")[0]["expires_in"].as_u64();
    for target in ["192.0.2.1", "198.51.100.0/24"] {
        sipward.ok(&format!("ban add {target} --for 2h"));
        let said = sipward.ok(&format!("ban add {target} --for 10s"));
        assert!(said.contains("as it was"), "{said}");
        assert!(left().unwrap() > 7_000);
        sipward.ok(&format!("ban add {target}"));
        assert_eq!(left(), None, "for ever");
        sipward.ok(&format!("ban del {target}"));
        sipward.ok(&format!("ban add {target} --for 10s"));
        assert!(left().unwrap() <= 10);
        sipward.ok(&format!("ban del {target}"));
        refused(&sipward.run(&format!("ban del {target}")), 1, &[target, "not banned"]);
    }
}

#[test]
fn nobody_saws_off_the_branch_they_sit_on() {
    let lan = host();
    let [pbx] = lan.hosts();
    pbx.ip("route add default via 10.90.0.200");
    let sipward = Sipward::new(pbx);
    sipward.ok("attach --iface eth0");
    for (target, why) in [
        ("10.90.0.1", "an address of this host"),
        ("2001:db8:90::1", "an address of this host"),
        ("10.90.0.0/24", "an address of this host"),
        ("10.90.0.200", "the default gateway"),
        ("2.0.0.0/7", "/8"),
        ("2000::/20", "/24"),
    ] {
        refused(&sipward.run(&format!("ban add {target}")), 1, &[why, "--force"]);
    }
    let mut session = sipward.command("ban add 198.51.100.0/24");
    refused(
        &Done::of(session.env("SSH_CONNECTION", "198.51.100.9 50412 10.90.0.1 22")),
        1,
        &["your own SSH session"],
    );
    assert_eq!(sipward.json("ban list").len(), 0);
    sipward.ok("ban add 10.90.0.200 --force");
    assert_eq!(sipward.json("ban list").len(), 1);
}

#[test]
fn notes_say_why() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    sipward.ok("attach --iface eth0");
    for target in ["192.0.2.1", "192.0.2.0/24"] {
        sipward.ok(&format!("ban add {target} --note scans"));
        assert_eq!(sipward.json("ban list")[0]["note"], "scans");
        // Trust is the opposite, and not for that reason.
        sipward.ok(&format!("trust add {target}"));
        assert_eq!(sipward.json("trust list")[0]["note"], serde_json::Value::Null);
        sipward.ok(&format!("trust del {target}"));
    }
}

#[test]
fn an_export_to_a_dash_is_standard_output() {
    let lan = host();
    let [pbx] = lan.hosts();
    let (sipward, scratch) = (Sipward::new(pbx), Scratch::new(pbx));
    sipward.ok("attach --iface eth0");
    sipward.ok("ban add 192.0.2.1");
    let done = Done::of(sipward.command("ban export -").current_dir(&scratch.0));
    assert!(done.stdout.contains("192.0.2.1"), "{done}");
    assert!(!scratch.0.join("-").exists(), "a file of that name");
}
