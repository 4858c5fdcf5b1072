//! Switches by hand, which a restart must not undo.

use rusqlite::{Connection, Result, Row};

use super::{boots::Boots, row::end, unsigned::wall_time};
use sipward_types::time::{KernelTime, WallTime};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    pub name: String,
    pub value: String,
    pub since: WallTime,
    pub who: String,
    /// Then it is to be taken back, which does not happen by itself.
    pub until: KernelTime,
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
        since: wall_time(row, 2)?,
        who: row.get(3)?,
        until: end(row, 4, boots)?,
    })
}
