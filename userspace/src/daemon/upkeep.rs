//! Periodic upkeep.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use super::controller_handle::ControllerHandle;
use crate::{
    clock::Clock,
    controller::{Controller, Purged},
    fault_log::FaultLog,
};

const TICK: Duration = Duration::from_secs(1);
// The periods of the upkeep, in ticks.
/// Rates are measured.
const RATES: u64 = 2;
/// The counts of the guard are saved.
const MEMORY: u64 = 5;
/// The pins and the store are checked.
const FAULTS: u64 = 5;
/// The self-test runs.
const PROOF: u64 = 300;
/// Entries that have run out are removed.
const PURGE: u64 = 600;

pub(super) async fn keep_up(handle: &ControllerHandle) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut state = UpkeepState::default();
    for tick in 0_u64.. {
        ticks.tick().await;
        state = handle.with(move |controller| look_after(controller, tick, state)).await;
    }
}

/// From one tick to the next.
#[derive(Default)]
struct UpkeepState {
    store: FaultLog,
    guard: FaultLog,
    /// The last self-test failed.
    is_alarmed: bool,
    /// Entries that a purge has removed so far, while it is under way.
    purged: Option<usize>,
}

fn look_after(controller: &mut Controller, tick: u64, mut state: UpkeepState) -> UpkeepState {
    match controller.revert(&Clock::read()) {
        Ok(false) => {}
        Ok(true) => warn!("the lock-down was not confirmed and has reverted: the rules decide again"),
        Err(refusal) => error!("the lock-down could not be reverted: {refusal}"),
    }
    // Also where the filter was taken off: what cannot be saved is in memory alone then.
    if tick.is_multiple_of(FAULTS) {
        look_after_store(controller, &mut state.store);
    }
    if controller.is_off() {
        return state;
    }
    look_after_guard(controller, &mut state.guard);
    if tick.is_multiple_of(RATES)
        && let Err(refusal) = controller.look()
    {
        warn!("the counters cannot be read: {refusal}");
    }
    if tick.is_multiple_of(MEMORY) {
        // The store reports its faults.
        let _ = controller.keep_memory();
    }
    if tick.is_multiple_of(PROOF) {
        state.is_alarmed = self_test(controller, state.is_alarmed);
    }
    if tick % PURGE == PURGE - 1 || state.purged.is_some() {
        state.purged = purge(controller, state.purged.unwrap_or(0));
    }
    state
}

/// Removes some expired entries at each tick, so that no call waits long. The number removed so far, until all are.
fn purge(controller: &mut Controller, before: usize) -> Option<usize> {
    match controller.purge() {
        Ok(Purged { removed, is_all: false }) => Some(before + removed),
        Ok(Purged { removed, is_all: true }) => {
            if before + removed > 0 {
                info!("{} expired entries were removed", before + removed);
            }
            None
        }
        Err(refusal) => {
            warn!("expired entries could not be removed yet: {refusal}");
            None
        }
    }
}

/// Faults of the store are logged by [`look_after_store`].
fn look_after_guard(controller: &mut Controller, faults: &mut FaultLog) {
    let fault = controller.tick().err().map(|refusal| refusal.to_string());
    faults.update(fault, |fault| error!("not all decisions of the guard are in force: {fault}"));
}

fn look_after_store(controller: &mut Controller, faults: &mut FaultLog) {
    let fault = controller.fault();
    let is_faulty = fault.is_some();
    faults.update(fault, |fault| error!("changes are in force but cannot be saved: {fault}"));
    if is_faulty && let Some((opened, Ok(reconciled))) = controller.recover() {
        info!("the database is writable again ({opened:?}); lists: {reconciled}");
        faults.update(None, |_| {});
    }
}

/// Every failure is logged: an operator must not miss that the filter does not work. True if the test failed.
fn self_test(controller: &mut Controller, was_alarmed: bool) -> bool {
    match controller.prove() {
        Ok(()) if was_alarmed => info!("the self-test passes again"),
        Ok(()) => {}
        Err(fault) => {
            error!("ALARM: {fault}");
            return true;
        }
    }
    false
}
