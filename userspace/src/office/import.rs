//! Many entries at once, a part of a file at a time.

use std::collections::BTreeMap;

use ipnet::IpNet;
use xdp_prog::abi::FOREVER;

use super::{
    Office,
    lists::{command, usable},
    reply::Reply,
};
use crate::{
    address::show,
    control::protocol::{Import, Imported, Origin, Refusal, Who, item},
    lifeline::{self, Lifeline},
    precedence::{Claim, Standing},
    roster::Roster,
    store::Entry,
    wall::Clock,
};

const MILLISECOND: u64 = 1_000_000;

/// What a part of a file comes to.
#[derive(Default)]
struct Batch {
    entries: BTreeMap<IpNet, (Claim, Option<String>)>,
    /// What was there before, to be put back if not all can be done.
    before: Vec<(IpNet, Option<Claim>)>,
    over: u64,
    refused: Vec<String>,
}

impl Office {
    pub(super) fn import(&mut self, import: &Import, who: &Who, reply: &mut Reply) -> Result<(), Refusal> {
        let clock = Clock::read();
        let batch = self.sort_out(import, &clock)?;
        let claims: Vec<_> = batch.entries.iter().map(|(net, (claim, _))| (*net, *claim)).collect();
        if let Err(error) = self.roster(&clock)?.put_all(&claims) {
            self.undo(&batch, import.list, &clock)?;
            return Err(error.into());
        }
        let saved = self.vault.change(|change, clock| {
            for (net, (claim, note)) in &batch.entries {
                let before = change.get(*net, clock)?.filter(|before| before.standing == import.list);
                let (since, kept, evidence) = before.map_or((clock.wall_ms, None, None), |before| {
                    (before.since, before.note, before.evidence)
                });
                let (standing, until, note) = (import.list, claim.until, note.clone().or(kept));
                let origin = Origin::Import;
                change.put(&Entry { net: *net, standing, until, since, origin, note, evidence }, clock)?;
            }
            let what = format!("{} import", command(import.list));
            change.audit(&who.name, &what, &import.file, &format!("{} entries", batch.entries.len()), clock)
        });
        if let Err(fault) = saved {
            let mut roster = self.roster(&clock)?;
            for net in batch.entries.keys() {
                roster.mark_unsaved(*net)?;
            }
            reply.notice(format!("in force, but not saved, so a reboot would undo it: {fault}"));
        }
        let imported = batch.entries.len() as u64;
        let Batch { over, refused, .. } = batch;
        reply.item(&item::ImportedCount { imported, shadowed: 0, over, refused });
        Ok(())
    }

    fn sort_out(&mut self, import: &Import, clock: &Clock) -> Result<Batch, Refusal> {
        let lifelines = if import.list == Standing::Banned && !import.force {
            lifeline::all(import.session)
        } else {
            Vec::new()
        };
        let mut batch = Batch::default();
        let mut roster = Roster::open(&mut self.tables, clock.kernel)?;
        for Imported { source, until, note } in &import.entries {
            let net = usable(*source)?;
            let until = until.map_or(FOREVER, |until| kernel_time(until, clock));
            if until <= clock.kernel {
                batch.over += 1;
                continue;
            }
            match admit(&mut roster, net, import, &lifelines, self.vault.configured(net))? {
                Ok(before) => {
                    batch.before.push((net, before));
                    let before = before.filter(|before| before.standing == import.list);
                    // Neither list gets shorter by being imported again.
                    let earlier = batch.entries.get(&net).map(|(claim, _)| claim.until);
                    let until = until.max(before.map_or(0, |before| before.until)).max(earlier.unwrap_or(0));
                    let claim = Claim { standing: import.list, until };
                    batch.entries.insert(net, (claim, note.clone()));
                }
                Err(why) => batch.refused.push(format!("{}: {why}", show(net))),
            }
        }
        Ok(batch)
    }

    fn undo(&mut self, batch: &Batch, list: Standing, clock: &Clock) -> Result<(), Refusal> {
        let mut roster = self.roster(clock)?;
        for (net, before) in batch.before.iter().rev() {
            match before {
                Some(claim) => roster.put_all(&[(*net, *claim)])?,
                None => drop(roster.remove(*net, list)?),
            }
        }
        Ok(())
    }
}

/// What is said of the source now; or why it is left out.
fn admit(
    roster: &mut Roster<'_>,
    net: IpNet,
    import: &Import,
    lifelines: &[Lifeline],
    configured: Option<String>,
) -> Result<Result<Option<Claim>, String>, Refusal> {
    if let Some(why) = configured {
        return Ok(Err(why));
    }
    if import.list == Standing::Banned
        && !import.force
        && let Err(why) = lifeline::harmless(net, lifelines)
    {
        return Ok(Err(why));
    }
    let before = roster.get(net)?;
    if import.list == Standing::Banned && before.is_some_and(|before| before.standing == Standing::Trusted) {
        return Ok(Err("trusted".to_owned()));
    }
    Ok(Ok(before))
}

/// Of seconds since 1970.
fn kernel_time(until: u64, clock: &Clock) -> u64 {
    let left = until.saturating_mul(1_000).saturating_sub(clock.wall_ms);
    clock.kernel.saturating_add(left.saturating_mul(MILLISECOND))
}
