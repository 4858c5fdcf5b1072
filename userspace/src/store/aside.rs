//! Moves a damaged database aside.

use std::{
    fs, io, iter,
    path::{Path, PathBuf},
};

use super::{
    Store,
    error::{Result, StoreError},
    open::beside,
};
use crate::clock::Clock;
use sipward_types::time::WallSeconds;

impl Store {
    /// Renames a database that no `Store` has open, and returns the new path: `NAME.corrupt-20261120T164833Z`.
    pub fn set_aside(path: &Path) -> Result<PathBuf> {
        let name = format!(".corrupt-{}", utc(Clock::read().wall.seconds()));
        let names = iter::once(name.clone()).chain((2..).map(|number| format!("{name}-{number}")));
        let mut places = names.map(|name| beside(path, &name));
        let to = places.find(|to| !to.exists()).expect("an endless list of names");
        // The log first: a new database must never find that of an old one.
        for more in ["-wal", "-shm", ""] {
            match fs::rename(beside(path, more), beside(&to, more)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::io(path, &error));
                }
                _ => {}
            }
        }
        Ok(to)
    }
}

fn utc(seconds: WallSeconds) -> String {
    let seconds = libc::time_t::try_from(seconds.get()).unwrap_or(libc::time_t::MAX);
    let mut time = std::mem::MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: room for one `tm`, which is all zeros where the function fails, and those are valid.
    let time = unsafe {
        libc::gmtime_r(&raw const seconds, time.as_mut_ptr());
        time.assume_init()
    };
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        time.tm_year + 1900,
        time.tm_mon + 1,
        time.tm_mday,
        time.tm_hour,
        time.tm_min,
        time.tm_sec
    )
}
