//! A local program that hands in evidence, and is told what is in force.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use serde_json::{Value, json};
use sipward::paths;
use sipward_tests::{
    command::{Done, Sipward, binary},
    daemon::Daemon,
    namespace::{Lan, Namespace},
    scratch::Scratch,
};

const PATIENCE: Duration = Duration::from_secs(20);
/// The user nobody.
const NOBODY: &str = "65534";
const SOURCE: &str = "198.51.100.7";

/// The command as a user who is nobody.
struct Feeder<'a> {
    host: &'a Namespace,
    sipward: &'a Sipward<'a>,
    /// The build may lie where only its owner can go.
    copy: PathBuf,
}

impl<'a> Feeder<'a> {
    fn new(host: &'a Namespace, sipward: &'a Sipward<'a>) -> Self {
        let copy = std::env::temp_dir().join(format!("{}-sipward", host.name()));
        fs::copy(binary(), &copy).unwrap();
        Self { host, sipward, copy }
    }

    fn command(&self, line: &str) -> std::process::Command {
        let mut command = self.host.command("setpriv");
        command
            .arg(format!("--reuid={NOBODY}"))
            .arg(format!("--regid={NOBODY}"))
            .arg("--clear-groups")
            .arg(&self.copy)
            .args(line.split_whitespace())
            .env("SIPWARD_RUNTIME_DIR", self.sipward.runtime());
        command
    }

    fn run(&self, line: &str) -> Done {
        Done::of(&mut self.command(line))
    }

    fn fail(&self, account: &str) {
        let line = format!("evidence --account {account} --from {SOURCE} --outcome failed --proven");
        let done = self.run(&line);
        assert_eq!((done.code, done.stdout.as_str()), (Some(0), "1 taken\n"), "{done}");
    }

    /// Hands in lines of JSON.
    fn pipe(&self, lines: &[Value]) -> Value {
        let mut command = self.command("evidence - --json");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for Feeder<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.copy);
    }
}

/// A subscription to what is in force.
struct InForce(BufReader<UnixStream>);

impl InForce {
    fn subscribe(sipward: &Sipward<'_>) -> Self {
        let mut stream = UnixStream::connect(paths::socket(&sipward.runtime())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"{\"version\":1,\"call\":\"in-force\"}\n").unwrap();
        Self(BufReader::new(stream))
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("an item in time");
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        answer["item"].clone()
    }

    /// The state, from its beginning to its end.
    fn state(&mut self) -> Vec<Value> {
        assert_eq!(self.next()["in_force"], "begin");
        let mut state = Vec::new();
        loop {
            let item = self.next();
            if item["in_force"] == "current" {
                return state;
            }
            state.push(item);
        }
    }
}

fn is_suspended(item: &Value, account: &str) -> bool {
    let is_about = item["in_force"] == "suspended" && item["account"] == account && item["source"] == SOURCE;
    is_about && item["expires_in"].as_u64().is_some_and(|left| (3_500..=3_600).contains(&left))
}

#[test]
fn six_failures_that_a_program_hands_in_suspend_an_account_and_it_may_do_no_more_than_that() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let (sipward, directory) = (Sipward::new(pbx), Scratch::new(pbx));
    let text = "interface = 'eth0'\nmode = 'enforce'\ntrusted = ['203.0.113.0/24']\n[roles]\nfeed = ['nobody']\n\
                [guard]\nsuspend = { retries = 6, time = '1h' }\n";
    let config = directory.file("sipward.toml", text);
    let daemon = Daemon::start(&sipward, &config);
    let feeder = Feeder::new(pbx, &sipward);

    let mut in_force = InForce::subscribe(&sipward);
    let settings = json!({
        "in_force": "settings", "mode": "enforce", "suspended": "drop", "retries": 6, "call_retries": 6
    });
    assert_eq!(in_force.state(), std::slice::from_ref(&settings));
    for _again in 0..5 {
        feeder.fail("201");
    }
    assert_eq!(sipward.json("account list"), Vec::<Value>::new());
    feeder.fail("201");
    let closed = sipward.json("account list");
    assert_eq!(closed.len(), 1);
    assert_eq!((&closed[0]["account"], &closed[0]["source"]), (&"201".into(), &SOURCE.into()));
    let item = in_force.next();
    assert!(is_suspended(&item, "201"), "{item}");
    // Somebody who comes later is told the same.
    let state = InForce::subscribe(&sipward).state();
    assert!(state.len() == 2 && state[0] == settings && is_suspended(&state[1], "201"), "{state:?}");
    let audit = sipward.json(&format!("audit --about {SOURCE} --limit 1"));
    assert!(audit[0]["detail"].as_str().unwrap().contains("by evidence of nobody"), "{audit:?}");

    sipward.ok("account unlock 201");
    assert_eq!(in_force.next(), json!({ "in_force": "lifted", "account": "201", "source": SOURCE }));

    let registered = json!({
        "account": "202", "source": "192.0.2.20", "port": 5060, "transport": "tls", "method": "register",
        "outcome": "registered", "lasts": 600
    });
    let trusted = json!({ "account": "9", "source": "203.0.113.9", "method": "invite", "outcome": "failed" });
    let own = json!({ "account": "9", "source": "127.0.0.1", "method": "invite", "outcome": "failed" });
    let old =
        json!({ "account": "9", "source": SOURCE, "method": "invite", "outcome": "failed", "ago": 301 });
    let sum = feeder.pipe(&[registered, trusted, own, old]);
    assert_eq!(sum, json!({ "taken": 1, "too_old": 1, "exempt": 2 }));
    let item = in_force.next();
    assert_eq!((&item["in_force"], &item["account"]), (&"worked".into(), &"202".into()), "{item}");
    assert!(item["expires_in"].as_u64().unwrap() > 29 * 86_400, "{item}");
    assert!(sipward.json("explain 192.0.2.20")[0]["known"].is_object());

    for line in ["status", "ban add 192.0.2.1", "account unlock 201", "detach", "mode monitor"] {
        let done = feeder.run(line);
        assert_eq!(done.code, Some(1), "{done}");
        assert!(done.stderr.contains("this call needs the role"), "{done}");
    }
    assert_eq!(sipward.json("ban list"), Vec::<Value>::new());

    sipward.ok("mode monitor");
    let state = in_force.state();
    assert_eq!(state[0]["mode"], "monitor");
    assert!(
        state[1..].iter().any(|item| item["in_force"] == "worked" && item["account"] == "202"),
        "{state:?}"
    );
    daemon.terminate();
}

#[test]
fn a_feeder_that_hands_in_more_than_it_may_waits_and_loses_nothing() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let (sipward, directory) = (Sipward::new(pbx), Scratch::new(pbx));
    let config = directory.file("sipward.toml", "interface = 'eth0'\n[roles]\nfeed = ['nobody']\n");
    let daemon = Daemon::start(&sipward, &config);
    let feeder = Feeder::new(pbx, &sipward);
    let item = |number: u32| {
        let source = std::net::Ipv4Addr::from(0xC612_0000 + number).to_string();
        json!({ "account": format!("a{number}"), "source": source, "method": "register", "outcome": "failed",
                "transport": "tls" })
    };
    let items: Vec<_> = (0..26_000).map(item).collect();
    let sum = feeder.pipe(&items);
    assert_eq!(sum, json!({ "taken": 26_000, "too_old": 0, "exempt": 0 }));
    assert_eq!(sipward.json("status")[0]["guard"]["evidence"], 26_000);
    daemon.terminate();
}

#[test]
fn refusals_that_a_program_reports_are_explained_and_change_nothing() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let (sipward, directory) = (Sipward::new(pbx), Scratch::new(pbx));
    let config = directory.file("sipward.toml", "interface = 'eth0'\n");
    let daemon = Daemon::start(&sipward, &config);
    assert_eq!(sipward.json("status")[0]["edge"], Value::Null);
    let mut stream = UnixStream::connect(paths::socket(&sipward.runtime())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let mut report = |count: usize| {
        let refused = json!({ "cause": "wrong-password", "account": "201", "source": SOURCE, "proven": true,
                              "status": 401, "count": 2, "ago": 1, "within": 5 });
        let totals = json!({ "uptime": 60, "served": 7, "causes": { "wrong-password": 2 },
                             "evidence_waiting": 0, "evidence_dropped": 3 });
        let call =
            json!({ "version": 1, "call": "report", "totals": totals, "refusals": vec![refused; count] });
        writeln!(stream, "{call}").unwrap();
        let mut line = String::new();
        answers.read_line(&mut line).expect("an answer in time");
        line
    };
    assert_eq!(report(10), "\"done\"\n");
    let edge = &sipward.json("status")[0]["edge"];
    assert_eq!((&edge["served"], &edge["causes"]["wrong-password"]), (&7.into(), &2.into()), "{edge}");
    let explained = sipward.json(&format!("explain {SOURCE}")).remove(0);
    let line = &explained["diagnoses"][0];
    assert_eq!((&line["cause"], &line["count"]), (&"wrong-password".into(), &20.into()), "{explained}");
    assert_eq!(sipward.json("account list"), Vec::<Value>::new(), "a report is no evidence");
    assert_eq!(sipward.json("events").iter().filter(|event| event["refused"].is_string()).count(), 10);
    let done = sipward.run("doctor --json");
    assert!(done.stdout.contains("3 outcomes found no place"), "{done}");
    assert!(report(257).contains("at most 256 in one call"));
    daemon.terminate();
}
