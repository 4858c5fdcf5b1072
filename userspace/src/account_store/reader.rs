//! The accounts as the edge reads them: anew when they have changed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rusqlite::Connection;

use super::{LAYOUT, error::Result, row};
use crate::{
    file_id::FileId,
    store::{self, StoreError, StoreErrorKind},
};
use sipward_edge::account::Account;

#[derive(Debug)]
pub struct AccountReader {
    path: PathBuf,
    seen: Seen,
}

/// The file at the last call.
#[derive(Debug)]
enum Seen {
    Never,
    Absent,
    There(OpenDatabase),
}

#[derive(Debug)]
struct OpenDatabase {
    id: FileId,
    connection: Connection,
    /// SQLite's `data_version` before the last reading.
    version: Option<i64>,
}

impl AccountReader {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), seen: Seen::Never }
    }

    /// All accounts, in the order of their names, if there may be others than at the last call; `None` if not, which
    /// takes microseconds to find out. After an error, those of the last call stay in force; the next call tries again.
    pub fn read_changed(&mut self) -> Result<Option<Vec<Account>>> {
        let Some(id) = self.id()? else { return self.absent() };
        match &mut self.seen {
            Seen::There(opened) if opened.id == id => opened.read_changed(&self.path),
            _ => {
                let connection = store::readable(&self.path, &LAYOUT)?;
                let mut opened = OpenDatabase { id, connection, version: None };
                let accounts = opened.read_changed(&self.path)?;
                self.seen = Seen::There(opened);
                Ok(accounts)
            }
        }
    }

    /// `None`: there is no file. One that is empty is being made.
    fn id(&self) -> Result<Option<FileId>> {
        match fs::metadata(&self.path) {
            Ok(file) => Ok((file.len() > 0).then(|| FileId::in_metadata(&file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io(&self.path, &error).into()),
        }
    }

    /// A file that is taken away does not take its accounts with it: their phones would fail, and be suspended for that.
    fn absent(&mut self) -> Result<Option<Vec<Account>>> {
        match self.seen {
            Seen::Never => {
                self.seen = Seen::Absent;
                Ok(Some(Vec::new()))
            }
            Seen::Absent => Ok(None),
            Seen::There(_) => Err(StoreError::new(StoreErrorKind::Lost, &self.path, "").into()),
        }
    }
}

impl OpenDatabase {
    fn read_changed(&mut self, path: &Path) -> Result<Option<Vec<Account>>> {
        let fail = |error| StoreError::sqlite(path, Some(&self.connection), &error);
        // Before the accounts: a change in between is then found at the next call.
        let version = data_version(&self.connection).map_err(fail)?;
        if self.version == Some(version) {
            return Ok(None);
        }
        let accounts = row::all(&self.connection).map_err(fail)?;
        self.version = Some(version);
        Ok(Some(accounts))
    }
}

/// Another number after each change by another connection.
fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0))
}
