//! `sipward doctor` on healthy hosts and on others.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use serde_json::Value;
use sipward_tests::{
    command::{Done, Sipward, binary},
    namespace::{Lan, v4},
    scratch::Scratch,
};

const CONFIG: &str = "interface = \"eth0\"\n[ports]\nudp = [5060]\n";

/// The findings of a run, by check.
struct Diagnosis {
    done: Done,
    findings: Vec<Value>,
}

impl Diagnosis {
    fn of(done: Done) -> Self {
        let finding = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {done}"));
        let findings: Vec<Value> = done.stdout.lines().map(finding).collect();
        let bad = findings.iter().any(|finding| finding["state"] == "bad");
        assert_eq!(done.code, Some(i32::from(bad)), "{done}");
        Self { done, findings }
    }

    /// Asserts that a finding of the check has this state, and this text in its description or its remedy.
    #[track_caller]
    fn says(&self, check: &str, state: &str, said: &str) {
        let is_it = |finding: &&Value| {
            finding["check"] == check && finding["state"] == state && finding.to_string().contains(said)
        };
        let found = self.findings.iter().find(is_it);
        assert!(found.is_some(), "{check} is not {state} with {said:?}\n{}", self.done);
    }
}

fn doctor(sipward: &Sipward<'_>, config: &str) -> Diagnosis {
    Diagnosis::of(sipward.run(&format!("doctor --json --config {config}")))
}

#[test]
fn a_host_is_looked_at_before_and_after_the_filter_is_attached() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let directory = Scratch::new(pbx);
    let config = directory.file("sipward.toml", CONFIG);

    let before = doctor(&sipward, &config);
    before.says("kernel", "ok", "BPF ring buffers");
    before.says("capabilities", "ok", "CAP_PERFMON");
    before.says("bpffs", "ok", "writable");
    before.says("config", "ok", "is OK");
    before.says("filter", "warn", "this kernel accepts the filter");
    before.says("daemon", "warn", "systemctl start sipward");
    before.says("eth0", "ok", "veth");
    before.says("eth0-xdp", "ok", "the filter can be attached");
    before.says("sip-sockets", "warn", "nothing listens on UDP 5060");
    assert!(!sipward.pins().exists(), "to look left something behind");
    assert!(!sipward.state().exists(), "to look made a store");

    sipward.ok(&format!("attach --config {config}"));
    let after = doctor(&sipward, &config);
    after.says("filter", "ok", "enforces");
    after.says("eth0-xdp", "ok", "native");
    sipward.ok("mode monitor");
    doctor(&sipward, &config).says("filter", "warn", "sipward mode enforce");

    // The human output has the same lines, with the remedies below.
    let shown = sipward.ok(&format!("doctor --config {config}"));
    assert!(shown.contains("ok    eth0-xdp "), "{shown}");
    assert!(shown.contains("→ `sipward mode enforce`"), "{shown}");
}

#[test]
fn interfaces_that_cannot_be_protected_well_are_told() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    pbx.ip("link add br0 type bridge");
    pbx.ip("tuntap add dev tunnel mode tun");
    let sipward = Sipward::new(pbx);
    let directory = Scratch::new(pbx);
    let config = directory.file("sipward.toml", "interface = [\"eth0\", \"br0\", \"tunnel\", \"eth7\"]\n");
    // As foreign as any other program.
    let other = Sipward::new(pbx);
    other.ok("attach --iface eth0");
    sipward.ok("attach --iface br0");
    let found = doctor(&sipward, &config);
    found.says("eth0", "bad", "bpftool link detach id");
    found.says("br0", "warn", "ip link set dev br0 up");
    found.says("br0-xdp", "warn", "the filter runs in the network stack (generic)");
    found.says("br0-xdp", "warn", "it is a bridge");
    found.says("tunnel", "bad", "no Ethernet header");
    found.says("eth7", "bad", "br0, eth0, tunnel");

    other.ok("detach");
    doctor(&sipward, &config).says("eth0-xdp", "bad", "sipward attach --iface eth0");
}

#[test]
fn a_sip_server_that_cannot_keep_up_is_told() {
    let lan = Lan::new(["pbx", "other"]);
    let [pbx, other] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let directory = Scratch::new(pbx);
    let config = directory.file("sipward.toml", CONFIG);
    let server = pbx.udp("0.0.0.0:5060");
    doctor(&sipward, &config).says("sip-sockets", "ok", "nothing lost");
    let client = other.udp("0.0.0.0:0");
    // More than any buffer that Linux comes with holds of a server that does not read.
    for _ in 0..4_096 {
        client.send_to(&[0; 1_000], format!("{}:5060", v4(1))).unwrap();
    }
    doctor(&sipward, &config).says("sip-sockets", "warn", "the socket on UDP 5060 has lost");
    drop(server);
}

#[test]
fn files_that_are_not_roots_alone_are_told() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let directory = Scratch::new(pbx);
    let config = directory.file("sipward.toml", CONFIG);
    fs::set_permissions(&config, fs::Permissions::from_mode(0o664)).unwrap();
    doctor(&sipward, &config).says("config-owner", "bad", &format!("chmod go-w {config}"));

    sipward.ok(&format!("attach --config {config}"));
    sipward.ok("ban add 192.0.2.1");
    let store = sipward.state().join("sipward.db");
    doctor(&sipward, &config).says("store", "ok", "MiB free");
    fs::set_permissions(&store, fs::Permissions::from_mode(0o644)).unwrap();
    doctor(&sipward, &config).says("store-owner", "warn", "chmod go=");
    let size = fs::metadata(&store).unwrap().len();
    fs::write(&store, vec![b'x'; usize::try_from(size).unwrap()]).unwrap();
    let _ = fs::remove_file(sipward.state().join("sipward.db-wal"));
    doctor(&sipward, &config).says("store", "bad", "damaged");
}

#[test]
fn a_wrong_configuration_and_a_missing_one_are_told() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let directory = Scratch::new(pbx);
    let config = directory.file("sipward.toml", "interfaec = \"eth0\"\n");
    let found = doctor(&sipward, &config);
    found.says("config", "bad", "sipward.toml:1");
    found.says("interface", "warn", "none is named");
    doctor(&sipward, "/nowhere/sipward.toml").says("config", "bad", "there is no /nowhere/sipward.toml");
}

#[test]
fn what_a_user_may_not_see_is_told_and_the_rest_is_looked_at() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let directory = Scratch::new(pbx);
    let config = directory.file("sipward.toml", CONFIG);
    sipward.ok(&format!("attach --config {config}"));
    // The build may lie where only its owner can go.
    let copy = directory.0.join("sipward");
    fs::copy(binary(), &copy).unwrap();
    let mut command = pbx.command("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&copy);
    command.args(["doctor", "--json", "--config", &config]).env("SIPWARD_PIN_DIR", sipward.pins());
    command.env("SIPWARD_STATE_DIR", sipward.state()).env("SIPWARD_RUNTIME_DIR", sipward.runtime());
    let found = Diagnosis::of(Done::of(&mut command));
    found.says("capabilities", "warn", "sudo");
    found.says("kernel", "warn", "may not see");
    found.says("filter", "warn", "may not see");
    found.says("config", "ok", "is OK");
    found.says("eth0", "warn", "may not see which XDP program runs on it");
}

#[test]
fn a_missing_bpffs_is_told_with_the_command_that_mounts_it() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let mut hidden = Command::new("unshare");
    let inside = sipward.command("doctor --json");
    hidden.args([
        "--mount",
        "sh",
        "-c",
        "while umount --recursive /sys/fs/bpf 2>/dev/null; do :; done; exec \"$@\"",
        "sh",
    ]);
    hidden.arg(inside.get_program()).args(inside.get_args()).env("SIPWARD_PIN_DIR", sipward.pins());
    Diagnosis::of(Done::of(&mut hidden)).says("bpffs", "bad", "mount -t bpf bpf /sys/fs/bpf");
}
