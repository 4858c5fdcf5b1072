//! Reports of the edge: how it fares, and whom it refuses for what.

use std::sync::{Arc, Mutex};

use super::{
    budgets::{Budgets, Granted},
    drop_events::DropEvents,
    observing::Observing,
};
use crate::{
    caller::Who,
    locked::locked,
    refusal::Refusal,
    wire::{self, Offset},
};
use sipward_api::{
    Report,
    report::{MOST_REFUSALS, Totals},
};
use sipward_kernel::clock::now;
use sipward_types::time::KernelTime;

/// Refusals that one user may report a second, and at once. Each becomes an event, and a line of some diagnosis, for which
/// more would leave no room for others.
const A_SECOND: u64 = 500;
const AT_ONCE: u64 = 2_000;

#[derive(Clone, Debug)]
pub(super) struct Reports(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    observing: Observing,
    drop_events: DropEvents,
    budgets: Mutex<Budgets>,
    latest: Mutex<Option<(KernelTime, Totals)>>,
}

impl Reports {
    pub(super) fn new(observing: Observing, drop_events: DropEvents) -> Self {
        Self(Arc::new(Inner {
            observing,
            drop_events,
            budgets: Mutex::new(Budgets::new(A_SECOND, AT_ONCE)),
            latest: Mutex::default(),
        }))
    }

    /// All of it, or nothing.
    pub(super) fn take(&self, report: &Report, who: &Who) -> Result<(), Refusal> {
        let Report { totals, refusals } = report;
        let (count, now) = (refusals.len(), now());
        if count > MOST_REFUSALS {
            return Err(Refusal::wrong(format!(
                "{count} refusals are too many at once: report at most {MOST_REFUSALS} in one call"
            )));
        }
        let read = |(at, refused)| {
            wire::refusals(refused, now)
                .map_err(|problem| Refusal::wrong(format!("refusals[{at}].{problem}; nothing was taken")))
        };
        let refusals = refusals.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
        let Granted { granted, retry_in } = locked(&self.0.budgets).take(who.uid, count as u64, now);
        if granted < count as u64 {
            return Err(Refusal::no(format!(
                "more than {A_SECOND} refusals a second are over the limit of one user: report them again in {retry_in}s"
            )));
        }
        *locked(&self.0.latest) = Some((now, totals.clone()));
        self.0.observing.add_refusals(&refusals);
        let offset = Offset::now();
        refusals.iter().for_each(|refusals| self.0.drop_events.emit_refused(wire::refused(refusals, offset)));
        Ok(())
    }

    /// The last report, and when it came.
    pub(super) fn latest(&self) -> Option<(KernelTime, Totals)> {
        locked(&self.0.latest).clone()
    }
}
