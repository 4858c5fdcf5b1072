//! The observer's thread: reads tapped packets, and hands evidence to the guard.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use tracing::{error, info, warn};

use super::{controller_handle::ControllerHandle, false_positives::SharedFalsePositives};
use crate::{
    controller::{Controller, EdgeSockets},
    fault_log::FaultLog,
    locked::locked,
    refusal::Refusal,
};
use sipward_engine::observe::{Diagnosis, Observer, Settings, Subject, Unseen};
use sipward_kernel::clock::now;
use sipward_kernel::{Error, Pins, Tables, TapLosses};
use sipward_types::evidence::{Evidence, Kind};

const WAIT: Duration = Duration::from_secs(1);
/// The interval at which requests without an answer expire.
const TICK: Duration = Duration::from_millis(100);
/// The interval of the log lines about losses.
const LOSSES: Duration = Duration::from_secs(60);
/// The delay before packets are read, so that those of other cores arrive in order.
const HELD: Duration = Duration::from_millis(10);
/// Packets that are looked at before anything else is done.
const PACKETS: usize = 1_024;
/// Capacity of the queue of evidence for the controller; more is lost.
const WAITING: usize = 65_536;
/// Evidence in one job, so that other jobs of the controller get their turn.
const AT_ONCE: usize = 1_024;

#[derive(Clone, Debug)]
pub(super) struct Observing(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pins: Pins,
    handle: ControllerHandle,
    false_positives: SharedFalsePositives,
    edge_sockets: EdgeSockets,
    observer: Mutex<Observer>,
    /// Of the kernel's taps, since the filter was loaded.
    losses: Mutex<TapLosses>,
    /// Evidence that did not fit into the queue.
    lost: AtomicU64,
    /// The controller is busy with a job of the observer.
    is_busy: AtomicBool,
    faults: Mutex<FaultLog>,
}

/// Counters of the observer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) packets: u64,
    /// Evidence that did not fit into the queue.
    pub(super) lost: u64,
}

impl Observing {
    /// Starts the observer's thread. When this returns, it reads every packet that arrives.
    pub(super) fn start(
        pins: Pins,
        handle: ControllerHandle,
        false_positives: SharedFalsePositives,
        edge_sockets: EdgeSockets,
    ) -> Result<Self, Refusal> {
        let observing = Self(Arc::new(Inner {
            pins,
            handle,
            false_positives,
            edge_sockets,
            observer: Mutex::new(Observer::new(Settings::default())),
            losses: Mutex::default(),
            lost: AtomicU64::default(),
            is_busy: AtomicBool::default(),
            faults: Mutex::default(),
        }));
        let (eye, (opened, is_open)) = (observing.clone(), mpsc::channel());
        thread::Builder::new()
            .name("observing".to_owned())
            .spawn(move || eye.observe(opened))
            .map_err(|error| Refusal::failed(format!("could not start a thread: {error}")))?;
        // The thread drops the other end when the taps are open, or when opening them failed.
        let _ = is_open.recv();
        Ok(observing)
    }

    /// Observed reasons why requests are refused.
    pub(super) fn diagnose(&self, subject: Subject<'_>) -> Vec<Diagnosis> {
        locked(&self.0.observer).diagnose(subject, now())
    }

    /// Refusals of the edge, for the diagnoses.
    pub(super) fn add_refusals(&self, refusals: &[Diagnosis]) {
        locked(&self.0.observer).add_refusals(refusals);
    }

    /// Evidence that is handed in says who was let in where, such as over TLS, which the observer cannot read.
    pub(super) fn worked(&self, evidence: &[Evidence]) {
        let mut observer = locked(&self.0.observer);
        for evidence in evidence {
            if let (Kind::Succeeded | Kind::Registered { .. }, Some(account)) =
                (evidence.kind, &evidence.account)
            {
                observer.worked(account, evidence.source, evidence.at);
            }
        }
    }

    pub(super) fn seen(&self) -> Seen {
        Seen {
            packets: locked(&self.0.observer).counters().packets,
            lost: self.0.lost.load(Ordering::Relaxed),
        }
    }

    fn observe(&self, opened: mpsc::Sender<()>) {
        let (mut faults, mut opened) = (FaultLog::default(), Some(opened));
        loop {
            let fault = match self.observe_one_filter(opened.take()) {
                // A filter that was taken off taps nothing.
                Ok(()) | Err(Error::NothingAttached) => None,
                Err(error) => Some(error.to_string()),
            };
            faults.update(fault, |fault| warn!("the authentication observer is down: {fault}"));
            thread::sleep(WAIT);
        }
    }

    /// Returns when another filter has replaced this one.
    fn observe_one_filter(&self, opened: Option<mpsc::Sender<()>>) -> Result<(), Error> {
        let generation = self.0.pins.generation();
        let tables = Tables::open(&self.0.pins)?;
        let mut taps = tables.taps()?;
        let mut waiting = Waiting::default();
        let mut logged = Vec::new();
        let (mut ticked, mut counted) = (Instant::now(), Instant::now());
        let mut missed = tables.tap_losses()?;
        let mut unseen = 0;
        locked(&self.0.observer).miss(Unseen::Answer, now());
        locked(&self.0.observer).miss(Unseen::Foreign, now());
        // This tells `start` that the taps are open.
        drop(opened);
        while self.0.pins.generation() == generation {
            taps.wait(TICK)?;
            let until = now() - HELD;
            // Before the packets: one of them may exploit what the observer missed.
            let losses = tables.tap_losses()?;
            let mut observer = locked(&self.0.observer);
            observer.set_edge(self.0.edge_sockets.get());
            for (what, before, after) in [
                (Unseen::Answer, missed.answers, losses.answers),
                (Unseen::Hidden, missed.hidden, losses.hidden),
                (Unseen::Foreign, missed.foreign, losses.foreign),
            ] {
                if before != after {
                    observer.miss(what, now());
                }
            }
            unseen += losses.may_have_shown(&missed);
            missed = losses;
            let seen = taps.drain(until, PACKETS, |tap| observer.see(&tap.tapped(), &mut logged));
            if ticked.elapsed() >= TICK {
                observer.tick(now(), &mut logged);
                ticked = Instant::now();
            }
            drop(observer);
            let lost = waiting.add(&mut logged);
            self.0.lost.fetch_add(lost, Ordering::Relaxed);
            unseen += lost;
            self.hand_in(&mut waiting, &mut unseen);
            if counted.elapsed() >= LOSSES {
                self.count_losses(losses);
                counted = Instant::now();
            }
            if seen == 0 {
                // The ring has packets that are too recent.
                thread::sleep(HELD / 2);
            }
        }
        Ok(())
    }

    /// Hands waiting evidence to the controller when it is idle.
    fn hand_in(&self, waiting: &mut Waiting, unseen: &mut u64) {
        if waiting.0.is_empty() && *unseen == 0 || self.0.is_busy.swap(true, Ordering::AcqRel) {
            return;
        }
        let batch = waiting.take();
        let (inner, given, missed) = (Arc::clone(&self.0), batch.clone(), *unseen);
        let job = move |controller: &mut Controller| {
            inner.witness(controller, &given, missed);
            inner.is_busy.store(false, Ordering::Release);
        };
        if self.0.handle.try_hand_in(job) {
            *unseen = 0;
        } else {
            waiting.put_back(batch);
            self.0.is_busy.store(false, Ordering::Release);
        }
    }

    /// Once a minute at most.
    fn count_losses(&self, losses: TapLosses) {
        let before = std::mem::replace(&mut *locked(&self.0.losses), losses);
        let (known, strangers) = (
            losses.known - before.known.min(losses.known),
            losses.strangers - before.strangers.min(losses.strangers),
        );
        if known > 0 {
            warn!("the observer missed {known} packets of known sources, because they came too fast");
        }
        let blind =
            losses.answers.saturating_sub(before.answers) + losses.foreign.saturating_sub(before.foreign);
        if blind > 0 {
            warn!(
                "the observer missed {blind} answers of the PBX or to it, because they came too fast. \
                 Meanwhile nothing over UDP counted as proven, so no failure over UDP led to a suspension \
                 or a ban; `sipward status` has the figures"
            );
        }
        if strangers > 0 {
            info!("the observer skipped {strangers} packets of strangers over its budget");
        }
    }
}

impl Inner {
    /// `missed`: packets that were not seen until then.
    fn witness(&self, controller: &mut Controller, evidence: &[Evidence], missed: u64) {
        self.false_positives.witnessed(evidence);
        // The store logs its own faults.
        let alert_fault = if missed > 0 { controller.missed(missed).err() } else { None };
        let fault =
            alert_fault.or(controller.witness(evidence, None).err()).map(|refusal| refusal.to_string());
        locked(&self.faults)
            .update(fault, |fault| error!("not all decisions of the guard are in force: {fault}"));
    }
}

/// Evidence that waits for the controller.
#[derive(Debug, Default)]
struct Waiting(VecDeque<Evidence>);

impl Waiting {
    /// The number of entries that did not fit.
    fn add(&mut self, logged: &mut Vec<Evidence>) -> u64 {
        let room = WAITING - self.0.len();
        let lost = logged.len().saturating_sub(room);
        self.0.extend(logged.drain(..).take(room));
        lost as u64
    }

    fn take(&mut self) -> Vec<Evidence> {
        let count = self.0.len().min(AT_ONCE);
        self.0.drain(..count).collect()
    }

    fn put_back(&mut self, batch: Vec<Evidence>) {
        batch.into_iter().rev().for_each(|evidence| self.0.push_front(evidence));
    }
}
