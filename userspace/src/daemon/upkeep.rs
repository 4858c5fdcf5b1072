//! What has to be looked after now and then.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use super::desk::Desk;
use crate::{
    office::{Office, Purged},
    wall::Clock,
};

const TICK: Duration = Duration::from_secs(1);
/// In ticks: how often rates are measured, what the guard counts saved, pins and the store looked at, the filter put to the proof, and what has run
/// out removed.
const RATES: u64 = 2;
const MEMORY: u64 = 5;
const FAULTS: u64 = 5;
const PROOF: u64 = 300;
const PURGE: u64 = 600;

pub(super) async fn keep_up(desk: &Desk) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = Told::default();
    for tick in 0_u64.. {
        ticks.tick().await;
        told = desk.with(move |office| look_after(office, tick, told)).await;
    }
}

/// From one tick to the next.
#[derive(Default)]
struct Told {
    /// Faults that were told already, so that each is told once.
    store: Option<String>,
    guard: Option<String>,
    proof: Option<String>,
    /// Entries that a purge has removed so far, while it is under way.
    purged: Option<usize>,
}

fn look_after(office: &mut Office, tick: u64, mut told: Told) -> Told {
    match office.revert(&Clock::read()) {
        Ok(false) => {}
        Ok(true) => warn!("nobody confirmed the lock-down: everybody may call again"),
        Err(refusal) => error!("the lock-down could not be taken back: {refusal}"),
    }
    if office.is_off() {
        return told;
    }
    told.guard = look_after_guard(office, told.guard);
    if tick.is_multiple_of(RATES)
        && let Err(refusal) = office.look()
    {
        warn!("the counters cannot be read: {refusal}");
    }
    if tick.is_multiple_of(MEMORY) {
        // A fault is told of the store.
        let _ = office.keep_memory();
    }
    if tick.is_multiple_of(FAULTS) {
        told.store = look_after_store(office, told.store);
    }
    if tick.is_multiple_of(PROOF) {
        told.proof = put_to_the_proof(office, told.proof);
    }
    if tick % PURGE == PURGE - 1 || told.purged.is_some() {
        told.purged = purge(office, told.purged.unwrap_or(0));
    }
    told
}

/// A part of it at each tick, so that nobody waits long. How many have been removed, until all are.
fn purge(office: &mut Office, before: usize) -> Option<usize> {
    match office.purge() {
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

/// That something is not saved is told of the store.
fn look_after_guard(office: &mut Office, told: Option<String>) -> Option<String> {
    let fault = office.tick().err().map(|refusal| refusal.to_string());
    if let Some(fault) = fault.as_ref().filter(|fault| told.as_ref() != Some(*fault)) {
        error!("what the guard decided is not all in force: {fault}");
    }
    fault
}

fn look_after_store(office: &mut Office, told: Option<String>) -> Option<String> {
    let fault = office.fault()?;
    if told.as_ref() != Some(&fault) {
        error!("what changes is in force, and cannot be saved: {fault}");
    }
    match office.recover() {
        Some((opened, Ok(reconciled))) => {
            info!("the store can be written again ({opened:?}); lists: {reconciled}");
            None
        }
        _ => Some(fault),
    }
}

fn put_to_the_proof(office: &mut Office, told: Option<String>) -> Option<String> {
    match office.prove() {
        Ok(()) => {
            if told.is_some() {
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
