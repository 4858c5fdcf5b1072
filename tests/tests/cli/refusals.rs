//! Refused commands: the error is one sentence, and the command has changed nothing.

use std::{fs, process::Command};

use sipward_tests::{
    command::{Done, Sipward, binary},
    scratch::Scratch,
};

use crate::{host, nothing_is_left, program, refused};

#[test]
fn a_missing_interface_is_answered_with_those_there_are() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    refused(&sipward.run("attach --iface eth7"), 2, &["no interface eth7", "eth0"]);
    refused(&sipward.run("attach --iface eth0 --iface eth7"), 2, &["no interface eth7"]);
    refused(&sipward.run("attach"), 2, &["--iface"]);
    assert_eq!(program(pbx, "eth0"), None);
    nothing_is_left(&sipward);
}

#[test]
fn an_interface_without_ethernet_headers_is_refused() {
    let lan = host();
    let [pbx] = lan.hosts();
    pbx.ip("tuntap add dev tunnel mode tun");
    let sipward = Sipward::new(pbx);
    refused(&sipward.run("attach --iface tunnel"), 2, &["tunnel have no Ethernet header", "arrive on"]);
    assert_eq!(program(pbx, "tunnel"), None);
    nothing_is_left(&sipward);
}

#[test]
fn without_privileges_it_is_said_which_are_needed() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    // The build may lie where only its owner can go.
    let copy = std::env::temp_dir().join(format!("{}-sipward", pbx.name()));
    fs::copy(binary(), &copy).unwrap();
    let as_nobody = |line: &str| {
        let mut command = pbx.command("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&copy);
        Done::of(command.args(line.split_whitespace()).env("SIPWARD_PIN_DIR", sipward.pins()))
    };
    refused(&as_nobody("attach --iface eth0"), 3, &["root", "CAP_BPF"]);
    nothing_is_left(&sipward);
    sipward.ok("attach --iface eth0 --enforce");
    for line in ["status", "attach --iface eth0", "detach", "ban add 192.0.2.1", "mode monitor", "events"] {
        refused(&as_nobody(line), 3, &["root"]);
    }
    fs::remove_file(copy).unwrap();
    assert_eq!(sipward.json("status")[0]["mode"], "enforce");
}

#[test]
fn another_xdp_program_is_named_with_the_command_that_removes_it() {
    let lan = host();
    let [pbx] = lan.hosts();
    // The foreign program on the interface is another sipward, which is as foreign as any.
    let other = Sipward::new(pbx);
    let sipward = Sipward::new(pbx);
    other.ok("attach --iface eth0");
    let id = program(pbx, "eth0").unwrap();
    refused(
        &sipward.run("attach --iface eth0"),
        3,
        &["another XDP program", &format!("id {id}"), "bpftool link detach id"],
    );
    nothing_is_left(&sipward);
    assert_eq!(program(pbx, "eth0"), Some(id), "the other program was touched");
    other.ok("detach");

    // The same in the old way, without a link: a program that is pinned where it is attached to a bridge.
    pbx.ip("link add br0 type bridge");
    other.ok("attach --iface br0");
    let pinned = other.pins().read_dir().unwrap().next().unwrap().unwrap().path().join("program");
    for (mode, off) in [("xdpdrv", "xdp off"), ("xdpgeneric", "xdpgeneric off")] {
        pbx.run(&format!("ip link set dev eth0 {mode} pinned {}", pinned.display()));
        let command = format!("ip link set dev eth0 {off}");
        refused(&sipward.run("attach --iface eth0"), 3, &["another XDP program", &format!("`{command}`")]);
        nothing_is_left(&sipward);
        pbx.run(&command);
        sipward.ok("attach --iface eth0");
        sipward.ok("detach");
    }
}

#[test]
fn without_bpffs_the_mount_command_is_given() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let mut hidden = Command::new("unshare");
    let inside = sipward.command("attach --iface eth0");
    hidden.args([
        "--mount",
        "sh",
        "-c",
        "while umount --recursive /sys/fs/bpf 2>/dev/null; do :; done; exec \"$@\"",
        "sh",
    ]);
    hidden.arg(inside.get_program()).args(inside.get_args()).env("SIPWARD_PIN_DIR", sipward.pins());
    refused(&Done::of(&mut hidden), 3, &["mount -t bpf bpf /sys/fs/bpf"]);
    assert_eq!(program(pbx, "eth0"), None);
    nothing_is_left(&sipward);
}

#[test]
fn a_wrong_file_changes_nothing() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let directory = Scratch::new(pbx);
    let signatures = directory.file("signatures.toml", "[[signature]]\nname = \"a\"\nwhere = 7\n");
    let config = directory.file("sipward.toml", "interface = \"eth0\"\nsignatures = \"signatures.toml\"\n");
    let typo = directory.file("typo.toml", "interfaec = \"eth0\"\n");

    refused(&sipward.run(&format!("attach --config {config}")), 2, &["signatures.toml:"]);
    refused(&sipward.run(&format!("attach --config {typo}")), 2, &["typo.toml:1", "interfaec"]);
    refused(&sipward.run("attach --config /nowhere/sipward.toml"), 2, &["/nowhere/sipward.toml"]);
    refused(&sipward.run(&format!("check {typo}")), 2, &["typo.toml:1", "interfaec"]);
    assert_eq!(program(pbx, "eth0"), None);
    nothing_is_left(&sipward);

    sipward.ok("attach --iface eth0 --monitor");
    let before = sipward.json("status");
    refused(&sipward.run(&format!("signature load {signatures}")), 2, &["signatures.toml:"]);
    refused(&sipward.run(&format!("attach --iface eth0 --config {config}")), 2, &["signatures.toml:"]);
    let after = sipward.json("status");
    for part in ["mode", "ports", "interfaces"] {
        assert_eq!(before[0][part], after[0][part]);
    }
    let names = |status: &[serde_json::Value]| status[0]["signatures"].as_array().unwrap().len();
    assert_eq!(names(&before), names(&after));
}

#[test]
fn maps_of_another_build_are_not_taken_over() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    sipward.ok("attach --iface eth0 --enforce");
    let id = program(pbx, "eth0");
    // As if this one had counted in another way.
    let maps = sipward.pins().read_dir().unwrap().next().unwrap().unwrap().path().join("maps");
    fs::remove_file(maps.join("COUNTERS")).unwrap();
    fs::hard_link(maps.join("EVENT_SLOTS"), maps.join("COUNTERS")).unwrap();
    for line in ["attach --iface eth0", "status", "ban add 192.0.2.1"] {
        refused(&sipward.run(line), 3, &["COUNTERS", "another layout", "sipward detach"]);
    }
    assert_eq!(program(pbx, "eth0"), id, "the filter that runs was touched");
    sipward.ok("detach");
    nothing_is_left(&sipward);
}
