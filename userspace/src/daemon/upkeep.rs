//! What has to be looked after now and then.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use super::controller_handle::ControllerHandle;
use crate::{
    clock::Clock,
    controller::{Controller, Purged},
};

const TICK: Duration = Duration::from_secs(1);
/// In ticks: how often rates are measured, what the guard counts saved, pins and the store looked at, the filter put to the proof, and what has run
/// out removed.
const RATES: u64 = 2;
const MEMORY: u64 = 5;
const FAULTS: u64 = 5;
const PROOF: u64 = 300;
const PURGE: u64 = 600;

pub(super) async fn keep_up(handle: &ControllerHandle) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut logged = UpkeepState::default();
    for tick in 0_u64.. {
        ticks.tick().await;
        logged = handle.with(move |controller| look_after(controller, tick, logged)).await;
    }
}

/// From one tick to the next.
#[derive(Default)]
struct UpkeepState {
    /// Faults that were logged already, so that each is logged once.
    store: Option<String>,
    guard: Option<String>,
    proof: Option<String>,
    /// Entries that a purge has removed so far, while it is under way.
    purged: Option<usize>,
}

fn look_after(controller: &mut Controller, tick: u64, mut logged: UpkeepState) -> UpkeepState {
    match controller.revert(&Clock::read()) {
        Ok(false) => {}
        Ok(true) => warn!("nobody confirmed the lock-down: everybody may call again"),
        Err(refusal) => error!("the lock-down could not be taken back: {refusal}"),
    }
    if controller.is_off() {
        return logged;
    }
    logged.guard = look_after_guard(controller, logged.guard);
    if tick.is_multiple_of(RATES)
        && let Err(refusal) = controller.look()
    {
        warn!("the counters cannot be read: {refusal}");
    }
    if tick.is_multiple_of(MEMORY) {
        // The store reports its faults.
        let _ = controller.keep_memory();
    }
    if tick.is_multiple_of(FAULTS) {
        logged.store = look_after_store(controller, logged.store);
    }
    if tick.is_multiple_of(PROOF) {
        logged.proof = put_to_the_proof(controller, logged.proof);
    }
    if tick % PURGE == PURGE - 1 || logged.purged.is_some() {
        logged.purged = purge(controller, logged.purged.unwrap_or(0));
    }
    logged
}

/// A part of it at each tick, so that nobody waits long. How many have been removed, until all are.
fn purge(controller: &mut Controller, before: usize) -> Option<usize> {
    match controller.purge() {
        Ok(Purged { removed, is_all: false }) => Some(before + removed),
        Ok(Purged { removed, is_all: true }) => {
            if before + removed > 0 {
                info!("{} entries have run out", before + removed);
            }
            None
        }
        Err(refusal) => {
            warn!("what has run out stays for now: {refusal}");
            None
        }
    }
}

/// The store reports that something is not saved.
fn look_after_guard(controller: &mut Controller, logged: Option<String>) -> Option<String> {
    let fault = controller.tick().err().map(|refusal| refusal.to_string());
    if let Some(fault) = fault.as_ref().filter(|fault| logged.as_ref() != Some(*fault)) {
        error!("what the guard decided is not all in force: {fault}");
    }
    fault
}

fn look_after_store(controller: &mut Controller, logged: Option<String>) -> Option<String> {
    let fault = controller.fault()?;
    if logged.as_ref() != Some(&fault) {
        error!("what changes is in force, and cannot be saved: {fault}");
    }
    match controller.recover() {
        Some((opened, Ok(reconciled))) => {
            info!("the store can be written again ({opened:?}); lists: {reconciled}");
            None
        }
        _ => Some(fault),
    }
}

fn put_to_the_proof(controller: &mut Controller, logged: Option<String>) -> Option<String> {
    match controller.prove() {
        Ok(()) => {
            if logged.is_some() {
                info!("the filter does its work again");
            }
            None
        }
        Err(fault) => {
            error!("ALARM: {fault}");
            Some(fault)
        }
    }
}
