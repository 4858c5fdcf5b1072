//! Drop events, decisions of the guard and refusals of the edge: sends each to every subscriber.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::sync::broadcast;
use tracing::warn;

use super::false_positives::SharedFalsePositives;
use crate::{
    event_reader::EventReader,
    fault_log::FaultLog,
    locked::locked,
    refusal::Refusal,
    wire::{Offset, dropped},
};
use sipward_api::item::{Decided, Event, Refused};
use sipward_engine::recent_drops::RecentDrops;
use sipward_kernel::{Error, Pins};
use sipward_types::{drop_event::DropEvent, probe_address::is_probe};

/// Events that a subscriber may lag behind before it loses some.
const BACKLOG: usize = 4_096;
/// Recent drops that are kept for later subscribers, and as many decisions and refusals.
const RECENT: usize = 1_000;
const WAIT: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(super) struct DropEvents(Arc<Inner>);

/// Kept apart, so that the many drops and refusals do not displace decisions.
#[derive(Debug, Default)]
struct RecentEvents {
    dropped: VecDeque<Arc<Event>>,
    decided: VecDeque<Arc<Event>>,
    refused: VecDeque<Arc<Event>>,
}

#[derive(Debug)]
struct Inner {
    pins: Pins,
    false_positives: SharedFalsePositives,
    news: broadcast::Sender<Arc<Event>>,
    recent: Mutex<RecentEvents>,
    recent_drops: Mutex<RecentDrops>,
    emitted: AtomicU64,
    suppressed: AtomicU64,
}

impl DropEvents {
    /// Starts the thread that reads the ring.
    pub(super) fn start(pins: Pins, false_positives: SharedFalsePositives) -> Result<Self, Refusal> {
        let drop_events = Self(Arc::new(Inner {
            pins,
            false_positives,
            news: broadcast::channel(BACKLOG).0,
            recent: Mutex::default(),
            recent_drops: Mutex::default(),
            emitted: AtomicU64::default(),
            suppressed: AtomicU64::default(),
        }));
        let events = drop_events.clone();
        thread::Builder::new()
            .name("drop-events".to_owned())
            .spawn(move || events.run())
            .map_err(|error| Refusal::failed(format!("could not start a thread: {error}")))?;
        Ok(drop_events)
    }

    /// Subscribes to every event from now on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.0.news.subscribe()
    }

    /// The latest, the oldest of them first.
    pub(super) fn recent(&self) -> Vec<Arc<Event>> {
        let recent = locked(&self.0.recent);
        let all = recent.dropped.iter().chain(&recent.decided).chain(&recent.refused);
        let mut events: Vec<_> = all.cloned().collect();
        events.sort_by(|one, other| timestamp(one).total_cmp(&timestamp(other)));
        events
    }

    /// Sends a decision to every subscriber.
    pub(super) fn emit_decided(&self, decided: Decided) {
        let emitted = Arc::new(Event::Decided(decided));
        keep(&mut locked(&self.0.recent).decided, &emitted);
        // There may be no subscriber.
        let _ = self.0.news.send(emitted);
    }

    /// Sends refusals of the edge to every subscriber.
    pub(super) fn emit_refused(&self, refused: Refused) {
        let emitted = Arc::new(Event::Refused(refused));
        keep(&mut locked(&self.0.recent).refused, &emitted);
        // There may be no subscriber.
        let _ = self.0.news.send(emitted);
    }

    pub(super) fn recent_drops(&self) -> MutexGuard<'_, RecentDrops> {
        locked(&self.0.recent_drops)
    }

    /// Drop events that the kernel emitted, and drops that its sampling suppressed.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.0.emitted.load(Ordering::Relaxed), self.0.suppressed.load(Ordering::Relaxed))
    }

    fn run(&self) {
        let mut faults = FaultLog::default();
        loop {
            let fault = match self.read_one_filter() {
                // A filter that was taken off has no events.
                Ok(()) | Err(Error::NothingAttached) => None,
                Err(error) => Some(error.to_string()),
            };
            faults.update(fault, |fault| warn!("drops are counted but not reported: {fault}"));
            thread::sleep(WAIT);
        }
    }

    /// Returns when another filter has replaced this one.
    fn read_one_filter(&self) -> Result<(), Error> {
        let generation = self.0.pins.generation();
        let mut reader = EventReader::open(&self.0.pins)?;
        while self.0.pins.generation() == generation {
            reader.wait(WAIT)?;
            let events = reader.read()?;
            self.recent_drops().name_signatures(reader.names());
            events.iter().for_each(|event| self.emit(event, reader.names()));
        }
        Ok(())
    }

    fn emit(&self, event: &DropEvent, names: &[String]) {
        if is_probe(event.source) {
            // Events of the self-test are not reported.
            return;
        }
        self.0.emitted.fetch_add(1, Ordering::Relaxed);
        self.0.suppressed.fetch_add(event.unseen.into(), Ordering::Relaxed);
        self.recent_drops().see(event);
        self.0.false_positives.dropped(event, names);
        let emitted = Arc::new(Event::Dropped(dropped(event, names, Offset::now())));
        keep(&mut locked(&self.0.recent).dropped, &emitted);
        // There may be no subscriber.
        let _ = self.0.news.send(emitted);
    }
}

fn keep(recent: &mut VecDeque<Arc<Event>>, emitted: &Arc<Event>) {
    if recent.len() == RECENT {
        recent.pop_front();
    }
    recent.push_back(Arc::clone(emitted));
}

fn timestamp(event: &Event) -> f64 {
    match event {
        Event::Dropped(dropped) => dropped.ts,
        Event::Decided(decided) => decided.ts,
        Event::Refused(refused) => refused.ts,
    }
}
