//! Many entries at once, a part of a file at a time.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{Controller, list_commands::usable, reply::Reply, retrying_store::by_file};
use crate::{
    ban_safety::{self, ProtectedAddress},
    caller::Who,
    clock::Clock,
    refusal::Refusal,
    store::{Change, Entry, StoreError},
    wire,
};
use sipward_api::{Import, item::ImportedCount};
use sipward_types::{
    address::show,
    list_entry::{ListEntry, ListKind, Origin},
    time::{KernelTime, WallSeconds},
};

/// The sums of a part of a file.
#[derive(Default)]
struct Batch {
    entries: BTreeMap<IpNet, New>,
    /// In force as it is, by the configuration.
    there: u64,
    over: u64,
    refused: Vec<String>,
}

/// An entry on its way onto the list.
struct New {
    until: KernelTime,
    note: Option<String>,
    /// The list entry so far, and the row of the store.
    before: Option<ListEntry>,
    known: Option<Entry>,
}

impl Controller {
    /// All that is not refused, or nothing.
    pub(super) fn import(&mut self, import: &Import, who: &Who, reply: &mut Reply) -> Result<(), Refusal> {
        let clock = Clock::read();
        let batch = self.sort_out(import, &clock)?;
        let list_entry =
            |new: &New| ListEntry { kind: import.list, until: new.until, origin: Origin::Import };
        let list_entries: Vec<_> =
            batch.entries.iter().map(|(net, new)| (*net, Some(list_entry(new)))).collect();
        self.set_lists(&list_entries, &clock)?;
        let note = note(import, who, batch.entries.len());
        let saved = self.store.change(|change, clock| {
            for (net, new) in &batch.entries {
                change.put(&new.entry(*net, import.list, clock), clock)?;
            }
            note(change, clock)
        });
        if saved.is_err() {
            // The entries are in the kernel; nobody else knows whose they are.
            let _ = self.store.change_now_or_later(note);
        }
        if let Err(fault) = saved {
            for net in batch.entries.keys() {
                self.lists.mark_unsaved(&mut self.tables, *net, clock.kernel)?;
            }
            reply.notice(format!("in force, but not saved, so a reboot would undo it: {fault}"));
        }
        let shadowed = match import.list {
            ListKind::Trusted => 0,
            ListKind::Banned => {
                let is_shadowed = |net: &&IpNet| self.lists.shadow(**net, clock.kernel).is_some();
                batch.entries.keys().filter(is_shadowed).count()
            }
        };
        reply.item(&ImportedCount {
            imported: batch.entries.len() as u64 + batch.there,
            shadowed: shadowed as u64,
            over: batch.over,
            refused: batch.refused,
        });
        Ok(())
    }

    fn sort_out(&mut self, import: &Import, clock: &Clock) -> Result<Batch, Refusal> {
        let careful = import.list == ListKind::Banned && !import.force;
        let protected = careful.then(|| ban_safety::all(import.session));
        let nets = import.entries.iter().map(|entry| usable(entry.source)).collect::<Result<Vec<_>, _>>()?;
        let before = self.lists.get_all(&mut self.tables, &nets, clock.kernel)?;
        // A store that cannot be read is reported when it cannot be written.
        let known = self.store.read(|store| store.get_all(&nets, clock));
        let known = known.unwrap_or_else(|_| vec![None; nets.len()]);
        let has_origins = self.lists.has_origins();
        let mut batch = Batch::default();
        for (((net, said), before), known) in nets.into_iter().zip(&import.entries).zip(before).zip(known) {
            let until =
                said.until.map_or(KernelTime::FOREVER, |until| clock.to_kernel(WallSeconds::new(until)));
            if until <= clock.kernel {
                batch.over += 1;
                continue;
            }
            let owner = if has_origins {
                before.map(|before| (before.kind, before.origin))
            } else {
                known.as_ref().map(|known| (known.kind, known.origin))
            };
            if owner == Some((import.list, Origin::Config)) {
                // The configuration says the same already. That stays, even if the file is imported that was exported here.
                batch.there += 1;
            } else if let Some(why) = objection(net, import.list, before, owner, protected.as_deref()) {
                batch.refused.push(format!("{}: it {why}", show(net)));
            } else {
                batch.add(net, import.list, New { until, note: said.note.clone(), before, known });
            }
        }
        Ok(batch)
    }
}

/// The line of the audit trail.
fn note(
    import: &Import,
    who: &Who,
    count: usize,
) -> impl Fn(&mut Change<'_>, &Clock) -> Result<(), StoreError> + Send + 'static {
    let (who, file) = (who.name.clone(), import.file.clone());
    let (what, detail) = (format!("{} import", wire::command(import.list)), format!("{count} entries"));
    move |change, clock| change.audit(&who, &what, &file, &detail, clock)
}

/// Why an entry is left out, to go on after its name.
fn objection(
    net: IpNet,
    list: ListKind,
    before: Option<ListEntry>,
    owner: Option<(ListKind, Origin)>,
    protected: Option<&[ProtectedAddress]>,
) -> Option<String> {
    if let Some(why) = owner.and_then(|(kind, origin)| by_file(kind, origin)) {
        return Some(format!("is {why}"));
    }
    if list == ListKind::Banned && before.is_some_and(|before| before.kind == ListKind::Trusted) {
        return Some("is trusted".to_owned());
    }
    protected.and_then(|protected| ban_safety::hazard(net, protected))
}

impl Batch {
    /// Neither list gets shorter by being imported again, nor by a file that names somebody twice.
    fn add(&mut self, net: IpNet, list: ListKind, mut new: New) {
        let same = new.before.filter(|before| before.kind == list).map(|before| before.until);
        let earlier = self.entries.remove(&net);
        new.until = new.until.max(same.unwrap_or_default());
        new.until = new.until.max(earlier.as_ref().map_or(KernelTime::START, |earlier| earlier.until));
        new.note = new.note.or(earlier.and_then(|earlier| earlier.note));
        self.entries.insert(net, new);
    }
}

impl New {
    /// With what was known of it on the same list, unless that is said anew.
    fn entry(&self, net: IpNet, kind: ListKind, clock: &Clock) -> Entry {
        let known = self.known.as_ref().filter(|known| known.kind == kind);
        Entry {
            net,
            kind,
            until: self.until,
            since: known.map_or(clock.wall, |known| known.since),
            origin: Origin::Import,
            note: self.note.clone().or_else(|| known.and_then(|known| known.note.clone())),
            evidence: known.and_then(|known| known.evidence.clone()),
        }
    }
}
