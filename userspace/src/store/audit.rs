//! The audit trail, read.

use std::net::IpAddr;

use ipnet::IpNet;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::unsigned::{Unsigned, wall_time};
use sipward_types::{address::canonical, time::WallTime};

/// A line of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    pub at: WallTime,
    pub who: String,
    pub what: String,
    /// An address or prefix, or what else it was done to.
    pub target: String,
    pub detail: String,
}

/// The author of automatic decisions. Strangers cause such lines, so the trail limits them separately.
pub const GUARD: &str = "guard";

/// Lines that are no longer kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditGone {
    pub of_guard: bool,
    pub lines: u64,
    /// When the last of them was written.
    pub at: WallTime,
}

/// Removes what is more than is kept, and remembers how much that was.
pub(super) fn trim(connection: &Connection, of_guard: bool) -> Result<()> {
    let who = if of_guard { "who = 'guard'" } else { "who <> 'guard'" };
    let last = connection
        .prepare_cached(&format!(
            "SELECT id, at FROM audit WHERE {who} ORDER BY id DESC
             LIMIT 1 OFFSET (SELECT keeps FROM audit_gone WHERE guard = ?1)",
        ))?
        .query_row([of_guard], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    let Some((last, at)) = last else { return Ok(()) };
    connection
        .prepare_cached("UPDATE audit_gone SET upto = ?2, at = ?3 WHERE guard = ?1")?
        .execute(params![of_guard, last, at])?;
    let lines =
        connection.prepare_cached(&format!("DELETE FROM audit WHERE {who} AND id <= ?1"))?.execute([last])?;
    connection
        .prepare_cached("UPDATE audit_gone SET lines = lines + ?2 WHERE guard = ?1")?
        .execute(params![of_guard, lines as i64])?;
    Ok(())
}

pub(super) fn gone(connection: &Connection) -> Result<Vec<AuditGone>> {
    let sql = "SELECT guard, lines, at FROM audit_gone WHERE lines > 0 ORDER BY guard";
    let mut statement = connection.prepare_cached(sql)?;
    let gone = statement.query_map([], |row| {
        let Unsigned(lines) = row.get(1)?;
        Ok(AuditGone { of_guard: row.get(0)?, lines, at: wall_time(row, 2)? })
    })?;
    gone.collect()
}

/// The latest first. `about`: only what was done to this, to something in it or around it.
pub(super) fn latest(
    connection: &Connection,
    limit: usize,
    about: Option<IpNet>,
    account: Option<&str>,
) -> Result<Vec<AuditEntry>> {
    let about = about.map(canonical);
    let sql = "SELECT target, at, who, what, detail FROM audit ORDER BY id DESC";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut entries = Vec::new();
    while entries.len() < limit
        && let Some(row) = rows.next()?
    {
        let target = row.get_ref(0)?.as_str()?;
        if about.is_none_or(|about| meets(target, about))
            && account.is_none_or(|account| names(target, account))
        {
            entries.push(entry(row)?);
        }
    }
    Ok(entries)
}

/// When the last line was written.
pub(super) fn last(connection: &Connection) -> Result<Option<WallTime>> {
    Ok(latest(connection, 1, None, None)?.first().map(|entry| entry.at))
}

fn entry(row: &Row<'_>) -> Result<AuditEntry> {
    Ok(AuditEntry {
        target: row.get(0)?,
        at: wall_time(row, 1)?,
        who: row.get(2)?,
        what: row.get(3)?,
        detail: row.get(4)?,
    })
}

/// Such as `100`, or `100 from 192.0.2.1`.
fn names(target: &str, account: &str) -> bool {
    target == account || target.rsplit_once(" from ").is_some_and(|(name, _)| name == account)
}

/// Such as `192.0.2.1`, or `100 from 192.0.2.1`.
fn meets(target: &str, about: IpNet) -> bool {
    let target = target.rsplit_once(" from ").map_or(target, |(_, source)| source);
    let target = target.parse().or_else(|_| target.parse::<IpAddr>().map(IpNet::from));
    target.is_ok_and(|target: IpNet| {
        let target = canonical(target);
        target.contains(&about) || about.contains(&target)
    })
}
