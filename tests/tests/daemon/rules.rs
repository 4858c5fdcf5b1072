//! Rules that drop phones: the daemon detects them, and switches them off where the configuration allows it.

use std::{net::UdpSocket, time::Duration};

use serde_json::Value;
use sipward_tests::{
    command::Sipward, daemon::Daemon, message::request, namespace::Namespace, scratch::Scratch,
    wait::wait_until,
};

use crate::{
    registrar::{Phone, Registrar, wait_until_believed},
    site::{PBX, SIP, Site, Wire, config},
};

const PATIENCE: Duration = Duration::from_secs(20);
const PHONES: [u32; 3] = [10, 11, 12];
const SCANNER: u32 = 13;

/// A request that one rule drops.
struct Hit {
    rule: &'static str,
    method: &'static str,
    agent: &'static str,
}

const OPTIONS: Hit = Hit { rule: "options-stranger", method: "OPTIONS", agent: "Yealink" };
const SCAN: Hit = Hit { rule: "signature:friendly-scanner", method: "SUBSCRIBE", agent: "friendly-scanner" };

impl Hit {
    fn send(&self, host: &Namespace, number: u32) {
        let wire = Wire::Attacker;
        let socket: UdpSocket = host.udp(&format!("{}:0", wire.v4(number)));
        let message = request(self.method, self.agent).replace("\"Ann O'Neill\" <sip:201@", "<sip:201@");
        socket.send_to(message.as_bytes(), format!("{}:{SIP}", wire.v4(PBX))).expect("a packet is sent");
    }
}

/// The line of `sipward rules --json` for a rule.
fn rule_line(sipward: &Sipward<'_>, rule: &str) -> Option<Value> {
    sipward.json("rules").into_iter().find(|rule_line| rule_line["rule"] == rule)
}

fn counts(sipward: &Sipward<'_>, rule: &str) -> Option<(u64, u64)> {
    let rule_line = rule_line(sipward, rule)?;
    Some((rule_line["sources"].as_u64()?, rule_line["authenticated"].as_u64()?))
}

fn dropped(sipward: &Sipward<'_>, rule: &str) -> u64 {
    rule_line(sipward, rule).and_then(|rule_line| rule_line["dropped"].as_u64()).unwrap_or(0)
}

/// Sends the hit. Returns true if it reaches the PBX, and false if it is counted as dropped.
fn passes(sipward: &Sipward<'_>, registrar: &Registrar, site: &Site, hit: &Hit) -> bool {
    let source = Wire::Attacker.v4(SCANNER);
    let (before, heard) = (dropped(sipward, hit.rule), registrar.heard("201", &source));
    hit.send(&site.attacker, SCANNER);
    let mut passed = false;
    wait_until("the packet passes or drops", PATIENCE, || {
        passed = registrar.heard("201", &source) > heard;
        passed || dropped(sipward, hit.rule) > before
    });
    passed
}

fn audit(sipward: &Sipward<'_>, what: &str, rule: &str) -> usize {
    let lines = sipward.json("audit --limit 100");
    lines.iter().filter(|line| line["what"] == what && line["target"] == rule).count()
}

/// Three of the four sources that it hits are phones.
fn hits_phones(sipward: &Sipward<'_>, site: &Site, hit: &Hit) {
    for number in PHONES.into_iter().chain([SCANNER]) {
        hit.send(&site.attacker, number);
    }
    wait_until("all are told", PATIENCE, || counts(sipward, hit.rule) == Some((4, 0)));
    let before = rule_line(sipward, hit.rule).expect("a rule that was met");
    assert_eq!((&before["flagged"], &before["action"]), (&false.into(), &"drop".into()), "{before}");
    for number in PHONES {
        let wire = Wire::Attacker;
        let phone = Phone::new(&site.attacker, &wire.v4(number), &wire.v4(PBX));
        assert_eq!(phone.register("201", true), Some(200));
    }
    wait_until("they are known to have authenticated", PATIENCE, || {
        counts(sipward, hit.rule) == Some((4, 3))
    });
    assert_eq!(rule_line(sipward, hit.rule).expect("a rule that was met")["flagged"], true);
    assert_eq!(sipward.json("status")[0]["flagged"], serde_json::json!([hit.rule]));
}

fn site() -> Site {
    Site::new(&[PHONES[0], PHONES[1], PHONES[2], SCANNER], &[2])
}

#[test]
fn a_rule_that_hits_phones_is_switched_off_and_no_other() {
    for (hit, other) in [(OPTIONS, SCAN), (SCAN, OPTIONS)] {
        let site = site();
        let (sipward, scratch) = (Sipward::new(&site.pbx), Scratch::new(&site.pbx));
        let text = format!("{}[ledger]\nshare = 50\nswitch_off = true\n", config("'eth0', 'eth1'"));
        let config = scratch.file("sipward.toml", &text);
        let registrar = Registrar::start(&site.pbx);
        let daemon = Daemon::start(&sipward, &config);
        wait_until_believed(&sipward, &site);
        hits_phones(&sipward, &site, &hit);
        // Rules are judged once a minute, and when the daemon ends.
        daemon.terminate();
        assert_eq!(audit(&sipward, "switched off", hit.rule), 1);
        assert_eq!(rule_line(&sipward, hit.rule).expect("by a command of its own")["action"], "off");

        let _daemon = Daemon::start(&sipward, &config);
        assert_eq!(counts(&sipward, hit.rule), Some((4, 3)), "it survives a restart");
        assert_eq!(rule_line(&sipward, hit.rule).expect("a rule that is off")["action"], "off");
        assert!(passes(&sipward, &registrar, &site, &hit), "{} is off", hit.rule);
        assert!(!passes(&sipward, &registrar, &site, &other), "{} is not", other.rule);
        sipward.ok("reload");
        assert_eq!(rule_line(&sipward, hit.rule).expect("a rule that was met")["action"], "drop");
        assert!(!passes(&sipward, &registrar, &site, &hit), "{} is as configured", hit.rule);
    }
}

#[test]
fn a_rule_that_hits_phones_is_only_flagged_unless_more_is_allowed() {
    let site = site();
    let (sipward, scratch) = (Sipward::new(&site.pbx), Scratch::new(&site.pbx));
    let config = scratch.file("sipward.toml", &config("'eth0', 'eth1'"));
    let registrar = Registrar::start(&site.pbx);
    let daemon = Daemon::start(&sipward, &config);
    wait_until_believed(&sipward, &site);
    hits_phones(&sipward, &site, &OPTIONS);
    let said = sipward.ok("rules");
    assert!(
        said.lines().any(|line| line.starts_with("options-stranger") && line.ends_with("flagged")),
        "{said}"
    );
    daemon.terminate();
    assert_eq!(audit(&sipward, "flagged", OPTIONS.rule), 1);
    let daemon = Daemon::start(&sipward, &config);
    assert!(!passes(&sipward, &registrar, &site, &OPTIONS));
    daemon.terminate();
    assert_eq!(audit(&sipward, "flagged", OPTIONS.rule), 1, "it was told before");
}

/// Anybody could have sent a request in a phone's name; only what is proven speaks for a source.
#[test]
fn who_does_not_authenticate_does_not_speak_against_a_rule() {
    let site = site();
    let (sipward, scratch) = (Sipward::new(&site.pbx), Scratch::new(&site.pbx));
    let config = scratch.file("sipward.toml", &config("'eth0', 'eth1'"));
    let _registrar = Registrar::start(&site.pbx);
    let _daemon = Daemon::start(&sipward, &config);
    wait_until_believed(&sipward, &site);
    let wire = Wire::Attacker;
    for number in PHONES {
        OPTIONS.send(&site.attacker, number);
        let phone = Phone::new(&site.attacker, &wire.v4(number), &wire.v4(PBX));
        assert_eq!(phone.register("201", false), Some(401));
    }
    // The daemon sees later packets later.
    let right = Phone::new(&site.attacker, &wire.v4(SCANNER), &wire.v4(PBX));
    OPTIONS.send(&site.attacker, SCANNER);
    wait_until("all are told", PATIENCE, || counts(&sipward, OPTIONS.rule) == Some((4, 0)));
    assert_eq!(right.register("202", true), Some(200));
    wait_until("one has authenticated", PATIENCE, || {
        counts(&sipward, OPTIONS.rule).is_some_and(|(_, later)| later > 0)
    });
    assert_eq!(counts(&sipward, OPTIONS.rule), Some((4, 1)));
}
