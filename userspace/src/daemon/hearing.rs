//! Drops, heard once from the kernel and told to everybody who wants to know; and among them what the guard decides.

use std::{
    collections::VecDeque,
    fs::File,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::sync::broadcast;
use tracing::warn;

use super::books::Books;
use crate::{
    control::protocol::{
        Refusal,
        item::{Decided, Event},
    },
    dropped::{Offset, dropped},
    kernel::{DropEvent, Error, Pins, Tables},
    probe::is_probe,
    sightings::Sightings,
};

/// How many events somebody may be behind before they miss some.
const BACKLOG: usize = 4_096;
/// Drops that are kept for whoever comes later, and as many decisions.
const RECENT: usize = 1_000;
const WAIT: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(super) struct Hearing(Arc<Inner>);

/// Apart, so that drops, of which there are many, do not push out decisions.
#[derive(Debug, Default)]
struct Recent {
    dropped: VecDeque<Arc<Event>>,
    decided: VecDeque<Arc<Event>>,
}

#[derive(Debug)]
struct Inner {
    pins: Pins,
    books: Books,
    news: broadcast::Sender<Arc<Event>>,
    recent: Mutex<Recent>,
    sightings: Mutex<Sightings>,
    told: AtomicU64,
    untold: AtomicU64,
}

impl Hearing {
    /// Gives the ring buffer a thread that waits for it.
    pub(super) fn start(pins: Pins, books: Books) -> Result<Self, Refusal> {
        let hearing = Self(Arc::new(Inner {
            pins,
            books,
            news: broadcast::channel(BACKLOG).0,
            recent: Mutex::default(),
            sightings: Mutex::default(),
            told: AtomicU64::default(),
            untold: AtomicU64::default(),
        }));
        let ear = hearing.clone();
        thread::Builder::new()
            .name("hearing".to_owned())
            .spawn(move || ear.hear())
            .map_err(|error| Refusal::failed(format!("could not start a thread: {error}")))?;
        Ok(hearing)
    }

    /// What is told from now on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.0.news.subscribe()
    }

    /// The latest, the oldest of them first.
    pub(super) fn recent(&self) -> Vec<Arc<Event>> {
        let recent = locked(&self.0.recent);
        let mut events: Vec<_> = recent.dropped.iter().chain(&recent.decided).cloned().collect();
        events.sort_by(|one, other| moment(one).total_cmp(&moment(other)));
        events
    }

    /// Tells everybody of something that was not heard from the kernel.
    pub(super) fn tell_decided(&self, decided: Decided) {
        let told = Arc::new(Event::Decided(decided));
        keep(&mut locked(&self.0.recent).decided, &told);
        // Nobody may listen.
        let _ = self.0.news.send(told);
    }

    pub(super) fn sightings(&self) -> MutexGuard<'_, Sightings> {
        locked(&self.0.sightings)
    }

    /// Drops that the kernel told one by one, and those that it only counted.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.0.told.load(Ordering::Relaxed), self.0.untold.load(Ordering::Relaxed))
    }

    fn hear(&self) {
        let mut told = None;
        loop {
            let fault = match self.hear_one_filter() {
                Ok(()) => None,
                // Nothing to hear where the filter was taken off.
                Err(Error::NothingAttached) => None,
                Err(error) => Some(error.to_string()),
            };
            if let Some(fault) = fault.as_ref().filter(|fault| told.as_ref() != Some(*fault)) {
                warn!("drops are counted and not told: {fault}");
            }
            told = fault;
            thread::sleep(WAIT);
        }
    }

    /// Until another filter has taken its place.
    fn hear_one_filter(&self) -> Result<(), Error> {
        let generation = self.0.pins.generation();
        let tables = Tables::open(&self.0.pins)?;
        let _reader: File = self.0.pins.lock_events()?;
        let mut ring = tables.events()?;
        let mut names = tables.signature_names()?;
        self.sightings().name_signatures(&names);
        while self.0.pins.generation() == generation {
            ring.wait(WAIT)?;
            let events: Vec<_> = ring.by_ref().collect();
            if events.iter().any(|event| event.signature.is_some()) {
                // They change when a set is loaded.
                names = tables.signature_names()?;
                self.sightings().name_signatures(&names);
            }
            events.iter().for_each(|event| self.tell(event, &names));
        }
        Ok(())
    }

    fn tell(&self, event: &DropEvent, names: &[String]) {
        if is_probe(event.source) {
            // The filter's own, which nobody need hear of.
            return;
        }
        self.0.told.fetch_add(1, Ordering::Relaxed);
        self.0.untold.fetch_add(event.unseen.into(), Ordering::Relaxed);
        self.sightings().see(event);
        self.0.books.dropped(event, names);
        let told = Arc::new(Event::Dropped(dropped(event, names, Offset::now())));
        keep(&mut locked(&self.0.recent).dropped, &told);
        // As above.
        let _ = self.0.news.send(told);
    }
}

fn keep(recent: &mut VecDeque<Arc<Event>>, told: &Arc<Event>) {
    if recent.len() == RECENT {
        recent.pop_front();
    }
    recent.push_back(Arc::clone(told));
}

fn moment(event: &Event) -> f64 {
    match event {
        Event::Dropped(dropped) => dropped.ts,
        Event::Decided(decided) => decided.ts,
    }
}

/// What is behind these locks is right after every statement, so a panic elsewhere does not make it wrong.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
