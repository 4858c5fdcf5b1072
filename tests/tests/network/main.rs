//! Real SIP programs and a PBX behind the filter: hostile ones find nothing, and the others work as before.

mod calls;
mod floods;
mod lists;
mod scans;
mod swaps;

use sipward_tests::{
    command::Sipward,
    namespace::{Lan, Namespace},
    scratch::Scratch,
};

/// The hosts on the wire, by number.
const CUSTOMER: usize = 2;
const OTHER: usize = 3;

fn site() -> Lan {
    Lan::new(["pbx", "customer", "other"])
}

/// A filter on the PBX with the configuration that people start with.
fn protect(host: &Namespace) -> Sipward<'_> {
    protect_with(host, "")
}

/// The same with more settings.
fn protect_with<'a>(host: &'a Namespace, settings: &str) -> Sipward<'a> {
    let directory = Scratch::new(host);
    let config = directory.file("sipward.toml", &format!("interface = 'eth0'\nmode = 'enforce'\n{settings}"));
    let sipward = Sipward::new(host);
    let attached = sipward.json(&format!("attach --config {config}"));
    assert_eq!(attached[0]["xdp"], "native");
    sipward
}

/// Packets that fell for a reason, or would have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    packets: u64,
    would_drop: u64,
}

fn count(sipward: &Sipward<'_>, reason: &str) -> Count {
    let status = sipward.json("status");
    let rows = status[0]["reasons"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["reason"] == reason).unwrap_or_else(|| panic!("no reason {reason}"));
    let number = |name: &str| row[name].as_u64().expect("a number");
    Count { packets: number("packets"), would_drop: number("would_drop_packets") }
}

fn dropped(sipward: &Sipward<'_>, reason: &str) -> u64 {
    count(sipward, reason).packets
}
