//! Replacing signatures, and judging captures.

use std::fs;

use sipward_tests::{
    command::Sipward,
    frame::udp,
    message::{clean, request},
    namespace::Lan,
    scratch::Scratch,
};

use crate::{host, nothing_is_left, reachability::Reachability, refused};

#[test]
fn signatures_are_swapped_while_the_filter_runs() {
    let lan = Lan::new(["pbx", "scanner"]);
    let [pbx, scanner] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let directory = Scratch::new(pbx);
    let table = "[[signature]]\nname = 'new-scanner'\nin = 'Via'\ncontains = '776asdhds'\n";
    let file = directory.file("new.toml", table);
    let message = directory.file("message", &clean("SUBSCRIBE"));
    let mut hears = Reachability::new(pbx);
    sipward.ok("attach --iface eth0 --enforce");
    let shipped = sipward.json("status")[0]["signatures"].as_array().unwrap().len();
    assert!(hears.from(scanner, 1));
    refused(&sipward.run(&format!("signature test {message}")), 1, &["no signature drops it"]);

    assert_eq!(sipward.ok(&format!("signature test {message} --file {file}")), "new-scanner: drops\n");
    assert_eq!(sipward.json(&format!("signature check {file}"))[0]["signatures"], shipped + 1);
    let listed = sipward.ok(&format!("signature list --file {file}"));
    assert!(listed.contains("new-scanner") && listed.contains("friendly-scanner"), "{listed}");
    assert!(hears.from(scanner, 1), "none of this touched the filter");

    sipward.ok(&format!("signature load {file}"));
    assert!(!hears.from(scanner, 1));
    let status = sipward.json("status");
    let hits = status[0]["signatures"].as_array().unwrap().iter().find(|line| line["name"] == "new-scanner");
    assert_eq!(hits.unwrap()["hits"], 1);
    assert!(sipward.ok("events").contains("signature:new-scanner"));
    sipward.ok("signature load");
    assert!(hears.from(scanner, 1));
}

#[test]
fn a_capture_is_judged_without_a_filter() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let directory = Scratch::new(pbx);
    let file = directory.0.join("scan.pcap");
    fs::write(&file, pcap(&udp().carrying(request("REGISTER", "friendly-scanner")).build())).unwrap();
    let lines = sipward.json(&format!("replay {}", file.display()));
    assert_eq!(lines[0]["reason"], "signature:friendly-scanner", "{lines:?}");
    assert_eq!(lines[1]["summary"]["dropped"], 1, "{lines:?}");
    refused(&sipward.run("replay /nowhere/scan.pcap"), 2, &["/nowhere/scan.pcap"]);
    nothing_is_left(&sipward);
}

/// A capture file with one Ethernet frame.
fn pcap(frame: &[u8]) -> Vec<u8> {
    let header = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1];
    let record = [1_700_000_000, 0, frame.len() as u32, frame.len() as u32];
    let words = header.into_iter().chain(record).flat_map(u32::to_ne_bytes);
    words.chain(frame.iter().copied()).collect()
}
