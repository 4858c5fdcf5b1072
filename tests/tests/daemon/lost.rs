//! Packets that the host lost without the filter.

use std::fs;

use sipward_tests::namespace::Namespace;

use crate::site::{SIP, Site};

/// Packets that never came so far as the filter, or that it let pass.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) of_the_flood: u64,
    pub(crate) of_the_call: u64,
    pub(crate) by_the_socket: u64,
}

impl Lost {
    pub(crate) fn on_the_way(site: &Site) -> Self {
        Self {
            of_the_flood: sent_in_vain(&site.attacker) + received_in_vain(&site.pbx, "eth0"),
            of_the_call: sent_in_vain(&site.phone) + received_in_vain(&site.pbx, "eth1"),
            by_the_socket: dropped_by_the_socket(&site.pbx),
        }
    }
}

/// Columns of the kernel's table of interfaces, after the name.
const RECEIVE_DROPS: usize = 3;
const SEND_DROPS: usize = 11;

fn sent_in_vain(host: &Namespace) -> u64 {
    drops(host, "eth0", SEND_DROPS)
}

fn received_in_vain(host: &Namespace, interface: &str) -> u64 {
    drops(host, interface, RECEIVE_DROPS)
}

fn drops(host: &Namespace, interface: &str, column: usize) -> u64 {
    let table = host.enter(|| fs::read_to_string("/proc/thread-self/net/dev").expect("interfaces"));
    let line = table.lines().find_map(|line| line.trim().strip_prefix(interface)?.strip_prefix(':'));
    let columns = line.unwrap_or_else(|| panic!("no {interface}\n{table}"));
    columns.split_whitespace().nth(column).and_then(|drops| drops.parse().ok()).expect("a number")
}

/// Packets that arrived while the socket's buffer was full.
fn dropped_by_the_socket(host: &Namespace) -> u64 {
    let table = host.enter(|| fs::read_to_string("/proc/thread-self/net/udp6").expect("sockets"));
    let port = format!(":{SIP:04X}");
    let line =
        table.lines().find(|line| line.split_whitespace().nth(1).is_some_and(|at| at.ends_with(&port)));
    let last = line.and_then(|line| line.split_whitespace().last()).expect("the PBX's socket");
    last.parse().expect("a number")
}
