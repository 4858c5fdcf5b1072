//! Evidence that local programs hand in, as much of it as each user may.

use std::sync::{Arc, Mutex};

use super::{
    budgets::{Budgets, Granted},
    controller_handle::ControllerHandle,
    false_positives::SharedFalsePositives,
    observing::Observing,
};
use crate::{
    caller::Who,
    controller::Controller,
    locked::locked,
    refusal::Refusal,
    wire::{self, Attempts},
};
use sipward_api::{
    Evidence,
    evidence::{EvidenceTaken, MOST_OUTCOMES},
};
use sipward_kernel::clock::now;

/// Items that one user may hand in a second, all connections together. Even an unoptimised build judges twice as many, so a
/// feeder out of control leaves the controller time for others; and a front that serves a thousand calls a second, each with
/// a challenge and an answer to it, needs less than half.
pub(super) const A_SECOND: u64 = 5_000;
/// And at once: what was kept while the daemon was away.
const AT_ONCE: u64 = 20_000;

#[derive(Clone, Debug)]
pub(super) struct Feeders(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    handle: ControllerHandle,
    false_positives: SharedFalsePositives,
    observing: Observing,
    attempts: Attempts,
    budgets: Mutex<Budgets>,
}

impl Feeders {
    pub(super) fn new(
        handle: ControllerHandle,
        false_positives: SharedFalsePositives,
        observing: Observing,
    ) -> Self {
        Self(Arc::new(Inner {
            handle,
            false_positives,
            observing,
            attempts: Attempts::default(),
            budgets: Mutex::new(Budgets::new(A_SECOND, AT_ONCE)),
        }))
    }

    /// Nothing is taken where anything is wrong. Decisions that follow are in force when this returns.
    pub(super) async fn take(&self, evidence: &Evidence, who: &Who) -> Result<EvidenceTaken, Refusal> {
        let count = evidence.items.len();
        if count > MOST_OUTCOMES {
            return Err(Refusal::wrong(format!(
                "{count} items are too many at once: hand in at most {MOST_OUTCOMES} in one call"
            )));
        }
        let now = now();
        let read = |(at, item)| {
            wire::evidence(item, &self.0.attempts, now)
                .map_err(|problem| Refusal::wrong(format!("items[{at}].{problem}; nothing was taken")))
        };
        let mut items = evidence.items.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
        let Granted { granted, retry_in } = locked(&self.0.budgets).take(who.uid, count as u64, now);
        items.truncate(granted as usize);
        let recent: Vec<_> = items.into_iter().flatten().collect();
        self.0.observing.worked(&recent);
        let recent_count = recent.len() as u64;
        let (inner, who) = (Arc::clone(&self.0), who.clone());
        let judge = move |controller: &mut Controller| {
            let judgeable = controller.judgeable(recent)?;
            inner.false_positives.witnessed(&judgeable);
            controller.witness_of(&who, &judgeable)?;
            Ok::<_, Refusal>(judgeable.len() as u64)
        };
        let taken = self.0.handle.with(judge).await?;
        Ok(EvidenceTaken {
            taken,
            too_old: granted - recent_count,
            exempt: recent_count - taken,
            left: count as u64 - granted,
            retry_in,
        })
    }
}
