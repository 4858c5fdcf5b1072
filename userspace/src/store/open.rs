//! Opens a database with SQLite's safest settings, migrates its layout and checks it.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, OpenOptions},
    io,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{DirBuilderExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, MAIN_DB, OpenFlags, config::DbConfig};

use super::{
    error::{Result, StoreError, StoreErrorKind},
    schema::{self, LAYOUT, Layout},
};

/// Long enough for any change by another command, short enough for an operator at a prompt.
const PATIENCE: Duration = Duration::from_secs(5);

/// To be written if that is possible, and else to be read.
pub(super) fn open(path: &Path) -> Result<Connection> {
    writable(path, &LAYOUT).or_else(|error| match error.kind() {
        StoreErrorKind::ReadOnly | StoreErrorKind::Full if !has_log(path) => {
            // Even to read, SQLite makes a file beside it, unless it is told that nobody changes the database. Nobody
            // can; and if that changes, it is opened again.
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            open_as(path, &immutable(path), flags, &LAYOUT).map_err(|_| error)
        }
        _ => Err(error),
    })
}

/// Read-only all the same if there is a log to read and the file system is.
pub(crate) fn writable(path: &Path, layout: &Layout) -> Result<Connection> {
    create(path).map_err(|error| StoreError::io(path, &error))?;
    open_as(path, path, OpenFlags::SQLITE_OPEN_READ_WRITE, layout)
}

/// Only if it is there, and to be written only if that is possible.
pub(crate) fn existing(path: &Path, layout: &Layout) -> Result<Connection> {
    open_as(path, path, OpenFlags::SQLITE_OPEN_READ_WRITE, layout)
}

/// Only if it is there, and only to be read.
pub(crate) fn readable(path: &Path, layout: &Layout) -> Result<Connection> {
    open_as(path, path, OpenFlags::SQLITE_OPEN_READ_ONLY, layout)
}

/// SQLite would leave it to the umask who may read it.
fn create(path: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn open_as(path: &Path, name: &Path, flags: OpenFlags, layout: &Layout) -> Result<Connection> {
    let connection = Connection::open_with_flags(name, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|error| StoreError::sqlite(path, None, &error))?;
    prepare(&connection, layout).map_err(|error| StoreError::sqlite(path, Some(&connection), &error))?;
    schema::check(path, &connection, layout)?;
    Ok(connection)
}

fn prepare(connection: &Connection, layout: &Layout) -> rusqlite::Result<()> {
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -65536;          -- KiB, as far as they are used
         PRAGMA journal_size_limit = 67108864;",
    )?;
    if connection.is_readonly(MAIN_DB)? {
        return Ok(());
    }
    connection.pragma_update(None, "journal_mode", layout.journal)
}

/// True if the write-ahead log holds changes that are not in the database yet.
fn has_log(path: &Path) -> bool {
    fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0)
}

/// The name under which SQLite takes a file for an immutable one.
fn immutable(path: &Path) -> PathBuf {
    let mut name = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                name.push(char::from(*byte))
            }
            _ => name += &format!("%{byte:02x}"),
        }
    }
    PathBuf::from(name + "?immutable=1")
}

/// A file whose name is that of the database and more.
pub(super) fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(more);
    name.into()
}
