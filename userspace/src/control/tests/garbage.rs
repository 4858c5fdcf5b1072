//! Malformed input.

use std::{
    io::{Read as _, Write as _},
    net::Shutdown,
    time::Duration,
};

use proptest::prelude::*;

use super::daemon::Daemon;
use crate::{control::Limits, refusal::RefusalKind};
use sipward_api::Answer;

/// A request, where it matters.
const LONGEST: usize = 200;

#[test]
fn garbage_is_answered_with_what_is_wrong_and_the_client_may_go_on() {
    let daemon = Daemon::start(Limits::default());
    let mut client = daemon.raw();
    let long_name = format!("{{\"version\":1,\"call\":\"{}\"}}", "é".repeat(1 << 20));
    let deep = "[".repeat(100_000);
    for (line, expected) in [
        (&b""[..], "expected is one JSON object on a line, such as {\"version\":1,\"call\":\"status\"}"),
        (b"status", "expected is one JSON object"),
        (b"\0\0\0\0", "expected is one JSON object"),
        (b"\xff\xfe", "expected is one JSON object"),
        (b"GET / HTTP/1.1\r", "expected is one JSON object"),
        (b"[]", "expected is one JSON object"),
        (b"[1]", "expected is one JSON object"),
        (b"null", "expected is one JSON object"),
        (b"{}", "missing field `version`"),
        (deep.as_bytes(), "expected is one JSON object"),
        (br#"{"version":1,"call":"status"} {}"#, "trailing characters"),
        (br#"{"version":-1,"call":"status"}"#, "expected u32"),
        (br#"{"version":"1","call":"status"}"#, "expected u32"),
        (br#"{"version":1,"version":2,"call":"status"}"#, "duplicate field `version`"),
        (
            br#"{"version":7,"call":"whatever"}"#,
            "version 7 of the protocol, and this daemon speaks version 1",
        ),
        (br#"{"version":1}"#, "missing field `call`"),
        (br#"{"version":1,"call":1}"#, "this call is not understood"),
        (br#"{"version":1,"call":"drink"}"#, "unknown variant `drink`, expected one of `trust`, `ban`"),
        (br#"{"version":1,"call":"ban","call":"trust","sources":[]}"#, "duplicate field `call`"),
        (long_name.as_bytes(), "expected one of `trust`, `ban`"),
        (br#"{"version":1,"call":"status","follow":true}"#, "unknown field `follow`"),
        (br#"{"version":1,"call":"ban","sources":[],"froce":true}"#, "unknown field `froce`"),
        (br#"{"version":1,"call":"ban","sources":["192.0.2.1"]}"#, "invalid IP address syntax"),
        (b"{\"version\":1,\"call\":\"explain\",\"address\":\"\xff\"}", "invalid unicode code point"),
        (br#"{"version":1,"call":"ban"}"#, "missing field `sources`"),
    ] {
        client.send([line, b"\n"].concat());
        let refusal = client.failure();
        let shown = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
        assert!(refusal.message.contains(expected), "{shown}: {refusal}");
        assert!(refusal.message.len() < 1_200, "{shown}: {} bytes", refusal.message.len());
        assert_eq!(refusal.kind, RefusalKind::Wrong, "{shown}");
    }
    client.send("{\"version\":1,\"call\":\"status\"}\n");
    assert!(matches!(client.answer(), Some(Answer::Item(_))));
    assert_eq!(client.answer(), Some(Answer::Done));
}

#[test]
fn a_half_line_has_no_end() {
    let daemon = Daemon::start(Limits::default());
    let mut client = daemon.raw();
    client.send("{\"version\":1,\"call\":\"status\"}");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.failure().message, "the request has no end: a line ends with a line feed");
    assert_eq!(client.answer(), None);

    let mut gone = daemon.raw();
    gone.send("{\"version\":1,\"call\"");
    drop(gone);
    daemon.assert_serves();
}

#[test]
fn a_line_may_be_as_long_as_it_may_and_no_longer() {
    let daemon = Daemon::start(Limits { line: LONGEST, ..Limits::default() });
    let padded = |length| format!("{:<length$}\n", "{\"version\":1,\"call\":\"status\"}");
    let mut client = daemon.raw();
    client.send(padded(LONGEST));
    assert!(matches!(client.answer(), Some(Answer::Item(_))));
    assert_eq!(client.answer(), Some(Answer::Done));
    client.send(padded(LONGEST + 1));
    let refusal = client.failure();
    assert_eq!(refusal.kind, RefusalKind::Wrong);
    assert_eq!(refusal.message, "the request is longer than 200 bytes: ask in several parts");
    assert_eq!(client.answer(), None);
}

#[test]
fn a_line_that_never_ends_is_not_read_to_its_end() {
    let daemon = Daemon::start(Limits::default());
    let mut client = daemon.raw();
    let mut sent = 0;
    let block = [b'a'; 1 << 16];
    // Until the daemon has closed the connection.
    while client.stream.write_all(&block).is_ok() {
        sent += block.len();
        assert!(sent <= Limits::default().line + (1 << 20), "{sent} bytes were taken");
    }
    assert!(client.failure().message.starts_with("the request is longer than 4194304 bytes"));
    assert_eq!(client.answer(), None);
    daemon.assert_serves();
}

/// Bytes, more of which mean something than chance would have it.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..20),
        4 => "[{}\\[\\]\",:a-z0-9\\n]{0,20}".prop_map(String::into_bytes),
        2 => Just(b"{\"version\":1,\"call\":\"status\"}\n".to_vec()),
        1 => Just(b"{\"version\":1,\"call\":\"".to_vec()),
        1 => Just(vec![b'a'; LONGEST]),
        1 => Just(b"\n".to_vec()),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

/// The expected number of answers: one for each line, until one is too long or has no end.
fn expected_ends(sent: &[u8]) -> usize {
    let mut ends = 0;
    for line in sent.split_inclusive(|byte| *byte == b'\n') {
        ends += 1;
        if line.strip_suffix(b"\n").is_none_or(|line| line.len() > LONGEST) {
            break;
        }
    }
    ends
}

#[test]
fn whatever_is_sent_each_line_has_one_answer_and_the_next_client_is_served() {
    // One for all cases: it has to survive all of them.
    let daemon = Daemon::start(Limits { line: LONGEST, stall: Duration::from_secs(1), ..Limits::default() });
    proptest!(|(sent in bytes())| {
        let mut client = daemon.raw();
        // Fails where the daemon has had enough.
        let _ = client.stream.write_all(&sent);
        let _ = client.stream.shutdown(Shutdown::Write);
        let mut said = Vec::new();
        // Ends with an error where the daemon did not read all.
        let _ = client.stream.read_to_end(&mut said);
        let lines = said.split_inclusive(|byte| *byte == b'\n');
        let answers = lines.map(|line| serde_json::from_slice(line).unwrap());
        let ends = answers.filter(|answer| matches!(answer, Answer::Done | Answer::Failed(_))).count();
        prop_assert_eq!(ends, expected_ends(&sent));
        daemon.assert_serves();
    });
}
