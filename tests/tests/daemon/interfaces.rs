//! Interfaces that are renamed, and interfaces that the configuration no longer names.

use std::{fs, time::Duration};

use sipward::control::DaemonLock;
use sipward_tests::{
    command::Sipward, daemon::Daemon, namespace::Namespace, scratch::Scratch, wait::wait_until,
};
use xdp_prog::abi::VERSION;

/// The daemon looks after its pins every few seconds.
const A_WHILE: Duration = Duration::from_secs(30);

fn host(interfaces: &[&str]) -> Namespace {
    let host = Namespace::new("host");
    interfaces.iter().for_each(|name| add(&host, name));
    host
}

fn add(host: &Namespace, name: &str) {
    host.ip(&format!("link add {name} type veth"));
}

/// By its name: how it is protected.
fn protection(sipward: &Sipward<'_>, name: &str) -> Option<String> {
    let status = sipward.json("status").remove(0);
    let interfaces = status["interfaces"].as_array().expect("interfaces").clone();
    let interface = interfaces.into_iter().find(|interface| interface["interface"] == name)?;
    interface["xdp"].as_str().map(str::to_owned)
}

#[test]
fn an_interface_that_takes_the_name_of_a_renamed_one_is_protected_and_so_is_the_renamed_one() {
    let host = host(&["eth0"]);
    let (sipward, files) = (Sipward::new(&host), Scratch::new(&host));
    let daemon = Daemon::start(&sipward, &files.file("sipward.toml", "interface = \"eth0\""));
    host.ip("link set eth0 name wan0");
    add(&host, "eth0");
    wait_until("the new eth0 is protected", A_WHILE, || {
        protection(&sipward, "eth0").as_deref() == Some("native")
    });
    assert_eq!(protection(&sipward, "wan0").as_deref(), Some("native"), "{}", daemon.log());
}

#[test]
fn an_interface_that_is_no_longer_configured_is_left_for_good() {
    let host = host(&["eth0", "eth1"]);
    let (sipward, files) = (Sipward::new(&host), Scratch::new(&host));
    let config = files.file("sipward.toml", "interface = [\"eth0\", \"eth1\"]");
    let daemon = Daemon::start(&sipward, &config);
    let pins = || fs::read_dir(sipward.pins()).expect("pins").map(|layout| layout.expect("a layout").path());
    let pin = pins().next().expect("a layout").join("link-eth1");
    assert!(pin.exists());
    // From now on the daemon holds on to what it finds.
    let proved = |status: serde_json::Value| status["daemon"]["proved"].is_u64();
    wait_until("the first round is over", A_WHILE, || proved(sipward.json("status").remove(0)));

    files.file("sipward.toml", "interface = \"eth0\"");
    sipward.ok("reload");
    assert_eq!(protection(&sipward, "eth1"), None);
    // Another pin is made again in the round after.
    fs::remove_file(pin.with_file_name("link-eth0")).expect("a pin");
    wait_until("the pins are looked after", A_WHILE, || daemon.log().contains("they are restored"));
    assert!(!pin.exists(), "{}", daemon.log());
}

#[test]
fn a_detach_that_meets_a_daemon_on_its_start_is_not_undone_by_it() {
    let host = host(&["eth0"]);
    let (sipward, files) = (Sipward::new(&host), Scratch::new(&host));
    sipward.ok("attach --iface eth0");
    let pins = fs::File::open(sipward.pins()).expect("the pins");
    pins.lock().expect("a lock");

    let mut detach = sipward.command("detach").spawn().expect("sipward");
    let call = format!("/proc/{}/syscall", detach.id());
    let waits =
        || fs::read_to_string(&call).unwrap_or_default().starts_with(&format!("{} ", libc::SYS_flock));
    wait_until("the command waits for the pins", A_WHILE, waits);
    let mut daemon = Daemon::spawn(&sipward, &files.file("sipward.toml", "interface = \"eth0\""), VERSION);
    let lives = || DaemonLock::is_held(&sipward.runtime()).unwrap_or(false);
    wait_until("the daemon waits for the pins, too", A_WHILE, lives);

    drop(pins);
    assert!(detach.wait().expect("a child of this process").success());
    daemon.wait_until_ready();
    assert_eq!(sipward.json("status")[0]["interfaces"], serde_json::json!([]), "{}", daemon.log());
}
