//! Entries by hand or of an import that give way to the configuration: kept beside it in the store, and back on their list
//! once the file no longer names their source.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{
    caller::Who,
    clock::Clock,
    store::{Change, Entry, StoreError, Switch},
};
use sipward_types::{
    address::show,
    list_entry::{ListEntry, ListKind, Origin},
    time::KernelTime,
};

/// The store knows each by this and its source, as a setting made by hand that a restart must not undo.
const NAME: &str = "overruled ";

/// The part of an entry that its switch does not say by itself.
#[derive(Serialize, Deserialize)]
struct Overruled {
    kind: ListKind,
    origin: Origin,
    note: Option<String>,
    evidence: Option<String>,
}

/// A trust of the file lifts a ban of the guard, as trust by hand does.
pub(super) const fn is_kept(origin: Origin) -> bool {
    match origin {
        Origin::Hand | Origin::Import | Origin::Kernel => true,
        Origin::Config | Origin::Guard => false,
    }
}

/// Those that have not ended.
pub(super) fn read(switches: &[Switch], now: KernelTime) -> BTreeMap<IpNet, Entry> {
    switches
        .iter()
        .filter_map(entry)
        .filter(|entry| entry.until > now)
        .map(|entry| (entry.net, entry))
        .collect()
}

fn entry(switch: &Switch) -> Option<Entry> {
    let net = switch.name.strip_prefix(NAME)?.parse().ok()?;
    let Overruled { kind, origin, note, evidence } = serde_json::from_str(&switch.value).ok()?;
    Some(Entry { net, kind, until: switch.until, since: switch.since, origin, note, evidence })
}

fn switch(entry: &Entry) -> Switch {
    let Entry { net, kind, until, since, origin, .. } = *entry;
    let (note, evidence) = (entry.note.clone(), entry.evidence.clone());
    Switch {
        name: name(net),
        // Texts and names always have a form in JSON.
        value: serde_json::to_string(&Overruled { kind, origin, note, evidence }).unwrap_or_default(),
        since,
        who: Who::sipward().name,
        until,
    }
}

fn name(net: IpNet) -> String {
    format!("{NAME}{net}")
}

/// Keeps the entry that one of the configuration is about to replace, if it is one to be kept.
pub(super) fn keep(change: &mut Change<'_>, clock: &Clock, net: IpNet) -> Result<(), StoreError> {
    let Some(before) = change.get(net, clock)?.filter(|before| is_kept(before.origin)) else { return Ok(()) };
    change.put_switch(&switch(&before), clock)?;
    let detail = format!("{} so far; that comes back when the file no longer names it", said(&before, clock));
    change.audit("sipward", "configuration", &show(net), &detail, clock)
}

/// Puts the entry back on its list, where one of the configuration was.
pub(super) fn bring_back(change: &mut Change<'_>, clock: &Clock, entry: &Entry) -> Result<(), StoreError> {
    change.put(entry, clock)?;
    change.remove_switch(&name(entry.net))?;
    let detail = format!("{} again; the file no longer names it", said(entry, clock));
    change.audit("sipward", "configuration", &show(entry.net), &detail, clock)
}

/// Nothing comes back any more.
pub(super) fn forget(change: &mut Change<'_>, net: IpNet) -> Result<(), StoreError> {
    change.remove_switch(&name(net)).map(drop)
}

fn said(entry: &Entry, clock: &Clock) -> String {
    let author = if entry.origin == Origin::Import { "an import" } else { "hand" };
    let noted = entry.note.as_ref().map_or_else(String::new, |note| format!(", {note}"));
    format!("{} by {author}, {}{noted}", entry.kind.name(), clock.kernel.remaining(entry.until))
}

/// As the lists have it.
pub(super) const fn list_entry(entry: &Entry) -> ListEntry {
    ListEntry { kind: entry.kind, until: entry.until, origin: entry.origin }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use sipward_types::time::WallTime;

    fn trusted(text: &str, until: KernelTime) -> Entry {
        Entry {
            net: text.parse().unwrap(),
            kind: ListKind::Trusted,
            until,
            since: WallTime::from_millis(1_800_000_000_000),
            origin: Origin::Hand,
            note: Some("ticket-4711".to_owned()),
            evidence: None,
        }
    }

    #[test]
    fn an_entry_comes_back_as_it_was_unless_it_has_ended() {
        let at = |seconds| KernelTime::START + Duration::from_secs(seconds);
        let entries = [
            trusted("198.51.100.9/32", at(100)),
            trusted("2001:db8::/48", KernelTime::FOREVER),
            trusted("192.0.2.0/24", at(50)),
        ];
        let mut switches: Vec<_> = entries.iter().map(switch).collect();
        switches.push(Switch { name: "mode".to_owned(), value: "monitor".to_owned(), ..switches[0].clone() });
        let read = read(&switches, at(50));
        assert_eq!(read.values().cloned().collect::<Vec<_>>(), entries[..2]);
    }

    #[test]
    fn a_ban_of_the_guard_gives_way_for_good() {
        assert!(is_kept(Origin::Hand) && is_kept(Origin::Import));
        assert!(!is_kept(Origin::Guard) && !is_kept(Origin::Config));
    }
}
