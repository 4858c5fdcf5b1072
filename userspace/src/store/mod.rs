//! The SQLite database of everything that must survive a restart: lists, switches by hand and the audit trail. The lists
//! in the kernel are its mirror.

mod aside;
mod audit;
mod boots;
mod change;
mod error;
mod health;
mod known;
mod memory;
mod open;
mod read;
mod row;
mod schema;
mod suspension;
mod switch;
#[cfg(test)]
mod tests;
mod unsigned;

use std::{
    mem,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, MAIN_DB};

pub use self::{
    audit::{AuditEntry, AuditGone, GUARD},
    change::Change,
    error::{StoreError, StoreErrorKind},
    health::Health,
    known::Known,
    read::Counts,
    row::Entry,
    suspension::{Suspended, Suspension},
    switch::Switch,
};
use self::{
    boots::{Boots, Here},
    error::Result,
};
pub(crate) use self::{
    open::{existing, readable, writable},
    schema::Layout,
};
use crate::{clock::Clock, file_id::FileId};

/// Expired rows are removed in batches of this size, so that no call waits long.
pub const BATCH: usize = 10_000;

#[derive(Debug)]
pub struct Store {
    connection: Connection,
    /// Set if the connection could not be reopened.
    closed: Option<StoreError>,
    path: PathBuf,
    file: FileId,
    here: Here,
}

impl Store {
    /// Makes one if there is none. Where nothing can be written, what is there can still be read.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_at(path, &Clock::read())
    }

    fn open_at(path: &Path, clock: &Clock) -> Result<Self> {
        if clock.boot.is_empty() {
            let cause = "the boot ID is unknown, so the times in the database have no meaning: sipward \
                         needs /proc/sys/kernel/random/boot_id (ProcSubset=all in a systemd unit)";
            return Err(StoreError::new(StoreErrorKind::Other, path, cause));
        }
        let connection = open::open(path)?;
        let fail = |error| StoreError::sqlite(path, Some(&connection), &error);
        let here = Here::arrive(&connection, clock).map_err(fail)?;
        let file = FileId::of(path).ok_or_else(|| StoreError::new(StoreErrorKind::Lost, path, ""))?;
        Ok(Self { connection, closed: None, path: path.to_owned(), file, here })
    }

    /// True if the database was never written.
    pub fn is_new(&self) -> Result<bool> {
        Ok(self.run(audit::last)?.is_none())
    }

    /// One change at a time; another process waits for it, or this one for that.
    pub fn begin(&mut self) -> Result<Change<'_>> {
        if FileId::of(&self.path) != Some(self.file) {
            return Err(StoreError::new(StoreErrorKind::Lost, &self.path, ""));
        }
        if self.closed.is_some() || self.is_read_only()? {
            // The disk may be another by now.
            self.reopen()?;
        }
        Change::begin(self)
    }

    /// Not beside the connection there is: what SQLite keeps of a file for all of a process would stay read-only.
    fn reopen(&mut self) -> Result<()> {
        let none =
            Connection::open_in_memory().map_err(|error| StoreError::sqlite(&self.path, None, &error))?;
        drop(mem::replace(&mut self.connection, none));
        let (opened, result) = match open::writable(&self.path, &schema::LAYOUT) {
            Ok(connection) => (Ok(connection), Ok(())),
            Err(error) => (open::open(&self.path), Err(error)),
        };
        self.closed = opened.map(|connection| self.connection = connection).err();
        result
    }

    /// Removes at most a [`BATCH`] of expired rows, and returns their number. Writes nothing if there are none.
    pub fn purge(&mut self, clock: &Clock) -> Result<usize> {
        if !self.run(|connection| self.needs_purge(connection, clock))? {
            return Ok(0);
        }
        let mut change = self.begin()?;
        let removed = change.purge(BATCH, clock)?;
        change.commit()?;
        Ok(removed)
    }

    fn needs_purge(&self, connection: &Connection, clock: &Clock) -> rusqlite::Result<bool> {
        let over: Vec<_> = self.boots()?.over(clock.kernel).collect();
        for (table, _) in schema::RUNS_OUT {
            let sql =
                format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE boot = ?1 AND until BETWEEN 0 AND ?2)");
            let mut statement = connection.prepare_cached(&sql)?;
            for (boot, until) in &over {
                if statement.query_row([boot, until], |row| row.get(0))? {
                    return Ok(true);
                }
            }
        }
        // A clock on the wall that was set right is to be known before the next reboot.
        self.here.was_set(connection, clock)
    }

    fn is_read_only(&self) -> Result<bool> {
        self.run(|connection| connection.is_readonly(MAIN_DB))
    }

    fn boots(&self) -> rusqlite::Result<Boots> {
        Boots::read(&self.connection, &self.here)
    }

    fn run<'a, T>(&'a self, work: impl FnOnce(&'a Connection) -> rusqlite::Result<T>) -> Result<T> {
        if let Some(error) = &self.closed {
            return Err(error.clone());
        }
        work(&self.connection).map_err(|error| StoreError::sqlite(&self.path, Some(&self.connection), &error))
    }
}
