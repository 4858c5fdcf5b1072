//! Tens of thousands of entries, beside other commands and after a restart.

use std::{
    net::{IpAddr, Ipv4Addr},
    process::Stdio,
};

use sipward_kernel::Tables;
use sipward_tests::{length::by_length, namespace::Lan};
use sipward_types::list_entry::{ListEntry, ListKind, Origin};
use sipward_types::time::KernelTime;
use xdp_prog::abi::{FOREVER, SourceEntry, kind};

use crate::{Backend, Site, net, said};

/// With no address of a prefix as the last.
fn many() -> u32 {
    by_length(20_000, 50_000)
}

/// Addresses and prefixes of both families, some with an end, some with a note.
fn line(n: u32) -> String {
    let v4 = Ipv4Addr::from_bits(0x0b00_0000 + n * 64);
    let source = match n % 10 {
        0 => format!("{v4}/27"),
        1 => format!("2001:db8:{:x}:{:x}::/64", n >> 16, n & 0xffff),
        2 | 3 => format!("2001:db8:{:x}:{:x}::7", n >> 16, n & 0xffff),
        _ => v4.to_string(),
    };
    let until = if n.is_multiple_of(3) { " until 2033-05-18T03:33:20Z" } else { "" };
    let note = if n.is_multiple_of(7) { format!(" # scanner {n}") } else { String::new() };
    format!("{source}{until}{note}\n")
}

fn import(site: &Site<'_>) {
    let text: String = (0..many()).map(line).collect();
    said(&site.import("ban", &text, ""), 0, by_length("20,000 banned\n", "50,000 banned\n"));
}

fn assert_banned(site: &Site<'_>) {
    let last = Ipv4Addr::from_bits(0x0b00_0000 + (many() - 1) * 64).to_string();
    for address in ["11.0.0.7", "2001:db8:0:1::1", "2001:db8:0:2::7", "11.0.1.0", &last] {
        assert!(site.drops(address), "{address}");
    }
    for address in ["11.0.0.33", "2001:db8:0:2::8", "11.0.1.1", "12.0.0.1"] {
        assert!(!site.drops(address), "{address}");
    }
}

#[test]
fn others_are_answered_while_a_list_is_imported() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let site = Site::new(pbx, Backend::Daemon);
    let text: String = (0..many()).map(line).collect();
    let file = site.scratch.file("list.txt", &text);
    let mut import = site.sipward.command(&format!("ban import {file}"));
    let mut import = import.stdout(Stdio::piped()).spawn().unwrap();
    let mut others = 0_u64;
    while import.try_wait().unwrap().is_none() {
        let other = Ipv4Addr::from_bits(0xcb00_7100 + u32::try_from(others).unwrap());
        site.sipward.ok(&format!("ban add {other} --note by-hand"));
        others += 1;
        let status = &site.sipward.json("status")[0];
        let banned = status["lists"]["banned"].as_u64().unwrap();
        assert!((others..=u64::from(many()) + others).contains(&banned), "{status}");
    }
    assert!(import.wait_with_output().unwrap().status.success());
    assert!(others > 0);
    let lists = site.on_the_lists();
    assert_eq!(lists.len() as u64, u64::from(many()) + others);
    assert_eq!(site.in_the_kernel(), lists);
    assert_banned(&site);
    assert!(site.drops("203.0.113.0"));
    assert_eq!(site.sipward.json("ban list --note by-hand").len() as u64, others);
}

#[test]
fn a_command_without_a_daemon_imports_as_much() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let site = Site::new(pbx, Backend::Local);
    import(&site);
    assert_eq!(site.in_the_kernel(), site.on_the_lists());
    assert_banned(&site);
}

#[test]
fn a_restart_makes_the_kernel_the_stores_mirror_again() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let mut site = Site::new(pbx, Backend::Daemon);
    import(&site);
    said(&site.import("trust", "192.0.2.0/24\n192.0.3.7 # provider\n", ""), 0, "2 trusted\n");
    let before = site.on_the_lists();
    site.restart();
    assert_eq!(site.in_the_kernel(), before, "when nothing is wrong");

    tamper(&mut site.tables());
    assert_ne!(site.in_the_kernel(), before);
    assert!(!site.drops("11.0.1.0") && site.drops("192.0.3.7") && site.drops("100.64.0.1"));
    site.restart();
    assert_eq!(site.in_the_kernel(), before);
    assert_eq!(site.on_the_lists(), before);
    assert_banned(&site);
    assert!(!site.drops("192.0.3.7") && !site.drops("100.64.0.1"));
    let log = site.daemon.as_ref().unwrap().log();
    let told = log.lines().rfind(|line| line.contains("lists: ")).unwrap();
    assert!(told.contains("1003 written into the kernel, 501 removed from it"), "{told}");
}

/// A thousand addresses and a prefix are gone, five hundred and a prefix are nobody's, and two addresses are wrong.
fn tamper(tables: &mut Tables) {
    let ban = SourceEntry { expires: FOREVER, kind: kind::BANNED, ..SourceEntry::default() };
    let (trusted, gone) = (address("192.0.3.7"), address("11.0.1.0"));
    let mut sources = tables.sources().unwrap();
    let others: Vec<_> =
        sources.iter().map(|item| item.unwrap().0).filter(|it| *it != trusted && *it != gone).collect();
    for address in [gone].into_iter().chain(others[..999].iter().copied()) {
        assert!(sources.remove(address).unwrap());
    }
    let strange = (0..500).map(|n| (Ipv4Addr::from_bits(0x6400_0000 + n).into(), ban));
    sources.put_all(strange).unwrap();
    sources.put(trusted, ban).unwrap();
    sources.put(others[999], SourceEntry { expires: 7, ..ban }).unwrap();
    drop(sources);
    let (gone, strange) = (net("11.0.0.0/27"), net("100.64.0.0/10"));
    assert!(tables.declarations().unwrap().remove(gone).unwrap());
    assert!(tables.prefixes().unwrap().remove(gone).unwrap());
    let list_entry = ListEntry { kind: ListKind::Banned, until: KernelTime::FOREVER, origin: Origin::Hand };
    tables.declarations().unwrap().put(strange, Some(list_entry), 0).unwrap();
    tables.prefixes().unwrap().put(strange, ban).unwrap();
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}
