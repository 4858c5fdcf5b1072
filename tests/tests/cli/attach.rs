//! Attaching and detaching.

use std::{process::Stdio, thread, time::Instant};

use sipward_tests::command::Sipward;

use crate::{host, nothing_is_left, program, refused};

#[test]
fn a_filter_that_is_detached_leaves_nothing() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    refused(&sipward.run("status"), 1, &["not attached to any interface"]);
    assert_eq!(sipward.json("attach --iface eth0")[0]["xdp"], "native");
    assert!(program(pbx, "eth0").is_some());
    assert_eq!(sipward.json("status")[0]["interfaces"][0]["interface"], "eth0");
    sipward.ok("detach");
    assert_eq!(program(pbx, "eth0"), None);
    nothing_is_left(&sipward);
    refused(&sipward.run("detach"), 1, &["not attached to any interface"]);
    assert_eq!(sipward.json("audit")[0]["what"], "detach", "who did it is asked when it is done");
}

#[test]
fn attaching_again_keeps_the_program_and_the_lists() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    sipward.ok("attach --iface eth0 --monitor");
    sipward.ok("ban add 192.0.2.1 --for 2h");
    sipward.ok("trust add 198.51.100.0/24");
    let before = program(pbx, "eth0").unwrap();
    sipward.ok("attach --iface eth0");
    assert_eq!(program(pbx, "eth0").unwrap(), before, "it is the same build's");
    assert_eq!(sipward.json("status")[0]["mode"], "monitor", "without being told the mode stays");
    assert_eq!(sipward.json("ban list")[0]["source"], "192.0.2.1");
    assert_eq!(sipward.json("trust list")[0]["source"], "198.51.100.0/24");
    sipward.ok("attach --iface eth0 --enforce");
    assert_eq!(sipward.json("status")[0]["mode"], "enforce");
    refused(
        &sipward.run("attach --iface eth0 --xdp generic"),
        1,
        &["already attached to eth0, in native mode"],
    );
}

#[test]
fn each_interface_is_attached_and_detached_by_itself() {
    let lan = host();
    let [pbx] = lan.hosts();
    // No driver of a bridge runs XDP, and a name with a dot is no name in bpffs.
    pbx.ip("link add br.7 type bridge");
    let sipward = Sipward::new(pbx);
    refused(&sipward.run("attach --iface eth0 --iface br.7 --xdp native"), 3, &["br.7", "native"]);
    assert_eq!(program(pbx, "eth0"), None, "one failed, so neither is attached");
    nothing_is_left(&sipward);

    sipward.ok("attach --iface eth0");
    assert_eq!(sipward.json("attach --iface br.7")[0]["xdp"], "generic");
    let shown = sipward.ok("status");
    assert!(shown.contains("br.7: generic\neth0: native\n"), "{shown}");
    refused(&sipward.run("detach --iface eth7"), 1, &["not attached to eth7"]);
    sipward.ok("detach --iface eth0");
    assert_eq!(program(pbx, "eth0"), None);
    assert!(program(pbx, "br.7").is_some());
    sipward.ok("detach --iface br.7");
    nothing_is_left(&sipward);
}

#[test]
fn an_interface_that_went_away_can_come_back() {
    let lan = host();
    let [pbx] = lan.hosts();
    pbx.ip("link add br0 type bridge");
    let sipward = Sipward::new(pbx);
    sipward.ok("attach --iface eth0 --iface br0");
    pbx.ip("link del br0");
    assert_eq!(sipward.json("status")[0]["interfaces"][0]["xdp"], serde_json::Value::Null);
    pbx.ip("link add br0 type bridge");
    sipward.ok("attach --iface br0");
    assert_eq!(sipward.json("status")[0]["interfaces"][0]["xdp"], "generic");
    pbx.ip("link del br0");
    sipward.ok("detach");
    nothing_is_left(&sipward);
}

#[test]
fn an_attach_that_is_killed_leaves_a_filter_or_nothing() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let start = Instant::now();
    sipward.ok("attach --iface eth0");
    sipward.ok("detach");
    let whole = start.elapsed();
    for part in 1..12 {
        let mut attach = sipward.command("attach --iface eth0").stdout(Stdio::null()).spawn().unwrap();
        thread::sleep(whole * part / 12);
        attach.kill().unwrap();
        attach.wait().unwrap();
        match sipward.run("status --json").code {
            // Between its maps and the interface: it then reports that nothing is protected.
            Some(0) => {
                let interfaces = sipward.json("status")[0]["interfaces"].clone();
                let protected = interfaces.as_array().is_some_and(|all| !all.is_empty());
                assert_eq!(protected, program(pbx, "eth0").is_some(), "after {part}/12: {interfaces}");
            }
            code => assert_eq!(code, Some(1), "after {part}/12"),
        }
        // The next one works in any case, and leaves nothing after `detach`.
        sipward.ok("attach --iface eth0");
        sipward.ok("detach");
        assert_eq!(program(pbx, "eth0"), None, "after {part}/12");
        nothing_is_left(&sipward);
    }
}

#[test]
fn commands_at_the_same_time_wait_for_each_other() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let attaches: Vec<_> = (0..4)
        .map(|_| sipward.command("attach --iface eth0").stdout(Stdio::null()).spawn().unwrap())
        .collect();
    for mut attach in attaches {
        assert_eq!(attach.wait().unwrap().code(), Some(0));
    }
    let bans: Vec<_> = (0..20)
        .map(|last| {
            sipward.command(&format!("ban add 192.0.2.{last}")).stdout(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut ban in bans {
        assert_eq!(ban.wait().unwrap().code(), Some(0));
    }
    assert_eq!(sipward.json("ban list").len(), 20);
}
