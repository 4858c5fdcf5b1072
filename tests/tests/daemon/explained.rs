//! The output of `explain` for a working phone, a phone with a wrong password and a guesser: as text and as JSON.

use std::time::Duration;

use serde_json::{Value, json};
use sipward_tests::{command::Sipward, daemon::Daemon, message::request, scratch::Scratch, wait::wait_until};

use crate::{
    registrar::{Phone, Registrar, wait_until_believed},
    site::{PBX, SIP, Site, Wire, config},
};

const PATIENCE: Duration = Duration::from_secs(20);
const OFFICE: u32 = 10;
const STRANGER: u32 = 11;

struct Explained<'a> {
    site: &'a Site,
    /// Dropped before the installation, whose pins it would make again.
    _daemon: Daemon,
    sipward: Sipward<'a>,
    registrar: Registrar,
    _scratch: Scratch,
}

impl<'a> Explained<'a> {
    fn new(site: &'a Site) -> Self {
        let (sipward, scratch) = (Sipward::new(&site.pbx), Scratch::new(&site.pbx));
        let limits = "[known_rate]\nregister = 'off'\n";
        let file = scratch.file("sipward.toml", &(config("'eth0', 'eth1'") + limits));
        let registrar = Registrar::start(&site.pbx);
        let daemon = Daemon::start(&sipward, &file);
        wait_until_believed(&sipward, site);
        Self { site, sipward, registrar, _daemon: daemon, _scratch: scratch }
    }

    fn phone(&self, host: u32) -> Phone {
        let wire = Wire::Attacker;
        Phone::new(&self.site.attacker, &wire.v4(host), &wire.v4(PBX))
    }

    fn of(&self, about: &str) -> Value {
        self.sipward.json(&format!("explain {about}")).remove(0)
    }

    /// Once it is as it should be.
    fn wait_for(&self, what: &str, about: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut said = Value::Null;
        wait_until(what, PATIENCE, || {
            said = self.of(about);
            is_so(&said)
        });
        said
    }

    fn options(&self, host: u32) {
        let wire = Wire::Attacker;
        let socket = self.site.attacker.udp(&format!("{}:0", wire.v4(host)));
        let message = request("OPTIONS", "Yealink").replace("\"Ann O'Neill\" <sip:201@", "<sip:monitor@");
        socket.send_to(message.as_bytes(), format!("{}:{SIP}", wire.v4(PBX))).expect("a packet is sent");
    }
}

#[test]
fn a_phone_that_registered_is_known_and_may_ask_for_options_and_a_stranger_is_not() {
    let site = Site::new(&[OFFICE, STRANGER], &[2]);
    let explained = Explained::new(&site);
    let [office, stranger] = [OFFICE, STRANGER].map(|host| Wire::Attacker.v4(host));
    assert_eq!(explained.of(&office)["standing"], "stranger");
    assert_eq!(explained.phone(OFFICE).register("201", true), Some(200));
    let said = explained.wait_for("it is known", &office, |said| said["standing"] == "known");
    let known = &said["known"];
    assert_eq!(
        (&known["phones"], &known["why"]),
        (&1.into(), &"a phone is registered there, or was recently".into()),
        "{said}"
    );
    // Ten minutes of registration and half an hour of grace, at least.
    assert!(known["expires_in"].as_u64().expect("an end") > 2_300, "{said}");
    let flows = said["flows"].as_array().expect("flows");
    assert_eq!((flows.len(), &flows[0]["phones"]), (1, &1.into()), "{said}");
    assert!(flows[0]["flow"].as_str().expect("a flow").starts_with("udp:"), "{said}");
    assert!(flows[0]["expires_in"].as_u64().expect("an end") > 2_300, "{said}");
    assert_eq!(said["accounts"][0]["account"], "201", "{said}");
    assert!(said["accounts"][0]["works_for"].is_u64(), "{said}");
    assert!(said["options"].as_str().expect("a sentence").starts_with("OPTIONS pass"), "{said}");
    assert_eq!(said["diagnoses"], json!([]), "{said}");
    let other = explained.of(&stranger);
    assert_eq!((&other["standing"], &other["known"]), (&"stranger".into(), &Value::Null), "{other}");
    assert_eq!(other["flows"], json!([]), "{other}");
    assert!(other["options"].as_str().expect("a sentence").starts_with("OPTIONS drop"), "{other}");

    explained.options(OFFICE);
    wait_until("the known one is heard", PATIENCE, || explained.registrar.heard("monitor", &office) == 1);
    explained.options(STRANGER);
    wait_until("the stranger is not", PATIENCE, || !explained.of(&stranger)["seen"].is_null());
    assert_eq!(explained.registrar.heard("monitor", &stranger), 0);
    let text = explained.sipward.ok(&format!("explain {office}"));
    assert!(text.contains("known since") && text.contains("with the limits of one phone"), "{text}");
    assert!(text.contains("has limits of its own, those of one phone"), "{text}");
    let status = explained.sipward.json("status").remove(0);
    // With the other phone.
    assert_eq!((&status["guard"]["known"], &status["guard"]["phones"]), (&2.into(), &2.into()), "{status}");
    assert_eq!(status["guard"]["known_flows"], 2, "{status}");
}

#[test]
fn a_wrong_password_is_called_so_with_its_remedy_until_it_is_right() {
    let site = Site::new(&[OFFICE, STRANGER], &[2]);
    let explained = Explained::new(&site);
    let (office, phone) = (Wire::Attacker.v4(OFFICE), explained.phone(OFFICE));
    for _again in 0..3 {
        assert_eq!(phone.register("201", false), Some(401));
    }
    let counted = |said: &Value| said["sources"][0]["failures"] == 3 && said["diagnoses"][0]["count"] == 3;
    let said = explained.wait_for("three failures are counted", "201", counted);
    let diagnosis = &said["diagnoses"][0];
    let expected = json!({
        "cause": "wrong-password", "account": "201", "source": office, "status": 401, "proven": true,
    });
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(&diagnosis[field], value, "{field} of {said}");
    }
    assert_eq!((&said["status"], &said["closed"]), (&"normal".into(), &json!([])), "{said}");
    assert_eq!(explained.of(&office)["diagnoses"][0]["cause"], "wrong-password");
    assert_eq!(explained.of("202")["diagnoses"], json!([]), "nobody else's");
    let text = explained.sipward.ok("explain 201");
    for said in
        ["wrong-password, 3 times, last with 401", "the password or the user name is wrong", "Compare"]
    {
        assert!(text.contains(said), "{said} is missing in\n{text}");
    }
    assert_eq!(phone.register("201", true), Some(200));
    // Diagnoses and failures are counted by two threads.
    explained.wait_for("it is forgotten", "201", |said| {
        said["diagnoses"] == json!([]) && said["sources"][0]["failures"] == 0
    });
}

#[test]
fn who_guesses_is_shown_as_suspended_there_and_is_let_in_again_by_hand() {
    let site = Site::new(&[OFFICE, STRANGER], &[2]);
    let explained = Explained::new(&site);
    let sipward = &explained.sipward;
    let (source, phone) = (Wire::Attacker.v4(STRANGER), explained.phone(STRANGER));
    for _again in 0..6 {
        assert_eq!(phone.register("201", false), Some(401));
    }
    let said = explained.wait_for("it is suspended", "201", |said| said["status"] == "suspended");
    let closed = &said["closed"][0];
    assert_eq!(
        (&closed["source"], &closed["rule"], &closed["count"]),
        (&json!(source), &"suspend".into(), &6.into())
    );
    let lines = |said: &Value| said["closed"].as_array().expect("a list").clone();
    assert_alike(&lines(&explained.of(&source)), &lines(&said));
    assert_alike(&sipward.json("account list"), &lines(&said));
    let events = sipward.json("events");
    let told = events.iter().find(|event| event["decision"] == "suspended").expect("an event");
    assert_eq!((&told["account"], &told["source"]), (&"201".into(), &json!(source)), "{told}");
    let text = sipward.ok("events");
    assert!(text.lines().any(|line| line.contains("suspended account 201 for 3m")), "{text}");

    let other = Wire::Attacker.v4(OFFICE);
    let done = sipward.run(&format!("account unlock 201 --from {other}"));
    assert_eq!(done.code, Some(1), "{done}");
    assert_eq!(
        sipward.ok(&format!("account unlock 201 --from {source}")),
        format!("201: no longer suspended at {source}\n")
    );
    assert_eq!(sipward.ok("account list"), "No suspensions or locks.\n");
    assert_eq!(phone.register("201", true), Some(200));
    let history = sipward.json("audit --account 201");
    let what: Vec<_> = history.iter().filter_map(|line| line["what"].as_str()).collect();
    assert_eq!(what, ["lifted", "suspended"], "{history:?}");
}

/// The same lines, the one said a moment after the other: less time is left, and an end is rounded to seconds.
fn assert_alike(later: &[Value], before: &[Value]) {
    let until = |line: &Value| line["until"].as_u64().expect("an end");
    let left = |line: &Value| line["expires_in"].as_u64().expect("an end");
    let timeless = |line: &Value| {
        let mut line = line.clone();
        (line["until"], line["expires_in"]) = (Value::Null, Value::Null);
        line
    };
    let all = |lines: &[Value]| lines.iter().map(timeless).collect::<Vec<_>>();
    assert_eq!(all(later), all(before));
    for (later, before) in later.iter().zip(before) {
        assert!(until(later).abs_diff(until(before)) <= 1 && left(later) <= left(before), "{later} {before}");
    }
}

/// A guesser behind the address of an office tries one account after another.
#[test]
fn of_a_known_source_one_port_is_banned_and_lifted_by_hand() {
    let site = Site::new(&[OFFICE], &[2]);
    let explained = Explained::new(&site);
    let (sipward, office) = (&explained.sipward, Wire::Attacker.v4(OFFICE));
    let [good, bad] = [(); 2].map(|()| explained.phone(OFFICE));
    assert_eq!(good.register("201", true), Some(200));
    explained.wait_for("it is known", &office, |said| said["standing"] == "known");
    let banned = || sipward.json("account list --status banned");
    for account in ["ann", "bob", "cay", "dan"] {
        for _again in 0..6 {
            assert_eq!(bad.register(account, false), Some(401));
        }
        let suspended = || sipward.json(&format!("account list --name {account}")).len() == 1;
        wait_until("it is suspended", PATIENCE, suspended);
        if !banned().is_empty() {
            break;
        }
    }
    wait_until("its port is banned", PATIENCE, || banned().len() == 1);
    let flow = &banned()[0];
    assert_eq!((&flow["source"], &flow["rule"]), (&json!(office), &"persistent".into()), "{flow}");
    assert_eq!(bad.register("304", true), None, "the port is banned");
    assert_eq!(good.register("201", true), Some(200), "the office is not");
    assert_eq!(sipward.json("ban list").len(), 0);
    let text = sipward.ok(&format!("explain {office}"));
    assert!(text.contains(&format!("`sipward ban del {office}`")), "{text}");

    assert_eq!(sipward.ok(&format!("ban del {office}")), format!("{office}: no longer banned\n"));
    assert_eq!(bad.register("304", true), Some(200));
    assert_eq!(sipward.ok("account list"), "No suspensions or locks.\n");
    let again = sipward.run(&format!("ban del {office}"));
    assert_eq!(again.code, Some(1), "{again}");
}
