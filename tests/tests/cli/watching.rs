//! Events, captures and counters of the filter.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
    time::Duration,
};

use sipward_tests::{
    command::Sipward,
    namespace::{Lan, v4},
    scratch::Scratch,
    wait::wait_until,
};

use crate::{host, reachability::Reachability, refused};

#[test]
fn events_tell_of_drops_as_they_happen() {
    let lan = Lan::new(["pbx", "scanner"]);
    let [pbx, scanner] = lan.hosts();
    let sipward = Sipward::new(pbx);
    sipward.ok("attach --iface eth0 --enforce");
    sipward.ok(&format!("ban add {}", v4(2)));
    let mut follow = sipward.command("events --follow --json").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    let mut hears = Reachability::new(pbx);
    hears.say(scanner, 1, "OPTIONS sip:100@pbx SIP/2.0\r\n\r\n");
    let event: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    refused(&sipward.run("events"), 1, &["another `sipward events` runs"]);
    follow.kill().unwrap();
    follow.wait().unwrap();
    for (key, value) in [("src", v4(2).as_str()), ("dst", &v4(1)), ("reason", "ban"), ("verdict", "drop")] {
        assert_eq!(event[key], value, "{event}");
    }
    assert_eq!((&event["dport"], &event["interface"]), (&5060.into(), &"eth0".into()), "{event}");
    assert_eq!(event["first_line"], "OPTIONS sip:100@pbx SIP/2.0", "{event}");
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    sipward.ok("attach --iface eth0");
    let many: Vec<_> = (0..4_000).map(|n| format!("192.{}.{}.1", n / 250, n % 250)).collect();
    let files = Scratch::new(pbx);
    let file = files.file("many.txt", &many.join("\n"));
    sipward.ok(&format!("ban import {file}"));
    let mut list = sipward.command("ban list").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(list.stdout.take());
    let done = list.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0));
    assert!(done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn a_capture_has_what_drops_and_why_and_nobody_else() {
    let lan = Lan::new(["pbx", "scanner", "customer"]);
    let [pbx, scanner, customer] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let files = Scratch::new(pbx);
    let mut hears = Reachability::new(pbx);
    sipward.ok("attach --iface eth0 --enforce");
    sipward.ok(&format!("ban add {}", v4(2)));
    for (options, both) in [("", false), ("--all", true)] {
        let file = files.0.join(format!("drops{options}.pcapng"));
        let line = format!("capture {} {options}", file.display());
        let mut capture = sipward.command(&line).stdout(Stdio::piped()).spawn().unwrap();
        let mut captured = || {
            assert!(!hears.from(scanner, 1));
            assert!(hears.from(customer, 1), "a capture changes no verdict");
            fs::read(&file).is_ok_and(|bytes| contains(&bytes, b"drop: ban"))
        };
        wait_until("a drop is captured", Duration::from_secs(20), &mut captured);
        refused(&sipward.run("capture another.pcapng"), 1, &["another `sipward capture`"]);
        // SAFETY: of a process that was started here and is not reaped yet.
        unsafe { libc::kill(capture.id() as libc::pid_t, libc::SIGINT) };
        assert_eq!(capture.wait().unwrap().code(), Some(0));

        let packets = sipward.json(&format!("replay {}", file.display()));
        let sources: BTreeSet<_> = packets.iter().filter_map(|packet| packet["src"].as_str()).collect();
        assert!(sources.contains(v4(2).as_str()), "{sources:?}");
        assert_eq!(sources.contains(v4(3).as_str()), both, "{sources:?}");
        assert_eq!(contains(&fs::read(&file).unwrap(), b"pass: request"), both);
        refused(&sipward.run(&line), 2, &["exists"]);
    }
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}
