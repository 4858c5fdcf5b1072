//! Reads drop events from the ring of the filter, for the daemon or for `sipward events` without one.

use std::{fs::File, time::Duration};

use sipward_kernel::{Events, Pins, Result, Tables};
use sipward_types::drop_event::DropEvent;

#[derive(Debug)]
pub struct EventReader {
    tables: Tables,
    ring: Events,
    names: Vec<String>,
    /// The ring has one reader at a time.
    _lock: File,
}

impl EventReader {
    pub fn open(pins: &Pins) -> Result<Self> {
        let tables = Tables::open(pins)?;
        let lock = pins.lock_events()?;
        let (ring, names) = (tables.events()?, tables.signature_names()?);
        Ok(Self { tables, ring, names, _lock: lock })
    }

    /// Waits until the ring has events, and no longer than `timeout`.
    pub fn wait(&mut self, timeout: Duration) -> Result<()> {
        self.ring.wait(timeout)
    }

    /// The events in the ring.
    pub fn read(&mut self) -> Result<Vec<DropEvent>> {
        let events: Vec<_> = self.ring.by_ref().collect();
        if events.iter().any(|event| event.signature.is_some()) {
            // The names change when a set of signatures is loaded.
            self.names = self.tables.signature_names()?;
        }
        Ok(events)
    }

    /// The names of the signatures in force at the last read, by id.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}
