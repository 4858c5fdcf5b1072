//! SIPVicious and sipsak.

use std::thread;

use sipward_tests::{
    caller::{CALLS, Caller, Plan, REGISTRATIONS, Tally},
    command::Done,
    namespace::{Namespace, v4},
    pbx::{EXTENSIONS, Pbx},
    scratch::Scratch,
    tool::tool,
};

use crate::{CUSTOMER, Count, OTHER, count, dropped, protect, site};

/// Runs a program of SIPVicious against the PBX. Returns its output.
fn sipvicious(host: &Namespace, program: &str, options: &str) -> String {
    let home = Scratch::new(host);
    let mut command = host.command(tool(program));
    // It stores its sessions in the home directory, and resolves the host's name to find the address.
    command.env("HOME", &home.0).args(["-x", &v4(OTHER)]).args(options.split_whitespace()).arg(v4(1));
    let Done { stdout, stderr, .. } = Done::of(&mut command);
    stdout + &stderr
}

/// Which of the two have found what they look for.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    pbx: bool,
    extensions: bool,
}

const EVERYTHING: Found = Found { pbx: true, extensions: true };
const NOTHING: Found = Found { pbx: false, extensions: false };

fn scan(host: &Namespace) -> Found {
    let hosts = sipvicious(host, "svmap", "");
    let extensions = sipvicious(host, "svwar", "-e 195-205");
    println!("{hosts}{extensions}");
    Found {
        pbx: hosts.contains("kamailio"),
        extensions: EXTENSIONS.iter().any(|extension| extensions.contains(&format!("| {extension}"))),
    }
}

#[test]
fn scanners_find_nothing_while_a_hundred_calls_go_through() {
    let lan = site();
    let [host, customer, other] = lan.hosts();
    let pbx = Pbx::start(host);
    let customer = Caller::new(customer, CUSTOMER);
    assert_eq!(scan(other), EVERYTHING, "without a filter");

    let sipward = protect(host);
    let before = ["OPTIONS", "REGISTER"].map(|method| pbx.heard(method, &v4(OTHER)));
    thread::scope(|scope| {
        let scan = scope.spawn(|| scan(other));
        let calls = scope.spawn(|| customer.run(&Plan { count: 100, ..CALLS }));
        assert_eq!(scan.join().unwrap(), NOTHING);
        assert_eq!(calls.join().unwrap(), Tally::all(100));
    });
    assert_eq!(customer.run(&REGISTRATIONS), Tally::all(2));
    assert_eq!(before, ["OPTIONS", "REGISTER"].map(|method| pbx.heard(method, &v4(OTHER))));
    assert!(dropped(&sipward, "options-stranger") > 0);
    assert!(dropped(&sipward, "signature") > 0);

    sipward.ok("detach");
    assert_eq!(scan(other), EVERYTHING, "with the filter detached");
}

#[test]
fn in_monitor_mode_scanners_get_through_and_are_counted() {
    let lan = site();
    let [host, _, other] = lan.hosts();
    let _pbx = Pbx::start(host);
    let sipward = protect(host);
    sipward.ok("mode monitor");
    assert_eq!(scan(other), EVERYTHING);
    for reason in ["options-stranger", "signature"] {
        let Count { packets, would_drop } = count(&sipward, reason);
        assert!(packets == 0 && would_drop > 0, "{reason}: {packets}, {would_drop}");
    }
    sipward.ok("mode enforce");
    assert_eq!(scan(other), NOTHING);
    assert!(dropped(&sipward, "options-stranger") > 0);
}

#[test]
fn only_the_trusted_may_ask_for_options() {
    let lan = site();
    let [host, customer, other] = lan.hosts();
    let pbx = Pbx::start(host);
    let sipward = protect(host);
    let answered = |from: &Namespace| {
        let mut command = from.command(tool("sipsak"));
        // Retransmission timers short: without an answer it would try for half a minute.
        let done = Done::of(command.args(["-D", "4", "-vv", "-s", &format!("sip:201@{}", v4(1))]));
        done.code == Some(0) && done.stdout.contains("200 OK")
    };
    assert!(!answered(customer) && !answered(other));
    let told = dropped(&sipward, "options-stranger");
    assert!(told > 0);
    assert_eq!(pbx.heard("OPTIONS", &v4(CUSTOMER)), 0);

    sipward.ok(&format!("trust add {}", v4(CUSTOMER)));
    assert!(answered(customer), "trusted");
    assert!(!answered(other), "a neighbour of the trusted");
    assert!(dropped(&sipward, "options-stranger") > told);
    sipward.ok(&format!("trust del {}", v4(CUSTOMER)));
    assert!(!answered(customer), "no longer trusted");
    assert_eq!(pbx.heard("OPTIONS", &v4(CUSTOMER)), 1);
    assert_eq!(pbx.heard("OPTIONS", &v4(OTHER)), 0);

    sipward.ok("detach");
    assert!(answered(customer) && answered(other), "with the filter detached");
}
