//! Evidence that local programs hand in, as much of it as each user may.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{controller_handle::ControllerHandle, false_positives::SharedFalsePositives};
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
use sipward_types::time::KernelTime;

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
    attempts: Attempts,
    budgets: Mutex<Budgets>,
}

impl Feeders {
    pub(super) fn new(handle: ControllerHandle, false_positives: SharedFalsePositives) -> Self {
        Self(Arc::new(Inner {
            handle,
            false_positives,
            attempts: Attempts::default(),
            budgets: Mutex::default(),
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

/// For each user, the time until which what it has handed in keeps its budget busy.
#[derive(Debug, Default)]
struct Budgets(HashMap<u32, KernelTime>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Granted {
    granted: u64,
    /// Seconds until the rest is granted; 0: there is none.
    retry_in: u64,
}

impl Budgets {
    const EACH: Duration = Duration::from_nanos(1_000_000_000 / A_SECOND);
    const WHOLE: Duration = Duration::from_secs(AT_ONCE / A_SECOND);

    fn take(&mut self, uid: u32, asked: u64, now: KernelTime) -> Granted {
        // Whoever has all of its budget is not remembered.
        self.0.retain(|_, busy_until| *busy_until > now);
        let busy = self.0.get(&uid).map_or(Duration::ZERO, |until| until.since(now));
        let room = (Self::WHOLE.saturating_sub(busy).as_nanos() / Self::EACH.as_nanos()) as u64;
        let granted = asked.min(room);
        let busy = busy + nanos(granted);
        if granted > 0 {
            self.0.insert(uid, now + busy);
        }
        let needs = busy + nanos((asked - granted).min(AT_ONCE));
        let retry_in = needs.saturating_sub(Self::WHOLE).as_nanos().div_ceil(1_000_000_000) as u64;
        Granted { granted, retry_in }
    }
}

/// For which so many items keep a budget busy.
const fn nanos(items: u64) -> Duration {
    Duration::from_nanos(items * Budgets::EACH.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: f64) -> KernelTime {
        KernelTime::START + Duration::from_secs_f64(1_000.0 + seconds)
    }

    #[test]
    fn each_user_has_so_many_at_once_and_then_so_many_a_second() {
        let mut budgets = Budgets::default();
        for (user, asked, seconds, granted, retry_in) in [
            (1, 1_000, 0.0, 1_000, 0),
            (1, 19_500, 0.0, 19_000, 1),
            (1, 500, 0.0, 0, 1),
            (2, 1_000, 0.0, 1_000, 0),
            (1, 500, 0.05, 250, 1),
            (1, 9_000, 0.05, 0, 2),
            (1, 6_000, 1.05, 5_000, 1),
            (1, 20_000, 9.0, 20_000, 0),
            (1, 0, 9.0, 0, 0),
        ] {
            let expected = Granted { granted, retry_in };
            assert_eq!(budgets.take(user, asked, at(seconds)), expected, "{user} {asked} {seconds}");
        }
    }

    #[test]
    fn whoever_has_its_whole_budget_is_forgotten() {
        let mut budgets = Budgets::default();
        for user in 0..100 {
            budgets.take(user, 5_000, at(0.0));
        }
        budgets.take(100, 1, at(1.0));
        assert_eq!(budgets.0.len(), 1);
    }

    proptest! {
        #[test]
        fn nobody_gets_more_and_whoever_comes_back_as_told_gets_the_rest(
            asked in prop::collection::vec((0..=MOST_OUTCOMES as u64, 0_u32..500), 1..200)
        ) {
            let mut budgets = Budgets::default();
            let (mut time, mut sum) = (0.0, 0);
            for (asked, pause) in asked {
                time += f64::from(pause) / 1_000.0;
                let Granted { granted, retry_in } = budgets.take(7, asked, at(time));
                sum += granted;
                prop_assert!(sum as f64 <= AT_ONCE as f64 + time * A_SECOND as f64 + 1.0);
                prop_assert_eq!(retry_in > 0, granted < asked);
                if granted < asked {
                    time += retry_in as f64;
                    let rest = budgets.take(7, asked - granted, at(time));
                    prop_assert_eq!(rest, Granted { granted: asked - granted, retry_in: 0 });
                    sum += rest.granted;
                }
            }
        }
    }
}
