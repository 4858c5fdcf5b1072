//! Imports that are refused, and the reasons.

use std::fs;

use sipward_kernel::{Filter, LoadOptions, Pins, XdpChoice};
use sipward_tests::{
    command::{Done, Sipward},
    namespace::{Lan, Namespace},
    scratch::Scratch,
};

use crate::{Backend, Site, listed, net, said};

#[test]
fn a_wrong_file_changes_nothing() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let many: String = (0..20_000_u32).map(|n| format!("11.0.{}.{}\n", n / 256, n % 256)).collect();
    for backend in Backend::BOTH {
        let site = Site::new(pbx, backend);
        site.sipward.ok("ban add 198.51.100.1 --note before");
        for (text, place, what) in [
            (format!("{many}example.org\n"), 20_001, "\"example.org\": it is no address or prefix"),
            ("198.51.100.2\n198.51.100.3/24\n".to_owned(), 2, "bits beyond its length"),
            ("\n198.51.100.2 until noon\n".to_owned(), 2, "\"noon\": it is no time"),
            ("{\"source\":\"198.51.100.2\"}\n{\"sauce\":1}\n".to_owned(), 2, "unknown field `sauce`"),
            ("::/0\n".to_owned(), 1, "every IPv4 address"),
        ] {
            for list in ["ban", "trust"] {
                let done = site.import(list, &text, "");
                let file = site.scratch.0.join("list.txt").display().to_string();
                assert_eq!(done.code, Some(2), "{done}");
                assert!(done.stderr.contains(&format!("{file}:{place}: ")), "{done}");
                assert!(done.stderr.contains(what) && done.stderr.lines().count() == 1, "{done}");
            }
        }
        let done = site.sipward.run("ban import /nowhere/list.txt");
        assert!(done.code == Some(2) && done.stderr.contains("/nowhere/list.txt: cannot be read"), "{done}");
        assert_eq!(site.listed("ban"), [listed("198.51.100.1", None, Some("before"))], "{backend:?}");
        assert_eq!(site.listed("trust"), [], "{backend:?}");
        assert_eq!(site.in_the_kernel(), site.on_the_lists(), "{backend:?}");
    }
}

const LIST: &str = "10.90.0.1\n10.90.0.0/24\n10.90.0.200\n2001:db8:90::1\n198.51.100.9\n2.0.0.0/7\n192.0.2.5\n\
                    192.0.2.66\n192.0.2.77\n192.0.2.200\n203.0.113.9 until 2001-01-01T00:00:00Z\n203.0.113.10\n";

#[test]
fn what_would_cut_somebody_off_is_left_out_and_named() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    pbx.ip("route add default via 10.90.0.200");
    for backend in Backend::BOTH {
        let lists = "trusted = ['192.0.2.77']\nbanned = ['192.0.2.66']\n";
        let site = Site::configured(pbx, backend, lists);
        site.sipward.ok("trust add 192.0.2.5 192.0.2.192/26");
        let file = site.scratch.file("list.txt", LIST);
        let import = |options: &str| {
            let mut import = site.sipward.command(&format!("ban import {file} {options}"));
            Done::of(import.env("SSH_CONNECTION", "198.51.100.9 50412 10.90.0.1 22"))
        };
        let by_file =
            "192.0.2.77: it is trusted by the configuration file: change it there, then `sipward reload`";
        let careful = [
            "2.0.0.0/7: it is a large part of the internet, shorter than /8",
            "10.90.0.0/24: it holds 10.90.0.1, an address of this host",
            "10.90.0.1: it is an address of this host",
            "10.90.0.200: it is the default gateway",
            "192.0.2.5: it is trusted",
            by_file,
            "198.51.100.9: it is where your own SSH session comes from",
            "2001:db8:90::1: it is an address of this host",
        ];
        let done = import("");
        said(
            &done,
            1,
            "3 banned\n1 of them without effect: they are inside trusted prefixes\n1 left out: they had expired\n",
        );
        assert_eq!(done.stderr, format!("sipward: 8 refused:\n{}\n", careful.join("\n")), "{backend:?}");
        let banned = ["192.0.2.66", "192.0.2.200", "203.0.113.10"];
        assert_eq!(sources(&site), banned, "{backend:?}");
        assert!(site.drops("203.0.113.10") && site.drops("192.0.2.66"), "{backend:?}");
        assert!(!site.drops("192.0.2.200") && !site.drops("192.0.2.5"), "{backend:?}");

        let done = import("--json");
        let result: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
        let expected = serde_json::json!({
            "entries": 12, "imported": 3, "shadowed": 1, "over": 1, "refused": 8, "because": careful,
        });
        assert_eq!((done.code, result), (Some(1), expected), "{backend:?}");

        let done = import("--force");
        let trusted = ["192.0.2.5: it is trusted", by_file].join("\n");
        assert_eq!(done.stderr, format!("sipward: 2 refused:\n{trusted}\n"), "{backend:?}");
        assert_eq!(sources(&site).len(), 9, "{backend:?}");
        let (kernel, lists) = (site.in_the_kernel(), site.on_the_lists());
        assert_eq!(kernel, lists, "{backend:?}");
        // Entries of the configuration keep their origin.
        let origin = site.sipward.json("ban list --within 192.0.2.66/32")[0]["origin"].clone();
        assert_eq!(origin, "config", "{backend:?}");
    }
}

fn sources(site: &Site<'_>) -> Vec<String> {
    site.listed("ban").into_iter().map(|listed| listed.source).collect()
}

#[test]
fn of_many_refused_the_first_are_named() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let site = Site::new(pbx, Backend::Daemon);
    let many: String = (0..12_000_u32).map(|n| format!("11.0.{}.{}\n", n / 256, n % 256)).collect();
    said(&site.import("trust", &many, ""), 0, "12,000 trusted\n");
    let done = site.import("ban", &many, "");
    said(&done, 1, "0 banned\n");
    let lines: Vec<_> = done.stderr.lines().collect();
    assert_eq!(lines.len(), 12, "{done}");
    assert_eq!((lines[0], lines[1]), ("sipward: 12,000 refused:", "11.0.0.0: it is trusted"), "{done}");
    assert_eq!(lines[11], "and 11,990 more", "{done}");
}

#[test]
fn trust_puts_the_bans_within_to_sleep_and_an_import_wakes_none() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    for backend in Backend::BOTH {
        let site = Site::new(pbx, backend);
        let bans: String = (0..1_000_u32).map(|n| format!("11.0.{}.{}\n", n / 256, n % 256)).collect();
        assert_eq!(site.import("ban", &format!("{bans}11.0.0.0/28\n2a00:db8::/32\n"), "").code, Some(0));
        let trusted: String = (0..62_u32).map(|n| format!("11.0.{}.{}/28\n", n / 16, n % 16 * 16)).collect();
        said(&site.import("trust", &format!("{trusted}2a00:db8:1::/48\n"), ""), 0, "63 trusted\n");
        for (address, drops) in [
            ("11.0.0.7", false),
            ("11.0.3.223", false),
            ("11.0.3.225", true),
            ("2a00:db8:1::7", false),
            ("2a00:db8:2::7", true),
        ] {
            assert_eq!(site.drops(address), drops, "{backend:?}: {address}");
        }
        let again = site.import("ban", &bans, "--json");
        let result: serde_json::Value = serde_json::from_str(&again.stdout).unwrap();
        assert_eq!((&result["imported"], &result["shadowed"]), (&1_000.into(), &992.into()), "{again}");
        assert!(!site.drops("11.0.0.7"), "{backend:?}");
        // A ban on the very same prefix gives way, as with `trust add`.
        assert_eq!(site.in_the_kernel()[&net("11.0.0.0/28")].0, sipward_types::list_entry::ListKind::Trusted);
        assert_eq!(site.in_the_kernel(), site.on_the_lists(), "{backend:?}");
    }
}

/// A filter with room for few addresses.
fn small(host: &Namespace, room: u32) -> Site<'_> {
    let sipward = Sipward::new(host);
    let pins = Pins::at(sipward.pins());
    let lock = pins.claim().unwrap();
    host.enter(|| {
        let options = LoadOptions { pins: Some(pins.clone()), max_sources: Some(room) };
        let mut filter = Filter::load(&options).unwrap();
        filter.attach("eth0", XdpChoice::Auto).unwrap();
        filter.persist().unwrap();
    });
    drop(lock);
    Site { sipward, scratch: Scratch::new(host), daemon: None }
}

#[test]
fn what_does_not_fit_leaves_everything_as_it_was() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let site = small(pbx, 100);
    let before = "198.51.100.0/28 until 2033-05-18T03:33:20Z\n198.51.100.1 # before\n198.51.100.2 until \
                  2033-05-18T03:33:20Z\n";
    said(&site.import("ban", before, ""), 0, "3 banned\n");
    said(&site.import("trust", "198.51.100.128/25\n", ""), 0, "1 trusted\n");
    let (lists, kernel) = (site.listed("ban"), site.in_the_kernel());
    let many: String = (0..200).map(|n| format!("11.0.0.{n}\n")).collect();
    let done =
        site.import("ban", &format!("{many}198.51.100.0/28\n198.51.100.1\n198.51.100.2\n198.51.99.0/24"), "");
    said(&done, 1, "");
    assert!(done.stderr.contains("full"), "{done}");
    assert_eq!((site.listed("ban"), site.in_the_kernel()), (lists, kernel));
    assert_eq!(site.in_the_kernel(), site.on_the_lists());

    let fits: String = (0..98).map(|n| format!("11.0.0.{n}\n")).collect();
    said(&site.import("ban", &fits, ""), 0, "98 banned\n");
    assert_eq!(site.in_the_kernel(), site.on_the_lists());
}

#[test]
fn without_a_filter_nothing_is_imported() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let scratch = Scratch::new(pbx);
    let file = scratch.file("list.txt", "198.51.100.1\n");
    let done = sipward.run(&format!("ban import {file}"));
    said(&done, 1, "");
    assert!(done.stderr.contains("sipward attach"), "{done}");
    assert!(fs::metadata(sipward.state()).is_err(), "nothing was made");
}
