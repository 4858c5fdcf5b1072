//! The accounts of the edge, in a SQLite file of their own: commands of root write it, the edge's user only reads it.
//!
//! It has a rollback journal. With a write-ahead log a reader must be able to make files beside the database, and the edge
//! may write nothing. The price is that a change waits for a reader and a reader for a change, both for milliseconds; and
//! that after a change that was cut off, root has to open the file before the edge can read it again.

mod error;
mod reader;
mod row;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use self::error::Result;
pub use self::{error::AccountStoreError, reader::AccountReader};
use crate::{
    control::group_id,
    store::{self, Layout, StoreError},
};
use sipward_edge::account::{Account, AccountName};

/// The group of the edge's user.
pub const EDGE_GROUP: &str = "sipward-edge";

const LAYOUT: Layout = Layout {
    // `SIPA`
    application: 0x5349_5041,
    steps: &[include_str!("schema/1.sql")],
    tables: &["account"],
    journal: "DELETE",
};

#[derive(Debug)]
pub struct AccountStore {
    connection: Connection,
    path: PathBuf,
}

/// The outcome of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportedAccounts {
    pub added: usize,
    pub replaced: usize,
}

impl AccountStore {
    /// To be written. Makes one if there is none, and lets the edge's group read it where the host has that group.
    pub fn open(path: &Path) -> Result<Self> {
        let group = group_id(EDGE_GROUP).map_err(|error| StoreError::io(path, &error))?;
        Self::open_for(path, group)
    }

    /// To look at it. `None`: there is none.
    pub fn open_existing(path: &Path) -> Result<Option<Self>> {
        match path.try_exists() {
            Ok(false) => Ok(None),
            // To write, as that undoes a change that was cut off; SQLite reads only where it may do no more.
            Ok(true) => Self::over(store::existing(path, &LAYOUT)?, path).map(Some),
            Err(error) => Err(StoreError::io(path, &error).into()),
        }
    }

    fn open_for(path: &Path, group: Option<u32>) -> Result<Self> {
        let store = Self::over(store::writable(path, &LAYOUT)?, path)?;
        share(path, group).map_err(|error| StoreError::io(path, &error))?;
        Ok(store)
    }

    fn over(connection: Connection, path: &Path) -> Result<Self> {
        let store = Self { connection, path: path.to_owned() };
        // Deleted rows are overwritten, because they hold secrets.
        store.run(|connection| connection.pragma_update(None, "secure_delete", "ON"))?;
        Ok(store)
    }

    /// In the order of their names.
    pub fn all(&self) -> Result<Vec<Account>> {
        self.run(row::all)
    }

    pub fn get(&self, name: &AccountName) -> Result<Option<Account>> {
        self.run(|connection| row::get(connection, name))
    }

    /// False if there is one of that name, which stays as it is.
    pub fn add(&mut self, account: &Account) -> Result<bool> {
        self.change(|connection| match row::get(connection, &account.name)? {
            Some(_) => Ok(false),
            None => row::put(connection, account),
        })
    }

    /// Changes an account, and returns it as it is then. `None`: there is none of that name.
    pub fn update(
        &mut self,
        name: &AccountName,
        update: impl FnOnce(&mut Account),
    ) -> Result<Option<Account>> {
        self.change(|connection| {
            let Some(mut account) = row::get(connection, name)? else { return Ok(None) };
            update(&mut account);
            row::put(connection, &account)?;
            Ok(Some(account))
        })
    }

    /// True if there was one.
    pub fn delete(&mut self, name: &AccountName) -> Result<bool> {
        self.change(|connection| row::delete(connection, name))
    }

    /// Adds all of them, or none. They replace those of the same name; others stay.
    pub fn import(&mut self, accounts: &[Account]) -> Result<ImportedAccounts> {
        self.change(|connection| {
            let mut imported = ImportedAccounts::default();
            for account in accounts {
                match row::put(connection, account)? {
                    true => imported.added += 1,
                    false => imported.replaced += 1,
                }
            }
            Ok(imported)
        })
    }

    /// All of it or nothing; when this returns, it is on the disk.
    fn change<T>(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        self.run(|connection| {
            let change = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
            let done = work(&change)?;
            change.commit()?;
            Ok(done)
        })
    }

    fn run<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        work(&self.connection)
            .map_err(|error| StoreError::sqlite(&self.path, Some(&self.connection), &error).into())
    }
}

/// Lets the group read the file, and all users reach what they may open in its directory, which lists nothing to them. The
/// directory itself is not given to the group: systemd gives back a `StateDirectory` that has another owner than its unit
/// says, with all that is in it, at each start of the daemon.
fn share(path: &Path, group: Option<u32>) -> io::Result<()> {
    /// Root writes, the group reads.
    const FILE: u32 = 0o640;
    /// Others may open what they know by name, and have a right to.
    const REACH: u32 = 0o011;
    if let Some(group) = group
        && fs::metadata(path)?.gid() != group
    {
        chown(path, None, Some(group))?;
    }
    set_mode(path, |_| FILE)?;
    match (group, path.parent()) {
        (Some(_), Some(directory)) => set_mode(directory, |mode| mode | REACH),
        _ => Ok(()),
    }
}

fn set_mode(path: &Path, mode: impl FnOnce(u32) -> u32) -> io::Result<()> {
    let before = fs::metadata(path)?.mode() & 0o7777;
    let after = mode(before);
    if after == before { Ok(()) } else { fs::set_permissions(path, Permissions::from_mode(after)) }
}
