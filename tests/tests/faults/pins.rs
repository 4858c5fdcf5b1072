//! Pins that are removed, and interfaces that are removed and return.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sipward_tests::namespace::{Lan, v4};
use xdp_prog::abi::VERSION;

use crate::{
    site::Site,
    wire::{ping, while_packets_come},
};

const CONFIG: &str = "interface = \"eth0\"\ntrusted = [\"10.90.0.2\"]\n";

/// The pins that are removed, one after another. The empty name stands for all of them.
const PINS: [&str; 5] = ["link-eth0", "program", "maps/SOURCES", "maps/DECLARED", ""];

fn pin(site: &Site<'_>, name: &str) -> PathBuf {
    let directory = site.sipward.pins().join(format!("v{VERSION}"));
    if name.is_empty() { directory } else { directory.join(name) }
}

fn remove(path: &Path) {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
}

#[test]
fn pins_that_are_removed_come_back_and_not_a_packet_notices() {
    let lan = Lan::new(["pbx", "trusted", "neighbour", "stranger"]);
    let [pbx, trusted, _, stranger] = lan.hosts();
    let mut site = Site::running(pbx, CONFIG);
    site.sipward.ok("ban add 198.51.100.2");
    while_packets_come(pbx, trusted, stranger, || {
        for name in PINS {
            let path = pin(&site, name);
            remove(&path);
            // Commands work meanwhile.
            site.sipward.ok("ban add 198.51.100.3");
            site.sipward.ok("ban del 198.51.100.3");
            let file = if name.is_empty() { path.join("program") } else { path };
            site.wait(&format!("{} is back", file.display()), || file.exists());
            site.wait_for_log(&file.display().to_string());
        }
        let (program, said) = (pin(&site, "program"), "pins of the filter were removed");
        assert!(program.exists() && site.log().contains(said), "{}", site.log());
        // The new pins belong to the running program.
        site.kill();
        site.start();
    });
    site.filter().works(&["10.90.0.2"], &["198.51.100.2"]);
    assert_eq!(site.list("ban"), ["198.51.100.2"]);
    assert!(site.log().contains("the filter was in force and stays"), "{}", site.log());
}

#[test]
fn pins_that_are_removed_while_no_daemon_runs_are_made_by_the_next() {
    let lan = Lan::new(["pbx", "trusted", "neighbour", "stranger"]);
    let [pbx, trusted, _, stranger] = lan.hosts();
    let mut site = Site::running(pbx, CONFIG);
    site.sipward.ok("ban add 198.51.100.2");
    for name in PINS {
        site.kill();
        remove(&pin(&site, name));
        let without = site.sipward.run("status");
        match name {
            "link-eth0" => assert_eq!(without.code, Some(0), "{without}"),
            "" => assert_eq!(without.code, Some(1), "{without}"),
            _ => assert!(without.code == Some(3) && without.stderr.contains("is missing"), "{without}"),
        }
        site.start();
        assert_eq!(site.status()["interfaces"][0]["xdp"], "native", "{name}\n{}", site.log());
        site.filter().works(&["10.90.0.2"], &["198.51.100.2"]);
        site.sipward.ok("ban add 10.90.0.4");
        let heard = ping(pbx, stranger, &v4(4));
        assert!(!heard, "without {name:?}, what is banned then does not reach what runs on the interface");
        site.sipward.ok("ban del 10.90.0.4");
        assert!(ping(pbx, trusted, &v4(2)), "{name:?}");
        site.sipward.ok("signature load");
    }
}

#[test]
fn an_interface_that_comes_back_is_protected_again() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    pbx.ip("link add eth1 type veth peer name far");
    let site = Site::running(pbx, "interface = [\"eth0\", \"eth1\"]\n");
    let how = |interface: usize| site.status()["interfaces"][interface]["xdp"].clone();
    assert_eq!((how(0), how(1)), ("native".into(), "native".into()));
    for times in 1..=2 {
        pbx.ip("link del eth1");
        site.wait("its absence is told", || site.log().matches("no interface eth1").count() == times);
        assert_eq!((how(0), how(1)), ("native".into(), serde_json::Value::Null));
        let shown = site.sipward.ok("status");
        assert!(shown.contains("eth1: not attached"), "{shown}");
        pbx.ip("link add eth1 type veth peer name far");
        site.wait("it is protected", || how(1) == "native");
        site.wait("and that is told", || {
            site.log().matches("eth1: the filter is attached").count() == times + 1
        });
    }
    assert_eq!(site.log().matches("no interface eth1").count(), 2, "{}", site.log());
}
