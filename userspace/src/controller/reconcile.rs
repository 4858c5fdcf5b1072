//! The kernel's lists made the store's mirror again, after a restart or when the store can be written again.

use std::fmt;

use super::retrying_store::RetryingStore;
use crate::{
    clock::Clock,
    lists::{Found, Lists, Mirrored, found},
    store::{Entry, StoreError},
};
use sipward_engine::lists::ListEntries;
use sipward_kernel::{self as kernel, Tables};
use sipward_types::list_entry::ListEntry;

/// The repairs that were needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Entries that were in the kernel only and are in the store now.
    pub adopted: usize,
    /// Entries that were removed while the store could not be written.
    pub forgotten: usize,
    pub mirrored: Mirrored,
}

impl fmt::Display for Reconciled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { adopted, forgotten, mirrored: Mirrored { written, removed } } = self;
        write!(f, "{written} written into the kernel, {removed} removed from it, ")?;
        write!(f, "{adopted} of it saved, {forgotten} forgotten")
    }
}

/// The repairs that were done; or why the store does not allow it, and then the kernel's lists are as they were.
pub(super) fn reconcile(
    lists: &mut Lists,
    tables: &mut Tables,
    store: &mut RetryingStore,
) -> kernel::Result<Result<Reconciled, String>> {
    let clock = Clock::read();
    let mut unsaved = found(tables, clock.kernel, |found| found.unsaved)?;
    if lists.has_origins() {
        for Found { net, list_entry, .. } in &mut unsaved {
            let own = lists.get(tables, *net, clock.kernel)?;
            *list_entry = list_entry.map(|found| own.filter(|own| own.kind == found.kind).unwrap_or(found));
        }
    }
    let (adopted, forgotten) = (count(&unsaved, true), count(&unsaved, false));
    if !unsaved.is_empty()
        && let Err(fault) = store.change(|change, clock| save(change, clock, &unsaved))
    {
        return Ok(Err(fault));
    }
    let wanted = match store.read(|store| wanted(store, &clock)) {
        Ok(wanted) => wanted,
        Err(fault) => return Ok(Err(fault)),
    };
    let mirrored = lists.mirror(tables, wanted)?;
    store.caught_up();
    Ok(Ok(Reconciled { adopted, forgotten, mirrored }))
}

fn count(unsaved: &[Found], claimed: bool) -> usize {
    unsaved.iter().filter(|found| found.list_entry.is_some() == claimed).count()
}

fn save(change: &mut crate::store::Change<'_>, clock: &Clock, unsaved: &[Found]) -> Result<(), StoreError> {
    for Found { net, list_entry, .. } in unsaved {
        let before = change.get(*net, clock)?;
        match list_entry {
            Some(ListEntry { kind, until, origin }) => {
                let before = before.filter(|before| before.kind == *kind);
                let entry = before.map_or_else(
                    || Entry {
                        net: *net,
                        kind: *kind,
                        until: *until,
                        since: clock.wall,
                        origin: *origin,
                        note: None,
                        evidence: None,
                    },
                    |before| Entry { until: *until, ..before },
                );
                change.put(&entry, clock)?;
            }
            None => {
                change.remove(*net)?;
            }
        }
    }
    let detail = format!("{} entries that were in the kernel only", unsaved.len());
    change.audit("sipward", "reconcile", "", &detail, clock)
}

/// The lists as the kernel has them, where the store does not allow to make them its mirror. The store may be readable
/// all the same, and says which set an entry belongs to.
pub(super) fn read_from_kernel(
    lists: &mut Lists,
    tables: &mut Tables,
    store: &mut RetryingStore,
) -> kernel::Result<()> {
    lists.complete(tables)?;
    // A store that cannot be read is reported by the retrying store.
    let stored = store.read(|store| {
        let mut stored = Vec::new();
        store.for_each(&Clock::read(), |Entry { net, kind, origin, .. }| {
            stored.push((net, kind, origin));
            Ok(())
        })?;
        Ok(stored)
    });
    if let Ok(stored) = stored {
        lists.set_origins(stored);
    }
    Ok(())
}

/// The lists as the store has them.
fn wanted(store: &crate::store::Store, clock: &Clock) -> Result<ListEntries, StoreError> {
    let mut wanted = ListEntries::default();
    store.for_each(clock, |Entry { net, kind, until, origin, .. }| {
        wanted.load(net, Some(ListEntry { kind, until, origin }), false);
        Ok(())
    })?;
    Ok(wanted)
}
