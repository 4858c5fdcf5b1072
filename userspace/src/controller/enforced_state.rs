//! The state that the guard enforces: in memory as it was decided, in the kernel as packets are judged by it, and in the
//! store for the next start.
//!
//! A change is written into the kernel and then committed to the store, as the lists are. An entry that the kernel has and
//! the store has not was never acknowledged, and goes, unless it is marked: then the store could not be written at the time.
//! Known sources are never marked; those of the kernel are all adopted.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    ops::Bound,
};

use xdp_prog::account;

use super::{flows::Flows, retrying_store::RetryingStore};
use crate::{
    clock::Clock,
    store::{Change, Known, StoreError, Suspended, Suspension},
};
use sipward_engine::guard::{Rule, Trigger};
use sipward_kernel::{self as kernel, Error, SuspensionEntry, SuspensionTarget, Tables, TargetKind};
use sipward_types::time::KernelTime;

#[derive(Debug, Default)]
pub(super) struct EnforcedState {
    suspensions: BTreeMap<SuspensionTarget, Suspension>,
    /// Said or lifted, and not in the store.
    unsaved: BTreeSet<SuspensionTarget>,
    known: BTreeMap<IpAddr, Known>,
    unsaved_known: BTreeSet<IpAddr>,
    pub(super) flows: Flows,
    /// Known sources that are trusted or banned; they count again when that has ended.
    overruled: BTreeSet<IpAddr>,
    /// Packets of suspended accounts pass, so that the PBX answers them.
    passes: bool,
}

/// The differences between the kernel and the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReconcileReport {
    pub suspended: usize,
    pub known: usize,
    pub written: usize,
    pub removed: usize,
    /// Of those that are suspended, how many were in the kernel only.
    pub adopted: usize,
}

impl fmt::Display for ReconcileReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { suspended, known, written, removed, adopted } = self;
        write!(
            f,
            "{suspended} suspensions and {known} known sources are in force; {written} written into the kernel, "
        )?;
        write!(f, "{removed} removed from it, {adopted} of it saved")
    }
}

/// Evicted at once where there is no room.
const ROOM: usize = 64;

/// The author of what was found in the kernel.
const KERNEL: &str = "kernel";

impl EnforcedState {
    /// Reads the suspensions and known flows in the kernel.
    pub(super) fn found(tables: &mut Tables, passes: bool, clock: &Clock) -> kernel::Result<Self> {
        let mut enforced = Self { passes, flows: Flows::found(tables)?, ..Self::default() };
        for item in tables.suspensions()?.iter() {
            let (target, suspension_entry) = item?;
            if suspension_entry.until > clock.kernel {
                enforced.suspensions.insert(target, nameless(target, suspension_entry, clock));
            }
            if suspension_entry.unsaved {
                enforced.unsaved.insert(target);
            }
        }
        Ok(enforced)
    }

    /// Adds the sources that the kernel knows, which is written before the store. To look among all sources takes long.
    pub(super) fn find_known(&mut self, tables: &mut Tables, clock: &Clock) -> kernel::Result<()> {
        for item in tables.sources()?.iter_known() {
            let (source, phones, until) = item?;
            if until > clock.kernel {
                let known = Known { source, phones, until, since: clock.wall, rule: Rule::Worked };
                self.known.insert(source, known);
                self.unsaved_known.insert(source);
            }
        }
        Ok(())
    }

    /// The store is new, so everything in the kernel counts as correct. The kernel marks it as unsaved until it is saved.
    pub(super) fn adopt(&mut self, tables: &mut Tables) -> kernel::Result<()> {
        let all: Vec<_> = self.suspensions.keys().copied().collect();
        self.unsaved_known.extend(self.known.keys());
        self.mark_unsaved(tables, &all)
    }

    pub(super) fn suspensions(&self, now: KernelTime) -> impl Iterator<Item = &Suspension> {
        self.suspensions.values().filter(move |suspension| suspension.until > now)
    }

    pub(super) fn suspensions_after(
        &self,
        after: Option<SuspensionTarget>,
        now: KernelTime,
    ) -> impl Iterator<Item = (&SuspensionTarget, &Suspension)> {
        let first = after.map_or(Bound::Unbounded, Bound::Excluded);
        let all = self.suspensions.range((first, Bound::Unbounded));
        all.filter(move |(_, suspension)| suspension.until > now)
    }

    pub(super) fn known(&self, now: KernelTime) -> impl Iterator<Item = &Known> {
        self.known.values().filter(move |known| known.until > now)
    }

    pub(super) fn get(&self, target: SuspensionTarget, now: KernelTime) -> Option<&Suspension> {
        self.suspensions.get(&target).filter(|suspension| suspension.until > now)
    }

    /// Puts a suspension in force, and returns those that are not in force any more: they made room, or were the same one,
    /// known only by a hash.
    pub(super) fn suspend(
        &mut self,
        tables: &mut Tables,
        mut suspension: Suspension,
        now: KernelTime,
    ) -> kernel::Result<(Suspension, Vec<Suspension>)> {
        let target = target(&suspension);
        let nameless = self.get(target, now).filter(|before| before.what != suspension.what).cloned();
        if let Some(before) = &nameless
            && suspension.trigger.rule != Rule::Hand
        {
            // Nobody knew of it who decided this.
            suspension.until = suspension.until.max(before.until);
        }
        let mut gone = match self.write(tables, target, &suspension) {
            Err(Error::Full { .. }) => {
                let evicted = self.make_room(tables, now)?;
                self.write(tables, target, &suspension)?;
                evicted
            }
            result => result.map(|()| Vec::new())?,
        };
        gone.extend(nameless);
        self.suspensions.insert(target, suspension.clone());
        Ok((suspension, gone))
    }

    fn write(
        &self,
        tables: &mut Tables,
        target: SuspensionTarget,
        suspension: &Suspension,
    ) -> kernel::Result<()> {
        if self.is_written(target) {
            tables
                .suspensions()?
                .put(target, suspension_entry(suspension, self.unsaved.contains(&target)))?;
        }
        Ok(())
    }

    pub(super) const fn passes(&self) -> bool {
        self.passes
    }

    /// A flow is banned, and who only asks is limited, whatever is done with accounts.
    fn is_written(&self, target: SuspensionTarget) -> bool {
        !self.passes || matches!(target.what, TargetKind::Flow(_) | TargetKind::Asking)
    }

    /// Removes suspensions that have run out, then those of the guard that end first. Those set by hand stay.
    fn make_room(&mut self, tables: &mut Tables, now: KernelTime) -> kernel::Result<Vec<Suspension>> {
        let over = self.over(now);
        let mut suspensions = tables.suspensions()?;
        let mut room = 0;
        for target in over {
            room += usize::from(suspensions.remove(target)?);
            self.suspensions.remove(&target);
        }
        let mut evictable: Vec<_> =
            self.suspensions.iter().filter(|(_, suspension)| suspension.trigger.rule != Rule::Hand).collect();
        evictable.sort_by_key(|(_, suspension)| suspension.until);
        let count = ROOM.saturating_sub(room);
        let evicted: Vec<_> = evictable.into_iter().map(|(target, _)| *target).take(count).collect();
        for target in &evicted {
            suspensions.remove(*target)?;
        }
        Ok(evicted.iter().filter_map(|target| self.suspensions.remove(target)).collect())
    }

    fn over(&self, now: KernelTime) -> Vec<SuspensionTarget> {
        let over = self.suspensions.iter().filter(|(_, suspension)| suspension.until <= now);
        over.map(|(target, _)| *target).collect()
    }

    /// The suspension, if there was anything to lift.
    pub(super) fn lift(
        &mut self,
        tables: &mut Tables,
        target: SuspensionTarget,
    ) -> kernel::Result<Option<Suspension>> {
        tables.suspensions()?.remove(target)?;
        Ok(self.suspensions.remove(&target))
    }

    pub(super) fn know(&mut self, tables: &mut Tables, known: Known) -> kernel::Result<()> {
        let is_in_force = tables.sources()?.put_known(known.source, known.phones, known.until);
        self.settle(known.source, is_in_force)?;
        let since = self.known.get(&known.source).map_or(known.since, |before| before.since);
        self.known.insert(known.source, Known { since, ..known });
        Ok(())
    }

    fn settle(&mut self, source: IpAddr, is_in_force: kernel::Result<bool>) -> kernel::Result<()> {
        match is_in_force {
            Ok(true) => drop(self.overruled.remove(&source)),
            // Where there is no room, there may be later.
            Ok(false) | Err(Error::Full { .. }) => drop(self.overruled.insert(source)),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    pub(super) fn forget(&mut self, tables: &mut Tables, source: IpAddr) -> kernel::Result<bool> {
        tables.sources()?.remove_known(source)?;
        self.overruled.remove(&source);
        Ok(self.known.remove(&source).is_some())
    }

    /// A list has changed: who is known and no longer on one counts again.
    pub(super) fn know_again(
        &mut self,
        tables: &mut Tables,
        sources: impl IntoIterator<Item = IpAddr>,
        now: KernelTime,
    ) -> kernel::Result<()> {
        for source in sources {
            if let Some(known) = self.known.get(&source).filter(|known| known.until > now) {
                let is_in_force = tables.sources()?.put_known(source, known.phones, known.until);
                self.settle(source, is_in_force)?;
            }
        }
        Ok(())
    }

    /// Removes what has run out and no packet met any more. Sources that are known again count again.
    pub(super) fn tick(&mut self, tables: &mut Tables, now: KernelTime) -> kernel::Result<()> {
        let over = self.over(now);
        let mut suspensions = tables.suspensions()?;
        for target in over {
            if !self.unsaved.contains(&target) {
                suspensions.remove(target)?;
            }
            self.suspensions.remove(&target);
        }
        self.known.retain(|_, known| known.until > now);
        self.flows.tick(tables, now)?;
        let overruled = std::mem::take(&mut self.overruled);
        self.know_again(tables, overruled, now)
    }

    /// Marks what could not be saved, so that it does not look like what was never acknowledged.
    pub(super) fn mark_unsaved(
        &mut self,
        tables: &mut Tables,
        targets: &[SuspensionTarget],
    ) -> kernel::Result<()> {
        let mut suspensions = tables.suspensions()?;
        for target in targets {
            self.unsaved.insert(*target);
            match self.suspensions.get(target) {
                Some(suspension) if self.is_written(*target) => {
                    suspensions.put(*target, suspension_entry(suspension, true))?;
                }
                // Only this process knows of it.
                Some(_) => {}
                None => suspensions.put(*target, LIFTED)?,
            }
        }
        Ok(())
    }

    pub(super) fn mark_known_unsaved(&mut self, source: IpAddr) {
        self.unsaved_known.insert(source);
    }

    /// Sets that packets of suspended accounts pass, or drop. True if that is new, and has to be written into the kernel.
    pub(super) fn set_passes(&mut self, passes: bool) -> bool {
        std::mem::replace(&mut self.passes, passes) != passes
    }

    /// Brings memory, store and kernel together: what is marked goes into the store, and everything else is as the store
    /// has it. If the store does not allow it, all is as it was.
    pub(super) fn reconcile(
        &mut self,
        tables: &mut Tables,
        store: &mut RetryingStore,
        clock: &Clock,
    ) -> kernel::Result<Result<ReconcileReport, String>> {
        let adopted = match self.save_unsaved(store, clock) {
            Ok(adopted) => adopted,
            Err(fault) => return Ok(Err(fault)),
        };
        let done = self.mirror(tables, clock.kernel)?;
        Ok(Ok(ReconcileReport { adopted, ..done }))
    }

    /// The same without the kernel: for whoever does not know what is to be in it. How many were in the kernel only.
    pub(super) fn save_unsaved(&mut self, store: &mut RetryingStore, clock: &Clock) -> Result<usize, String> {
        let (rows, known) = store.read(|store| Ok((store.suspensions(clock)?, store.known(clock)?)))?;
        let rows: BTreeMap<_, _> = rows.into_iter().map(|row| (target(&row), row)).collect();
        let suspensions = self.joined(rows.clone(), clock);
        let known = self.joined_known(known, clock);
        let adopted = self.unsaved.iter().filter(|target| suspensions.contains_key(target)).count();
        if !self.unsaved.is_empty() || !self.unsaved_known.is_empty() {
            store.change(|change, clock| {
                self.unsaved.iter().try_for_each(|target| {
                    replace(change, clock, rows.get(target), suspensions.get(target))
                })?;
                self.unsaved_known.iter().try_for_each(|source| match known.get(source) {
                    Some(known) => change.know(known, clock),
                    None => change.forget(*source).map(drop),
                })?;
                if self.unsaved.is_empty() {
                    return Ok(());
                }
                let detail = format!("{} suspensions that were in the kernel only", self.unsaved.len());
                change.audit("sipward", "reconcile", "", &detail, clock)
            })?;
        }
        (self.suspensions, self.known) = (suspensions, known);
        self.unsaved.clear();
        self.unsaved_known.clear();
        Ok(adopted)
    }

    /// The state of the store, and over it what the store lacks. An account that is known only by a hash gets the name that
    /// the store has for it.
    fn joined(
        &self,
        mut joined: BTreeMap<SuspensionTarget, Suspension>,
        clock: &Clock,
    ) -> BTreeMap<SuspensionTarget, Suspension> {
        for target in &self.unsaved {
            let row = joined.remove(target);
            let Some(mine) = self.get(*target, clock.kernel).cloned() else { continue };
            let mine = match row {
                Some(row) if mine.who == KERNEL => {
                    Suspension { until: mine.until, strict: mine.strict, ..row }
                }
                _ => mine,
            };
            joined.insert(*target, mine);
        }
        joined
    }

    fn joined_known(&self, rows: Vec<Known>, clock: &Clock) -> BTreeMap<IpAddr, Known> {
        let mut joined: BTreeMap<_, _> = rows.into_iter().map(|row| (row.source, row)).collect();
        for source in &self.unsaved_known {
            let row = joined.remove(source);
            let Some(mine) = self.known.get(source).filter(|known| known.until > clock.kernel) else {
                continue;
            };
            let since = row.map_or(mine.since, |row| row.since);
            joined.insert(*source, Known { since, ..mine.clone() });
        }
        joined
    }

    /// Makes the kernel say what is said here.
    pub(super) fn mirror(&mut self, tables: &mut Tables, now: KernelTime) -> kernel::Result<ReconcileReport> {
        let (written, removed) = self.mirror_suspensions(tables, now)?;
        let known: Vec<_> = self.known(now).map(|known| known.source).collect();
        let excess: Vec<_> = tables
            .sources()?
            .iter_known()
            .map(|item| item.map(|(source, ..)| source))
            .filter(|source| source.as_ref().map_or(true, |source| !self.known.contains_key(source)))
            .collect::<kernel::Result<_>>()?;
        for source in &excess {
            tables.sources()?.remove_known(*source)?;
        }
        self.know_again(tables, known, now)?;
        Ok(ReconcileReport {
            suspended: self.suspensions(now).count(),
            known: self.known(now).count(),
            written,
            removed: removed + excess.len(),
            adopted: 0,
        })
    }

    fn mirror_suspensions(&self, tables: &mut Tables, now: KernelTime) -> kernel::Result<(usize, usize)> {
        let mut suspensions = tables.suspensions()?;
        let mut before = suspensions.iter().collect::<kernel::Result<BTreeMap<_, _>>>()?;
        let (mut written, mut removed) = (0, 0);
        for (target, suspension) in &self.suspensions {
            let right = suspension_entry(suspension, self.unsaved.contains(target));
            if suspension.until > now && self.is_written(*target) && before.remove(target) != Some(right) {
                suspensions.put(*target, right)?;
                written += 1;
            }
        }
        for (target, suspension_entry) in before {
            let stays = self.unsaved.contains(&target) && suspension_entry.unsaved;
            if !stays {
                suspensions.remove(target)?;
                removed += usize::from(suspension_entry.until > now);
            }
        }
        suspensions.recount()?;
        Ok((written, removed))
    }
}

/// Over, and there only so that the store hears of it.
const LIFTED: SuspensionEntry =
    SuspensionEntry { until: KernelTime::START, exempt_known: false, unsaved: true };

fn replace(
    change: &mut Change<'_>,
    clock: &Clock,
    before: Option<&Suspension>,
    after: Option<&Suspension>,
) -> Result<(), StoreError> {
    if let Some(before) = before {
        change.lift(&before.what, before.source)?;
    }
    after.map_or(Ok(()), |after| change.suspend(after, clock))
}

pub(super) fn target(suspension: &Suspension) -> SuspensionTarget {
    target_of(&suspension.what, suspension.source)
}

pub(super) fn target_of(what: &Suspended, source: Option<IpAddr>) -> SuspensionTarget {
    let what = match what {
        Suspended::Account(account) => TargetKind::Account(account::hash(account.as_str().as_bytes())),
        Suspended::Flow(flow) => TargetKind::Flow(*flow),
        Suspended::Hash(hash) => TargetKind::Account(*hash),
        Suspended::Asking => TargetKind::Asking,
    };
    SuspensionTarget { source, what }
}

const fn suspension_entry(suspension: &Suspension, unsaved: bool) -> SuspensionEntry {
    let lock = suspension.source.is_none();
    SuspensionEntry { until: suspension.until, exempt_known: lock && !suspension.strict, unsaved }
}

/// Of what the kernel has, no more is known.
fn nameless(target: SuspensionTarget, suspension_entry: SuspensionEntry, clock: &Clock) -> Suspension {
    Suspension {
        what: match target.what {
            TargetKind::Account(hash) => Suspended::Hash(hash),
            TargetKind::Flow(flow) => Suspended::Flow(flow),
            TargetKind::Asking => Suspended::Asking,
        },
        source: target.source,
        until: suspension_entry.until,
        since: clock.wall,
        who: KERNEL.to_owned(),
        trigger: Trigger { rule: Rule::Hand, count: 0, seconds: 0 },
        strict: !suspension_entry.exempt_known,
    }
}
