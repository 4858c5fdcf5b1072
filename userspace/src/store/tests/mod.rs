//! Tests of the store on real disks.

mod accidents;
mod audit_trail;
mod boots;
mod damage;
mod disks;
mod guard;
mod layout;
mod lists;
mod memory;
mod model;

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::IpNet;

use super::{Entry, Store, StoreErrorKind};
use crate::clock::Clock;
use sipward_api::Query;
use sipward_testkit::scratch::Scratch;
use sipward_types::{
    list_entry::{ListKind, Origin},
    time::{KernelTime, WallTime},
};

fn database(directory: &Path) -> PathBuf {
    directory.join("sipward.db")
}

/// November 2026.
const TODAY: WallTime = WallTime::from_millis(1_795_000_000_000);
const FOREVER: KernelTime = KernelTime::FOREVER;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// In a boot that began today.
fn clock(boot: &'static str, seconds: u32) -> Clock {
    Clock { boot, kernel: uptime(seconds * SECOND), wall: TODAY + seconds * SECOND }
}

fn uptime(time: Duration) -> KernelTime {
    KernelTime::START + time
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn ban(net: IpNet, until: KernelTime) -> Entry {
    Entry {
        net,
        kind: ListKind::Banned,
        until,
        since: TODAY,
        origin: Origin::Hand,
        note: None,
        evidence: None,
    }
}

fn trust(net: IpNet, until: KernelTime) -> Entry {
    Entry { kind: ListKind::Trusted, ..ban(net, until) }
}

fn all_of(list: ListKind) -> Query {
    Query { list, within: None, origin: None, note: None }
}

fn put(store: &mut Store, entries: &[Entry], clock: &Clock) {
    let mut change = store.begin().unwrap();
    for entry in entries {
        change.put(entry, clock).unwrap();
    }
    change.commit().unwrap();
}

fn everything(store: &Store, clock: &Clock) -> super::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    store.for_each(clock, |entry| {
        entries.push(entry);
        Ok(())
    })?;
    Ok(entries)
}

/// So many addresses, banned for ever.
fn many(count: u32) -> Vec<Entry> {
    (0..count).map(|number| ban(address(number), FOREVER)).collect()
}

fn address(number: u32) -> IpNet {
    IpAddr::from((0x0a00_0000 + number).to_be_bytes()).into()
}
