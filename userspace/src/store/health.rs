//! A thorough check of the database.

use std::{ffi::CString, fs, io, mem::MaybeUninit, os::unix::ffi::OsStrExt as _, path::Path};

use rusqlite::Connection;

use super::{
    Store, audit,
    error::{Result, StoreError},
    open::beside,
};
use sipward_types::time::WallTime;

/// More do not say more.
const FAULTS: u32 = 5;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Bytes, with the log beside it.
    pub size: u64,
    /// Bytes that its file system has left for this user.
    pub free: u64,
    /// It can be read, and nothing else.
    pub read_only: bool,
    /// Errors in the content; empty if there are none.
    pub faults: Vec<String>,
    /// When the last line of the audit trail was written.
    pub last_audit: Option<WallTime>,
}

impl Store {
    /// Reads the whole database, which takes about a second with a million entries.
    pub fn health(&self) -> Result<Health> {
        let faults = match self.run(quick_check) {
            Ok(faults) => faults,
            Err(error) => vec![error.to_string()],
        };
        Ok(Health {
            size: size(&self.path) + size(&beside(&self.path, "-wal")),
            free: free(&self.path).map_err(|error| StoreError::io(&self.path, &error))?,
            read_only: self.is_read_only()?,
            faults,
            last_audit: self.run(audit::last).unwrap_or(None),
        })
    }
}

fn quick_check(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("PRAGMA quick_check({FAULTS})"))?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
    lines.filter(|line| line.as_ref().map_or(true, |line| line != "ok")).collect()
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

fn free(path: &Path) -> io::Result<u64> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut system = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: `path` is a C string, and there is room for one `statvfs`.
    if unsafe { libc::statvfs(path.as_ptr(), system.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: all zeros are valid, and the call has filled it in.
    let system = unsafe { system.assume_init() };
    Ok(system.f_bavail * system.f_frsize)
}
