//! The counts of the guard, and the accounts that have worked at each source.

use rusqlite::{Connection, Error, Result, Row, params, types::Type};

use super::{
    Change,
    boots::Boots,
    error,
    row::{Net, end},
    suspension::{key, source},
};
use crate::clock::Clock;
use sipward_engine::guard::{Memory, Remembered, UnsavedMemory};
use sipward_types::account::Account;

const WORKED: i64 = 0;
const PLACE: i64 = 1;
const ACCOUNT: i64 = 2;

impl Change<'_> {
    pub fn remember(&mut self, unsaved_memory: &UnsavedMemory, clock: &Clock) -> error::Result<()> {
        for of in &unsaved_memory.gone {
            let (kind, source, account) = columns(of);
            self.execute(
                "DELETE FROM memory WHERE kind = ?1 AND source = ?2 AND account = ?3",
                params![kind, source, account],
            )?;
        }
        for Memory { of, until, state } in &unsaved_memory.kept {
            let (kind, source, account) = columns(of);
            let (boot, until) = self.end(*until, clock)?;
            self.execute(
                "REPLACE INTO memory (kind, source, account, boot, until, state)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![kind, source, account, boot, until, state],
            )?;
        }
        Ok(())
    }

    /// All of it.
    pub fn forget_memory(&mut self) -> error::Result<()> {
        self.execute("DELETE FROM memory", []).map(drop)
    }
}

fn columns(of: &Remembered) -> (i64, Vec<u8>, &str) {
    match of {
        Remembered::Worked(source, account) => (WORKED, key(Some(*source)), account.as_str()),
        Remembered::SourceNet(net) => (PLACE, Net(*net).key().to_vec(), ""),
        Remembered::Account(account) => (ACCOUNT, key(None), account.as_str()),
    }
}

/// Successes are valid in any boot; counts only in the boot they were made in.
pub(super) fn all(connection: &Connection, boots: &Boots, clock: &Clock) -> Result<Vec<Memory>> {
    let sql = "SELECT kind, source, account, boot, until, state FROM memory ORDER BY kind, source, account";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let memory = Memory { of: of(row)?, until: end(row, 3, boots)?, state: row.get(5)? };
        let is_of_any_boot = matches!(memory.of, Remembered::Worked(..));
        if memory.until > clock.kernel && (is_of_any_boot || boots.is_this(row.get(3)?)) {
            all.push(memory);
        }
    }
    Ok(all)
}

fn of(row: &Row<'_>) -> Result<Remembered> {
    let kind = row.get::<_, i64>(0)?;
    let account = || {
        let name = row.get::<_, String>(2)?;
        Account::try_from(name.clone()).map_err(|_| Error::InvalidColumnType(2, name, Type::Text))
    };
    match kind {
        WORKED => match source(row, 1)? {
            Some(source) => Ok(Remembered::Worked(source, account()?)),
            None => Err(Error::InvalidColumnType(1, String::new(), Type::Blob)),
        },
        PLACE => Ok(Remembered::SourceNet(row.get::<_, Net>(1)?.0)),
        ACCOUNT => Ok(Remembered::Account(account()?)),
        _ => Err(Error::IntegralValueOutOfRange(0, kind)),
    }
}
