//! Layouts of databases: each version is a step from the one before.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

use super::error::{Result, StoreError, StoreErrorKind};

/// The form of a database.
#[derive(Debug)]
pub(crate) struct Layout {
    /// In the header of the file: whose database it is.
    pub(crate) application: i64,
    /// The first makes version 1 of nothing. What was released is never edited: what changes is a step more.
    pub(crate) steps: &'static [&'static str],
    pub(crate) tables: &'static [&'static str],
    /// SQLite's `journal_mode`.
    pub(crate) journal: &'static str,
}

/// The store's.
pub(super) const LAYOUT: Layout =
    // `SIPW`
    Layout { application: 0x5349_5057, steps: &STEPS, tables: &TABLES, journal: "WAL" };

pub(super) const STEPS: [&str; 3] =
    [include_str!("schema/1.sql"), include_str!("schema/2.sql"), include_str!("schema/3.sql")];

const TABLES: [&str; 10] =
    ["boot", "entry", "tally", "audit", "audit_gone", "switch", "suspension", "known", "memory", "ledger"];

/// Those with rows that run out, and the key of those rows.
pub(super) const RUNS_OUT: [(&str, &str); 4] = [
    ("entry", "net"),
    ("suspension", "kind, name, source"),
    ("known", "source"),
    ("memory", "kind, source, account"),
];

/// Brings the database to the present layout, and looks at the ends of each table: it does not find every
/// damage, but takes no time.
pub(super) fn check(path: &Path, connection: &Connection, layout: &Layout) -> Result<()> {
    let fail = |error| StoreError::sqlite(path, Some(connection), &error);
    let version = known(path, version(connection).map_err(fail)?, layout)?;
    if is_foreign(connection, layout).map_err(fail)? {
        let cause = "it is the database of another program: move it away first";
        return Err(StoreError::new(StoreErrorKind::Other, path, cause));
    }
    if version < layout.steps.len() {
        migrate(path, connection, layout)?;
    }
    if !is_complete(connection, layout).map_err(fail)? {
        return Err(StoreError::new(StoreErrorKind::Corrupt, path, "tables are missing"));
    }
    look(connection, layout).map_err(fail)
}

fn migrate(path: &Path, connection: &Connection, layout: &Layout) -> Result<()> {
    let fail = |error| StoreError::sqlite(path, Some(connection), &error);
    loop {
        let step = Transaction::new_unchecked(connection, TransactionBehavior::Immediate).map_err(fail)?;
        // Read again, now that no other process can change it.
        let version = known(path, version(&step).map_err(fail)?, layout)?;
        let Some(sql) = layout.steps.get(version) else { return Ok(()) };
        step.execute_batch(sql).map_err(fail)?;
        step.pragma_update(None, "user_version", version as i64 + 1).map_err(fail)?;
        step.commit().map_err(fail)?;
    }
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn known(path: &Path, version: i64, layout: &Layout) -> Result<usize> {
    match usize::try_from(version) {
        Ok(version) if version <= layout.steps.len() => Ok(version),
        _ => {
            let cause = format!(
                "its layout is version {version}, and this sipward supports versions up to {}",
                layout.steps.len()
            );
            Err(StoreError::new(StoreErrorKind::Newer, path, cause))
        }
    }
}

fn is_foreign(connection: &Connection, layout: &Layout) -> rusqlite::Result<bool> {
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(tables > 0 && application != layout.application)
}

fn is_complete(connection: &Connection, layout: &Layout) -> rusqlite::Result<bool> {
    for table in layout.tables {
        if !connection.table_exists(None, *table)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn look(connection: &Connection, layout: &Layout) -> rusqlite::Result<()> {
    for table in layout.tables {
        for end in ["ASC", "DESC"] {
            let sql = format!("SELECT * FROM {table} ORDER BY 1 {end} LIMIT 1");
            connection.query_row(&sql, [], |_| Ok(())).optional()?;
        }
    }
    Ok(())
}
