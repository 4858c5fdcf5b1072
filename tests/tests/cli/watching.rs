//! Reading what the filter tells.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use sipward_tests::{
    command::Sipward,
    namespace::{Lan, v4},
};

use crate::{hearing::Hearing, host, refused};

#[test]
fn events_tell_of_drops_as_they_happen() {
    let lan = Lan::new(["pbx", "scanner"]);
    let [pbx, scanner] = lan.hosts();
    let sipward = Sipward::new(pbx);
    sipward.ok("attach --iface eth0 --enforce");
    sipward.ok(&format!("ban add {}", v4(2)));
    let mut follow = sipward.command("events --follow --json").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    let mut hears = Hearing::new(pbx);
    hears.say(scanner, 1, "OPTIONS sip:100@pbx SIP/2.0\r\n\r\n");
    let event: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    refused(&sipward.run("events"), 1, &["another `sipward events`"]);
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
    sipward.ok(&format!("ban add {}", many.join(" ")));
    let mut list = sipward.command("ban list").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(list.stdout.take());
    let done = list.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0));
    assert!(done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
}
