//! Many entries at once, a part of a file at a time.

use std::collections::BTreeMap;

use ipnet::IpNet;
use xdp_prog::abi::FOREVER;

use super::{
    Office,
    lists::{command, usable},
    reply::Reply,
    vault::by_file,
};
use crate::{
    address::show,
    control::protocol::{Import, Origin, Refusal, Who, item::ImportedCount},
    lifeline::{self, Lifeline},
    precedence::{Claim, Standing},
    store::{Change, Entry, StoreError},
    wall::Clock,
};

/// What a part of a file comes to.
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
    until: u64,
    note: Option<String>,
    /// What the kernel has of it so far, and what the store has.
    before: Option<Claim>,
    known: Option<Entry>,
}

impl Office {
    /// All that is not refused, or nothing.
    pub(super) fn import(&mut self, import: &Import, who: &Who, reply: &mut Reply) -> Result<(), Refusal> {
        let clock = Clock::read();
        let batch = self.sort_out(import, &clock)?;
        let claim = |new: &New| Claim { standing: import.list, until: new.until };
        let claims: Vec<_> = batch.entries.iter().map(|(net, new)| (*net, Some(claim(new)))).collect();
        self.roster(&clock)?.set_all(&claims)?;
        self.know_again(&batch.entries.keys().copied().collect::<Vec<_>>())?;
        let note = note(import, who, batch.entries.len());
        let saved = self.vault.change(|change, clock| {
            for (net, new) in &batch.entries {
                change.put(&new.entry(*net, import.list, clock), clock)?;
            }
            note(change, clock)
        });
        if saved.is_err() {
            // The entries are in the kernel; nobody else knows whose they are.
            let _ = self.vault.change_now_or_later(note);
        }
        let mut roster = self.roster(&clock)?;
        if let Err(fault) = saved {
            for net in batch.entries.keys() {
                roster.mark_unsaved(*net)?;
            }
            reply.notice(format!("in force, but not saved, so a reboot would undo it: {fault}"));
        }
        let shadowed = match import.list {
            Standing::Trusted => 0,
            Standing::Banned => batch.entries.keys().filter(|net| roster.shadow(**net).is_some()).count(),
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
        let careful = import.list == Standing::Banned && !import.force;
        let lifelines = careful.then(|| lifeline::all(import.session));
        let nets = import.entries.iter().map(|entry| usable(entry.source)).collect::<Result<Vec<_>, _>>()?;
        let before = self.roster(clock)?.get_all(&nets)?;
        // A store that cannot be read is told when it cannot be written.
        let known = self.vault.read(|store| store.get_all(&nets, clock));
        let known = known.unwrap_or_else(|_| vec![None; nets.len()]);
        let mut batch = Batch::default();
        for (((net, said), before), known) in nets.into_iter().zip(&import.entries).zip(before).zip(known) {
            let until = said.until.map_or(FOREVER, |until| clock.to_kernel(until));
            if until <= clock.kernel {
                batch.over += 1;
            } else if known.as_ref().is_some_and(|known| stays(known, import.list)) {
                batch.there += 1;
            } else if let Some(why) =
                objection(net, import.list, before, known.as_ref(), lifelines.as_deref())
            {
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
    let (what, detail) = (format!("{} import", command(import.list)), format!("{count} entries"));
    move |change, clock| change.audit(&who, &what, &file, &detail, clock)
}

/// Whether the configuration says the same already. That stays, even if the file is imported that was exported here.
fn stays(known: &Entry, list: Standing) -> bool {
    known.origin == Origin::Config && known.standing == list
}

/// Why an entry is left out, to go on after its name.
fn objection(
    net: IpNet,
    list: Standing,
    before: Option<Claim>,
    known: Option<&Entry>,
    lifelines: Option<&[Lifeline]>,
) -> Option<String> {
    if let Some(why) = known.and_then(by_file) {
        return Some(format!("is {why}"));
    }
    if list == Standing::Banned && before.is_some_and(|before| before.standing == Standing::Trusted) {
        return Some("is trusted".to_owned());
    }
    lifelines.and_then(|lifelines| lifeline::danger(net, lifelines))
}

impl Batch {
    /// Neither list gets shorter by being imported again, nor by a file that names somebody twice.
    fn add(&mut self, net: IpNet, list: Standing, mut new: New) {
        let same = new.before.filter(|before| before.standing == list).map(|before| before.until);
        let earlier = self.entries.remove(&net);
        new.until = new.until.max(same.unwrap_or(0)).max(earlier.as_ref().map_or(0, |earlier| earlier.until));
        new.note = new.note.or(earlier.and_then(|earlier| earlier.note));
        self.entries.insert(net, new);
    }
}

impl New {
    /// With what was known of it on the same list, unless that is said anew.
    fn entry(&self, net: IpNet, standing: Standing, clock: &Clock) -> Entry {
        let known = self.known.as_ref().filter(|known| known.standing == standing);
        Entry {
            net,
            standing,
            until: self.until,
            since: known.map_or(clock.wall_ms, |known| known.since),
            origin: Origin::Import,
            note: self.note.clone().or_else(|| known.and_then(|known| known.note.clone())),
            evidence: known.and_then(|known| known.evidence.clone()),
        }
    }
}
