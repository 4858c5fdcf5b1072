//! What the PBX makes of its callers, watched and handed to the guard.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use tracing::{error, info, warn};

use super::{controller_handle::ControllerHandle, false_positives::SharedFalsePositives};
use crate::{controller::Controller, refusal::Refusal};
use sipward_engine::observe::{Diagnosis, Observer, Settings, Subject, Unseen};
use sipward_kernel::clock::now;
use sipward_kernel::{Error, Pins, Tables, TapLosses};
use sipward_types::evidence::Evidence;

const WAIT: Duration = Duration::from_secs(1);
/// How often requests that waited long enough are given up.
const TICK: Duration = Duration::from_millis(100);
/// How often losses are logged.
const LOSSES: Duration = Duration::from_secs(60);
/// How long packets wait for others of their time, which another core may just be writing. In nanoseconds.
const HELD: Duration = Duration::from_millis(10);
/// Packets that are looked at before anything else is done.
const PACKETS: usize = 1_024;
/// What waits for the controller; what comes then is lost.
const WAITING: usize = 65_536;
/// What the controller is given at once, so that others have their turn.
const AT_ONCE: usize = 1_024;

#[derive(Clone, Debug)]
pub(super) struct Observing(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pins: Pins,
    handle: ControllerHandle,
    false_positives: SharedFalsePositives,
    observer: Mutex<Observer>,
    /// Of the kernel's taps, since the filter was loaded.
    losses: Mutex<TapLosses>,
    /// Evidence that there was no room for.
    lost: AtomicU64,
    /// The controller has some and is not done with it.
    is_busy: AtomicBool,
    /// The fault that was logged last, so that it is logged once.
    fault: Mutex<Option<String>>,
}

/// How much was seen, and what of it could not be judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) packets: u64,
    /// Evidence that there was no room for.
    pub(super) lost: u64,
}

impl Observing {
    /// Gives the taps a thread that waits for them. When this returns, it sees what comes.
    pub(super) fn start(
        pins: Pins,
        handle: ControllerHandle,
        false_positives: SharedFalsePositives,
    ) -> Result<Self, Refusal> {
        let observing = Self(Arc::new(Inner {
            pins,
            handle,
            false_positives,
            observer: Mutex::new(Observer::new(Settings::default())),
            losses: Mutex::default(),
            lost: AtomicU64::default(),
            is_busy: AtomicBool::default(),
            fault: Mutex::default(),
        }));
        let (eye, (opened, is_open)) = (observing.clone(), mpsc::channel());
        thread::Builder::new()
            .name("observing".to_owned())
            .spawn(move || eye.observe(opened))
            .map_err(|error| Refusal::failed(format!("could not start a thread: {error}")))?;
        // The other end is dropped when it looks, or cannot and tries again.
        let _ = is_open.recv();
        Ok(observing)
    }

    /// Why requests are refused, as far as that was seen.
    pub(super) fn diagnose(&self, subject: Subject<'_>) -> Vec<Diagnosis> {
        locked(&self.0.observer).diagnose(subject, now())
    }

    pub(super) fn seen(&self) -> Seen {
        Seen {
            packets: locked(&self.0.observer).counters().packets,
            lost: self.0.lost.load(Ordering::Relaxed),
        }
    }

    fn observe(&self, opened: mpsc::Sender<()>) {
        let (mut logged, mut opened) = (None, Some(opened));
        loop {
            let fault = match self.observe_one_filter(opened.take()) {
                Ok(()) => None,
                // Nothing to see where the filter was taken off.
                Err(Error::NothingAttached) => None,
                Err(error) => Some(error.to_string()),
            };
            if let Some(fault) = fault.as_ref().filter(|fault| logged.as_ref() != Some(*fault)) {
                warn!("nobody sees who authenticates: {fault}");
            }
            logged = fault;
            thread::sleep(WAIT);
        }
    }

    /// Until another filter has taken its place.
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
        // Whoever waits for it is told by that.
        drop(opened);
        while self.0.pins.generation() == generation {
            taps.wait(TICK)?;
            let until = now() - HELD;
            // Before the packets: among those that follow may be one that makes use of what nobody saw.
            let losses = tables.tap_losses()?;
            let mut observer = locked(&self.0.observer);
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
                // Something is there, and too young.
                thread::sleep(HELD / 2);
            }
        }
        Ok(())
    }

    /// What waits, as soon as the controller has time for it.
    fn hand_in(&self, waiting: &mut Waiting, unseen: &mut u64) {
        if waiting.0.is_empty() && *unseen == 0 || self.0.is_busy.swap(true, Ordering::AcqRel) {
            return;
        }
        let batch = waiting.take();
        let (inner, given, missed) = (Arc::clone(&self.0), batch.clone(), *unseen);
        let job = move |controller: &mut Controller| {
            inner.judge(controller, &given, missed);
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
            warn!(
                "{known} packets of known sources came too fast to be looked at: the guard did not see them"
            );
        }
        let blind =
            losses.answers.saturating_sub(before.answers) + losses.foreign.saturating_sub(before.foreign);
        if blind > 0 {
            warn!(
                "{blind} answers of the PBX or to it came too fast to be looked at: meanwhile nothing that came over UDP \
                 was proven, so that nobody was suspended or banned for it; `sipward status` has the figures"
            );
        }
        if strangers > 0 {
            info!("{strangers} packets of strangers were more than is looked at");
        }
    }
}

impl Inner {
    /// `missed`: packets that were not seen until then.
    fn judge(&self, controller: &mut Controller, evidence: &[Evidence], missed: u64) {
        self.false_positives.witnessed(evidence);
        // The store reports that something is not saved.
        let logged = if missed > 0 { controller.missed(missed).err() } else { None };
        let fault = logged.or(controller.witness(evidence).err()).map(|refusal| refusal.to_string());
        let mut logged = locked(&self.fault);
        if let Some(fault) = fault.as_ref().filter(|fault| logged.as_ref() != Some(*fault)) {
            error!("what the guard decided is not all in force: {fault}");
        }
        *logged = fault;
    }
}

/// Evidence that the controller has no time for yet.
#[derive(Debug, Default)]
struct Waiting(VecDeque<Evidence>);

impl Waiting {
    /// How much there was no room for.
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

/// As in `drop_events`.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
