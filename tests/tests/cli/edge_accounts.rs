//! The accounts of the edge: the commands that keep them, and the difference between their status and a lock.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::MetadataExt as _,
    process::Stdio,
};

use serde_json::json;
use sipward_tests::{
    command::{Done, Sipward},
    daemon::Daemon,
    edge::section,
    scratch::Scratch,
    terminal::terminal,
};

use crate::{host, refused};

const PASSWORD: &str = "s3cret-Horse-9";
/// Of Mufasa in testrealm@host.com (RFC 2617 §3.5).
const MD5: &str = "939e7578ed9e3c518a452acee763bce9";

/// A command with a text on its standard input.
fn typed(sipward: &Sipward<'_>, line: &str, input: &str) -> Done {
    let (reader, mut writer) = io::pipe().unwrap();
    writer.write_all(input.as_bytes()).unwrap();
    drop(writer);
    Done::of(sipward.command(line).stdin(reader))
}

/// The same, of a command that must succeed; its standard output.
fn ok(sipward: &Sipward<'_>, line: &str, input: &str) -> String {
    let done = typed(sipward, line, input);
    assert_eq!(done.code, Some(0), "{done}");
    shows_no_secret(&done);
    done.stdout
}

fn shows_no_secret(done: &Done) {
    let shown = format!("{}{}", done.stdout, done.stderr);
    for secret in [PASSWORD, "s3cret", MD5] {
        assert!(!shown.contains(secret), "{done}");
    }
}

#[test]
fn an_account_is_added_changed_shown_and_deleted_without_a_filter() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    assert!(sipward.ok("account list --all").starts_with("No accounts of the edge."));
    assert!(!sipward.state().join("accounts.db").exists(), "to look makes nothing");
    let added =
        ok(&sipward, "account add 201 --from 192.0.2.0/24 --from 2001:db8::1", &format!("{PASSWORD}\n"));
    assert_eq!(added, "201: added\n");
    assert_eq!(fs::metadata(sipward.state().join("accounts.db")).unwrap().mode() & 0o777, 0o640);
    ok(&sipward, "account add 202 --ha1 MD5:testrealm@host.com --expires 2026-01-31", MD5);
    let changed = ok(&sipward, "account set 201 --status disabled --expires 2037-01-31", "");
    assert_eq!(changed, "201: status disabled, expires 2037-01-31T00:00:00Z\n");
    let listed = ok(&sipward, "account list --all --json", "");
    let listed: Vec<serde_json::Value> =
        listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected = [
        json!({ "account": "201", "status": "disabled", "expires": 2_116_972_800, "expired": false,
                "from": ["192.0.2.0/24", "2001:db8::1"], "secret": ["password"], "realm": null, "weak": [] }),
        json!({ "account": "202", "status": "normal", "expires": 1_769_817_600, "expired": true,
                "from": [], "secret": ["MD5"], "realm": "testrealm@host.com", "weak": [] }),
    ];
    assert_eq!(listed, expected);
    assert_eq!(ok(&sipward, "account set 201", "another-Password-7"), "201: new password\n");
    assert_eq!(ok(&sipward, "account set 201 --from anywhere", ""), "201: from anywhere\n");
    let shown = ok(&sipward, "account show 201", "");
    for said in
        ["account 201 of the edge: disabled\n", "allowed from: anywhere", "--status normal` lets it in"]
    {
        assert!(shown.contains(said), "{said:?} is missing in\n{shown}");
    }
    assert_eq!(ok(&sipward, "account del 201", ""), "201: no longer an account of the edge\n");
    assert_eq!(sipward.json("account list --all").len(), 1);
}

#[test]
fn a_terminal_is_asked_twice_and_shows_nothing_and_neither_does_ps() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    for (name, again, code) in [("201", PASSWORD, 0), ("202", "s3cret-Mouse-9", 2)] {
        let (mut ours, theirs) = terminal();
        let mut command = sipward.command(&format!("account add {name}"));
        command.stdin(theirs).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut asks = command.spawn().unwrap();
        // It holds its end of the terminal, which this test waits for.
        drop(command);
        let mut stderr = asks.stderr.take().unwrap();
        for (prompt, answer) in
            [(format!("Password of {name}: "), PASSWORD), ("The same again: ".to_owned(), again)]
        {
            let mut asked = vec![0; prompt.len()];
            stderr.read_exact(&mut asked).unwrap();
            assert_eq!(String::from_utf8_lossy(&asked), prompt);
            writeln!(ours, "{answer}").unwrap();
        }
        let seen = fs::read(format!("/proc/{}/cmdline", asks.id())).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&seen).contains("s3cret"));
        let done = asks.wait_with_output().unwrap();
        assert_eq!(done.status.code(), Some(code), "{done:?}");
        let mut shown = String::new();
        // Reading a terminal whose other end is closed is an error.
        drop(ours.read_to_string(&mut shown));
        assert_eq!(shown, "\r\n\r\n");
    }
    assert_eq!(sipward.json("account list --all").len(), 1);
}

#[test]
fn a_mistake_changes_nothing_and_repeats_no_secret() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    ok(&sipward, "account add 201", PASSWORD);
    for (line, input, code, said) in [
        ("account add 201".to_owned(), PASSWORD, 1, "`sipward account set 201` changes it"),
        ("account add 202".to_owned(), "", 2, "Password of 202: there is none"),
        ("account add 202".to_owned(), "s3cret\x07", 2, "control character"),
        (format!("account add 202 {PASSWORD}"), "", 2, "no secret belongs on a command line"),
        (format!("account set 201 {PASSWORD}"), "", 2, "no secret belongs on a command line"),
        (format!("account add 202 --ha1 MD5:realm:{MD5}"), "", 2, "no secret belongs on a command line"),
        ("account add 202 --ha1 MD5:realm".to_owned(), "s3cret", 2, "32 hexadecimal digits"),
        ("account add 202 --ha1 MD5-sess:realm".to_owned(), MD5, 2, "MD5, SHA-256 or SHA-512-256"),
        ("account add 202 --ha1 MD5:a --ha1 SHA-256:b".to_owned(), MD5, 2, "of one realm"),
        ("account set 202 --status locked".to_owned(), "", 1, "not in the database of the edge"),
        ("account del 202".to_owned(), "", 1, "not in the database of the edge"),
    ] {
        let done = typed(&sipward, &line, input);
        refused(&done, code, &[said]);
        shows_no_secret(&done);
    }
    for line in
        [format!("account add 202 --password {PASSWORD}"), format!("account set 201 --password={PASSWORD}")]
    {
        let done = typed(&sipward, &line, "");
        assert_eq!(done.code, Some(2), "{done}");
        shows_no_secret(&done);
    }
    let names: Vec<_> =
        sipward.json("account list --all").iter().map(|account| account["account"].clone()).collect();
    assert_eq!(names, ["201"]);
}

#[test]
fn a_file_is_imported_as_a_whole_and_weak_passwords_are_named() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let scratch = Scratch::new(pbx);
    ok(&sipward, "account add 201 --status locked", PASSWORD);
    let wrong =
        scratch.file("wrong.txt", "300 s3cret\n301 s3cret s3cret\n302 s3cret status=open expires=soon\n");
    let done = sipward.run(&format!("account import {wrong}"));
    assert_eq!(done.code, Some(2), "{done}");
    for place in ["wrong.txt:2: ", "wrong.txt:3: status: ", "wrong.txt:3: expires: "] {
        assert!(done.stderr.contains(place), "{place} is missing\n{done}");
    }
    assert_eq!(sipward.json("account list --all").len(), 1, "nothing of it");

    let text =
        format!("201 201201201201\n300 s3cret\n301 \"{PASSWORD} {PASSWORD}\"\n302 {{MD5}}{MD5} realm=x\n");
    let right = scratch.file("right.txt", &text);
    let done = sipward.run(&format!("account import {right}"));
    shows_no_secret(&done);
    assert_eq!(done.stdout, "3 added, 1 replaced\n", "{done}");
    assert!(done.stderr.contains("2 of them with a weak password"), "{done}");
    assert!(done.stderr.contains("everybody may read"), "{done}");
    let weak = sipward.json("account list --weak");
    let named: Vec<_> =
        weak.iter().map(|account| (account["account"].clone(), account["weak"].clone())).collect();
    assert_eq!(named, [(json!("201"), json!(["no-mix", "account-name"])), (json!("300"), json!(["short"])),]);
    assert_eq!(weak[0]["status"], "normal", "as the file has it");
    let piped = typed(&sipward, "account import - --json", &text);
    let counts: serde_json::Value = serde_json::from_str(&piped.stdout).unwrap();
    assert_eq!(counts, json!({ "added": 0, "replaced": 4, "weak": ["201", "300"] }));
}

#[test]
fn a_status_is_no_lock_and_each_command_says_which_is_which() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    sipward.ok("attach --iface eth0");
    ok(&sipward, "account add 201", PASSWORD);
    assert_eq!(sipward.ok("account list"), "No suspensions or locks.\n");
    sipward.ok("account lock 201 --for 30m");
    let set = ok(&sipward, "account set 201 --status locked", "");
    assert!(set.contains("`sipward account unlock` does not"), "{set}");

    let listed = sipward.ok("account list");
    assert!(
        listed.ends_with("1 account is refused by its status at the edge: `sipward account list --all`\n"),
        "{listed}"
    );
    let all = sipward.ok("account list --all");
    let row: Vec<_> = all.lines().nth(1).unwrap().split_whitespace().collect();
    let (left, row) = row.split_last().unwrap();
    assert_eq!(row, ["201", "locked", "never", "anywhere", "password", "locked,"], "{all}");
    assert!(["30m", "29m59s", "29m58s"].contains(left), "{all}");
    let shown = sipward.ok("account show 201");
    assert!(shown.starts_with("account 201 of the edge: locked\n"), "{shown}");
    assert!(shown.contains("\nThe guard:\naccount 201: locked\n"), "{shown}");
    assert_eq!(sipward.ok("explain 201"), shown);
    let item = &sipward.json("account show 201")[0];
    assert_eq!((&item["status"], &item["edge"]["status"]), (&json!("locked"), &json!("locked")), "{item}");

    let unlocked = sipward.run("account unlock 201");
    assert_eq!(unlocked.stdout, "201: no longer locked\n");
    assert!(unlocked.stderr.contains("`sipward account set 201 --status normal` ends that"), "{unlocked}");
    ok(&sipward, "account set 201 --status normal", "");
    assert_eq!(sipward.ok("account list"), "No suspensions or locks.\n");
}

#[test]
fn changes_are_in_the_audit_trail_without_their_secrets() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let early = typed(&sipward, "account add 200", PASSWORD);
    assert_eq!(early.code, Some(0), "{early}");
    assert!(
        early.stderr.contains("done, but not in the audit trail: the first start of the daemon makes"),
        "{early}"
    );
    sipward.ok("attach --iface eth0");
    sipward.ok("trust add 192.0.2.1");
    let scratch = Scratch::new(pbx);
    let file = scratch.file("accounts.txt", &format!("300 {PASSWORD}\n"));
    ok(&sipward, "account add 201 --expires 2037-01-31", PASSWORD);
    ok(&sipward, "account set 201", "another-Password-7");
    ok(&sipward, "account set 201 --status locked --from 192.0.2.0/24", "");
    ok(&sipward, "account del 201", "");
    ok(&sipward, &format!("account import {file}"), "");
    let told = |line: &serde_json::Value| {
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        (text("what"), text("target"), text("detail"))
    };
    let trail: Vec<_> = sipward.json("audit --account 201").iter().map(told).collect();
    let line = |what: &str, detail: &str| (what.to_owned(), "201".to_owned(), detail.to_owned());
    let expected = [
        line("account del", ""),
        line("account set", "status locked, from 192.0.2.0/24"),
        line("account set", "new password"),
        line("account add", "new password, expires 2037-01-31T00:00:00Z"),
    ];
    assert_eq!(trail, expected);
    let import = told(&sipward.json("audit --limit 1")[0]);
    assert_eq!(import, ("account import".to_owned(), file, "1 added, 0 replaced".to_owned()));
}

#[test]
fn a_check_of_the_configuration_looks_at_the_accounts_of_its_edge() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let scratch = Scratch::new(pbx);
    let edge = "[edge]\nlisten = ['udp:192.0.2.1:5060', 'tcp:192.0.2.1:5065']\ninner = '127.0.0.1:5070'\npbx = '127.0.0.1:5080'\n\
                realm = 'example.com'\naccounts = 'accounts.txt'\n";
    let config = scratch.file("sipward.toml", &format!("interface = 'eth0'\n{edge}"));
    let missing = sipward.run(&format!("check {config}"));
    refused_with(&missing, "accounts.txt: cannot read the accounts: No such file");
    scratch.file("accounts.txt", "300 s3cret status=open\n");
    let wrong = sipward.run(&format!("check {config}"));
    refused_with(&wrong, "accounts.txt:1: status: ");

    scratch.file("accounts.txt", &format!("300 s3cret\n301 {PASSWORD}\n302 {{MD5}}{MD5} realm=other\n"));
    ok(&sipward, "account add 201 --ha1 SHA-256:example.com", &MD5.repeat(2));
    let right = sipward.run(&format!("check {config}"));
    shows_no_secret(&right);
    assert!(right.stdout.ends_with("4 accounts of the edge.\n"), "{right}");
    for said in [
        "does not look at tcp:192.0.2.1:5065, so that bans have no effect there: add 5065 to ports.tcp",
        "everybody may read",
        "account 300: a weak password: it has fewer than 12 characters",
        "account 302: its HA1s are of the realm other",
        "account 201: it has no HA1 of MD5",
    ] {
        assert!(right.stderr.contains(said), "{said} is missing\n{right}");
    }
    assert!(!right.stderr.contains("udp:192.0.2.1:5060"), "{right}");
    let line = &sipward.json(&format!("check {config}"))[0];
    assert_eq!(
        (&line["accounts"]["count"], &line["accounts"]["problems"][0]["account"]),
        (&json!(4), &json!("201"))
    );
    scratch.file("accounts.txt", "201 twice-Twice-2\n");
    let twice = sipward.run(&format!("check {config}"));
    refused_with(&twice, "account 201 is in the file of accounts and in the database");
}

/// Refused, after warnings.
fn refused_with(done: &Done, said: &str) {
    assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{done}");
    assert!(done.stderr.contains(said), "{done}");
}

#[test]
fn whoever_adds_an_account_that_the_file_has_is_told() {
    let lan = host();
    let [pbx] = lan.hosts();
    let (sipward, directory) = (Sipward::new(pbx), Scratch::new(pbx));
    directory.file("accounts.txt", "201 a\n202 b\n");
    let config = directory.file("sipward.toml", &format!("interface = 'eth0'\n{}", section("")));
    // Which file that is, the daemon knows.
    let _daemon = Daemon::start(&sipward, &config);
    let warns = |line: &str, input: &str| {
        let done = typed(&sipward, line, input);
        assert_eq!(done.code, Some(0), "{done}");
        done.stderr
    };
    let warned = warns("account add 201", &format!("{PASSWORD}\n"));
    assert!(warned.contains("201 is in ") && warned.contains("accounts.txt, too"), "{warned}");
    let quiet = warns("account add 209", &format!("{PASSWORD}\n"));
    assert!(!quiet.contains("accounts.txt"), "{quiet}");
    let warned = warns("account import -", &format!("201 {PASSWORD}\n202 {PASSWORD}\n210 {PASSWORD}\n"));
    assert!(warned.contains("2 of them, such as 201, are in "), "{warned}");
}
