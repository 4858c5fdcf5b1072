//! Switches by hand, which a restart must not undo.

use rusqlite::{Connection, Result, Row};

use super::{boots::Boots, row::end, unsigned::Unsigned};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    pub name: String,
    pub value: String,
    /// Milliseconds since 1970.
    pub since: u64,
    pub who: String,
    /// Kernel time at which it is to be taken back, which does not happen by itself.
    pub until: u64,
}

pub(super) fn all(connection: &Connection, boots: &Boots) -> Result<Vec<Switch>> {
    let sql = "SELECT name, value, since, who, boot, until FROM switch ORDER BY name";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map([], |row| switch(row, boots))?.collect()
}

fn switch(row: &Row<'_>, boots: &Boots) -> Result<Switch> {
    Ok(Switch {
        name: row.get(0)?,
        value: row.get(1)?,
        since: row.get::<_, Unsigned>(2)?.0,
        who: row.get(3)?,
        until: end(row, 4, boots)?,
    })
}
