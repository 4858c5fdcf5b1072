//! The whole way, from a file to the report.

use std::{io, time::Duration};

use pcap_file::Endianness;
use serde_json::{Value, json};
use sipward_testkit::{message, scratch::Scratch};

use super::{
    super::{Format, ReplayError, run},
    captures::pcap,
    frames::*,
};
use crate::policy::Config;

fn replay(name: &str, capture: &[u8], config: &str, format: Format) -> (String, Result<(), ReplayError>) {
    let directory = Scratch::new("replay");
    let file = directory.file(name, capture);
    let resolved = Config::parse(config, "test").unwrap().resolve().unwrap();
    let mut output = Vec::new();
    let result = run(&file, &resolved, &mut output, format);
    (String::from_utf8(output).unwrap(), result)
}

/// A scanner, a customer, a call from a provider over IPv6, and something that is not IP.
fn morning() -> Vec<u8> {
    let scan = message::request("REGISTER", "friendly-scanner");
    let frames = [
        ethernet(&datagram("203.0.113.66:5060", PBX, &request("OPTIONS"))),
        ethernet(&datagram("203.0.113.66:5060", PBX, scan.as_bytes())),
        ethernet(&datagram(PHONE, PBX, &request("REGISTER"))),
        ethernet(&datagram(PHONE6, PBX6, &request("INVITE"))),
        ethernet(&ip(PHONE, PBX, 1, &[8; 64])),
        [&[0xff; 12][..], &[0x08, 0x06], &[0; 28]].concat(),
    ];
    let at = |index: u64| Duration::new(1_700_000_000, 0) + Duration::from_micros(index * 250_001);
    let packets: Vec<(Duration, &[u8])> = (0..).map(at).zip(frames.iter().map(Vec::as_slice)).collect();
    pcap(1, false, Endianness::Little, &packets)
}

const POLICY: &str = "mode = \"monitor\"\ntrusted = [\"2001:db8:1::/48\"]";

#[test]
fn each_packet_is_a_line_of_json_and_the_sums_are_the_last() {
    let (output, result) = replay("json", &morning(), POLICY, Format::Json);
    result.unwrap();
    let expected = [
        r#"{"n":1,"ts":1700000000.0,"src":"203.0.113.66","sport":5060,"dst":"198.51.100.1","dport":5060,"verdict":"drop","reason":"options-stranger"}"#,
        r#"{"n":2,"ts":1700000000.250001,"src":"203.0.113.66","sport":5060,"dst":"198.51.100.1","dport":5060,"verdict":"drop","reason":"signature:friendly-scanner"}"#,
        r#"{"n":3,"ts":1700000000.500002,"src":"192.0.2.9","sport":5070,"dst":"198.51.100.1","dport":5060,"verdict":"pass","reason":"request"}"#,
        r#"{"n":4,"ts":1700000000.750003,"src":"2001:db8:1:2::9","sport":5070,"dst":"2001:db8:ff::1","dport":5060,"verdict":"pass","reason":"trusted"}"#,
        r#"{"n":5,"ts":1700000001.000004,"src":"192.0.2.9","sport":null,"dst":"198.51.100.1","dport":null,"verdict":"pass","reason":"other-port"}"#,
        r#"{"n":6,"ts":1700000001.250005,"src":null,"sport":null,"dst":null,"dport":null,"verdict":"pass","reason":"not-ip"}"#,
    ];
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[..6], expected);
    assert_eq!(lines.len(), 7);
    let one = |reason: &str| json!({"packets": 1, "passed": 1, "dropped": 0, "by_reason": {reason: 1}});
    let summary: Value = serde_json::from_str(lines[6]).unwrap();
    assert_eq!(
        summary,
        json!({"summary": {
            "packets": 6, "passed": 4, "dropped": 2, "truncated": 0, "guesses_judged": false,
            "by_reason": {
                "options-stranger": 1, "signature:friendly-scanner": 1, "request": 1, "trusted": 1,
                "other-port": 1, "not-ip": 1
            },
            "by_source": {
                "203.0.113.66": {"packets": 2, "passed": 0, "dropped": 2,
                    "by_reason": {"options-stranger": 1, "signature:friendly-scanner": 1}},
                "192.0.2.9": {"packets": 2, "passed": 2, "dropped": 0, "by_reason": {"request": 1, "other-port": 1}},
                "2001:db8:1:2::9": one("trusted"),
            }
        }})
    );
    assert!(
        lines[6].find("203.0.113.66").unwrap() < lines[6].find("\"192.0.2.9\"").unwrap(),
        "the worst first"
    );
}

#[test]
fn people_get_a_table() {
    let (output, result) = replay("human", &morning(), POLICY, Format::Human);
    result.unwrap();
    for expected in [
        "       1      0.000000  drop     options-stranger             203.0.113.66:5060 → 198.51.100.1:5060\n",
        "       4      0.750003  pass     trusted                      [2001:db8:1:2::9]:5070 → [2001:db8:ff::1]:5060\n",
        "       5      1.000004  pass     other-port                   192.0.2.9 → 198.51.100.1\n",
        "       6      1.250005  pass     not-ip                       ? → ?\n",
        "\n6 packets: 4 would pass, 2 would be dropped.\n",
        "       1  drop     options-stranger             OPTIONS from a source that is neither trusted nor known.\n",
        "       2        0        2  options-stranger             203.0.113.66\n",
    ] {
        assert!(output.contains(expected), "{expected} is not in:\n{output}");
    }
}

#[test]
fn a_broken_capture_is_reported_as_far_as_it_goes() {
    let capture = morning();
    let (output, result) = replay("broken", &capture[..capture.len() - 1], POLICY, Format::Json);
    let error = result.unwrap_err().to_string();
    assert!(error.contains("/broken: the file is cut off, its last part is not whole (byte "), "{error}");
    assert!(error.ends_with(", after packet 5)"), "{error}");
    assert_eq!(output.lines().count(), 6);
    assert!(output.lines().last().unwrap().starts_with(r#"{"summary":{"packets":5,"#));
}

#[test]
fn an_empty_capture_is_a_report_of_nothing() {
    let capture = pcap(1, false, Endianness::Little, &[]);
    let (output, result) = replay("empty", &capture, "", Format::Json);
    result.unwrap();
    assert!(output.starts_with(r#"{"summary":{"packets":0,"#));
    let (output, result) = replay("empty-human", &capture, "", Format::Human);
    result.unwrap();
    assert_eq!(output, "\n0 packets: 0 would pass, 0 would be dropped.\n");
}

#[test]
fn a_packet_cut_short_is_marked_and_counted() {
    let frame = ethernet(&datagram(PHONE, PBX, &request("OPTIONS")));
    let mut capture = pcap(1, false, Endianness::Little, &[(Duration::ZERO, &frame[..96])]);
    capture[24 + 12..24 + 16].copy_from_slice(&(frame.len() as u32).to_le_bytes());
    let (output, result) = replay("snap", &capture, "", Format::Json);
    result.unwrap();
    assert!(output.contains(r#""reason":"options-stranger","truncated":true}"#), "{output}");
    assert!(output.contains(r#""truncated":1,"#), "{output}");
    let (output, _) = replay("snap-human", &capture, "", Format::Human);
    assert!(output.contains("(cut short in the capture)\n"), "{output}");
}

#[test]
fn what_the_host_sent_is_not_judged() {
    let packet = datagram(PBX, "192.0.2.9:5060", &request("OPTIONS"));
    let cooked = [&[0, 4, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0, 8, 0], &packet[..]].concat();
    let capture = pcap(113, false, Endianness::Little, &[(Duration::ZERO, &cooked)]);
    let (output, result) = replay("outgoing", &capture, "", Format::Json);
    result.unwrap();
    assert!(
        output.contains(r#""src":"198.51.100.1","sport":5060,"dst":"192.0.2.9","dport":5060,"verdict":"pass","reason":"outgoing"}"#),
        "{output}"
    );
}

#[test]
fn the_unspecified_address_is_an_address() {
    let frame = ethernet(&ip("[::]:0", "[ff02::16]:0", 58, &[143; 8]));
    let capture = pcap(1, false, Endianness::Little, &[(Duration::ZERO, &frame)]);
    let (output, _) = replay("unspecified", &capture, "", Format::Json);
    assert!(output.contains(r#""src":"::","sport":null,"dst":"ff02::16","dport":null"#), "{output}");
}

#[test]
fn limits_go_by_the_captures_clock() {
    let frame = ethernet(&datagram(PHONE, PBX, &request("REGISTER")));
    let packets =
        |gap: u64| -> Vec<_> { (0..90).map(|n| (Duration::from_millis(n * gap), &frame[..])).collect() };
    for (gap, dropped) in [(100, 30), (2_000, 0)] {
        let capture = pcap(1, false, Endianness::Little, &packets(gap));
        let limit = "[rate]\nregister = { max = 60 }";
        let (output, _) = replay(&format!("gap{gap}"), &capture, limit, Format::Json);
        let found =
            output.lines().filter(|line| line.contains("\"rate:register\"") && line.contains("\"n\":"));
        assert_eq!(found.count(), dropped, "one every {gap} ms");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let resolved = Config::default().resolve().unwrap();
    let error = run("/nonexistent.pcap".as_ref(), &resolved, &mut Vec::new(), Format::Json).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/nonexistent.pcap: cannot open it: No such file or directory: check the path"
    );
}

/// A reader that leaves, and a full disk.
struct Refusing(io::ErrorKind);

impl io::Write for Refusing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(self.0.into())
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error_and_a_full_disk_is() {
    let directory = Scratch::new("replay");
    let file = directory.file("pipe", morning());
    let resolved = Config::default().resolve().unwrap();
    for format in [Format::Json, Format::Human] {
        run(&file, &resolved, &mut Refusing(io::ErrorKind::BrokenPipe), format).unwrap();
        let error = run(&file, &resolved, &mut Refusing(io::ErrorKind::StorageFull), format).unwrap_err();
        assert_eq!(error.to_string(), "cannot write the report: no storage space");
    }
}
