//! Sources that have authenticated.

use std::net::IpAddr;

use ipnet::IpNet;
use rusqlite::{Connection, Error, Result, Row, params, types::Type};

use super::{
    Change,
    boots::Boots,
    error,
    row::{Net, Word, end},
    unsigned::{Unsigned, wall_time},
};
use crate::clock::Clock;
use sipward_engine::guard::Rule;
use sipward_types::{
    list_entry::single,
    time::{KernelTime, WallTime},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub source: IpAddr,
    pub phones: u32,
    pub until: KernelTime,
    pub since: WallTime,
    pub rule: Rule,
}

impl Change<'_> {
    /// Instead of what was known of it; but for how long it is known already.
    pub fn know(&mut self, known: &Known, clock: &Clock) -> error::Result<()> {
        let Known { source, phones, until, since, rule } = known;
        let (boot, until) = self.end(*until, clock)?;
        self.execute(
            "INSERT INTO known (source, phones, since, boot, until, rule) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (source) DO UPDATE
             SET phones = excluded.phones, boot = excluded.boot, until = excluded.until, rule = excluded.rule",
            params![Net(IpNet::from(*source)), phones, Unsigned(since.as_millis()), boot, until, Word(*rule)],
        )?;
        Ok(())
    }

    /// True if it was known.
    pub fn forget(&mut self, source: IpAddr) -> error::Result<bool> {
        Ok(self.execute("DELETE FROM known WHERE source = ?1", [Net(IpNet::from(source))])? > 0)
    }
}

pub(super) fn all(connection: &Connection, boots: &Boots, clock: &Clock) -> Result<Vec<Known>> {
    let sql = "SELECT source, phones, since, boot, until, rule FROM known ORDER BY source";
    let mut statement = connection.prepare_cached(sql)?;
    let all = statement.query_map([], |row| known(row, boots))?;
    all.filter(|found| found.as_ref().map_or(true, |found| found.until > clock.kernel)).collect()
}

fn known(row: &Row<'_>, boots: &Boots) -> Result<Known> {
    let Net(net) = row.get(0)?;
    Ok(Known {
        source: single(net).ok_or_else(|| Error::InvalidColumnType(0, net.to_string(), Type::Blob))?,
        phones: row.get(1)?,
        since: wall_time(row, 2)?,
        until: end(row, 3, boots)?,
        rule: row.get::<_, Word<_>>(5)?.0,
    })
}
