//! Queries.

use ipnet::IpNet;
use rusqlite::{
    CachedStatement, Connection, OptionalExtension as _, Transaction, TransactionBehavior, params,
};

use super::{
    Store,
    audit::{self, AuditEntry, AuditGone},
    boots::Boots,
    error::Result,
    known::{self, Known},
    memory,
    row::{COLUMNS, Code, Entry, Net, entry},
    suspension::{self, Suspension},
    switch::{self, Switch},
};
use crate::clock::Clock;
use sipward_api::Query;
use sipward_engine::{false_positives::Saved, guard::Memory};
use sipward_types::{address::canonical, list_entry::ListKind};

/// The number of entries on each list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub trusted: u64,
    pub banned: u64,
}

impl Store {
    /// The entry of exactly this address or prefix, if it has not expired.
    pub fn get(&self, net: IpNet, clock: &Clock) -> Result<Option<Entry>> {
        self.run(|connection| find(&mut select(connection)?, net, &self.boots()?, clock))
    }

    /// The same of many.
    pub fn get_all(&self, nets: &[IpNet], clock: &Clock) -> Result<Vec<Option<Entry>>> {
        self.run(|connection| {
            // Without it, the file would be locked for each of them.
            let _all = Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?;
            let (mut select, boots) = (select(connection)?, self.boots()?);
            nets.iter().map(|net| find(&mut select, *net, &boots, clock)).collect()
        })
    }

    /// A page of unexpired entries of a list, in the order of addresses, after the one given.
    pub fn page(
        &self,
        query: &Query,
        after: Option<IpNet>,
        limit: usize,
        clock: &Clock,
    ) -> Result<Vec<Entry>> {
        let (mut first, mut last) = (vec![], vec![u8::MAX; 17]);
        if let Some(within) = query.within {
            (first, last) = Net(within).keys();
        }
        if let Some(after) = after {
            first = first.max(Net(after).next_key());
        }
        self.run(|connection| {
            let boots = self.boots()?;
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM entry
                 WHERE net BETWEEN ?1 AND ?2 AND standing = ?3 AND (?4 IS NULL OR origin = ?4)
                 AND (?5 IS NULL OR instr(lower(note), lower(?5)) > 0)
                 ORDER BY net",
            ))?;
            let mut rows = statement.query(params![
                first,
                last,
                Code(query.list),
                query.origin.map(Code),
                query.note
            ])?;
            let mut page = Vec::new();
            while page.len() < limit
                && let Some(row) = rows.next()?
            {
                let entry = entry(row, &boots)?;
                // Keys have IPv4 within IPv6; people do not.
                let within = query.within.is_none_or(|within| canonical(within).contains(&entry.net));
                if within && entry.until > clock.kernel {
                    page.push(entry);
                }
            }
            Ok(page)
        })
    }

    /// Everything that has not run out, in the order of the addresses.
    pub fn for_each(&self, clock: &Clock, mut each: impl FnMut(Entry) -> Result<()>) -> Result<()> {
        let mut statement = self.run(|connection| {
            connection.prepare_cached(&format!("SELECT {COLUMNS} FROM entry ORDER BY net"))
        })?;
        let boots = self.run(|_| self.boots())?;
        let mut rows = self.run(|_| statement.query([]))?;
        while let Some(entry) = self.run(|_| rows.next()?.map(|row| entry(row, &boots)).transpose())? {
            if entry.until > clock.kernel {
                each(entry)?;
            }
        }
        Ok(())
    }

    /// As fast with a million as with one: they are counted as they come and go, and here only what has run out
    /// and is not purged yet.
    pub fn counts(&self, clock: &Clock) -> Result<Counts> {
        let count = |kind| self.run(|_| self.count(kind, clock));
        Ok(Counts { trusted: count(ListKind::Trusted)?, banned: count(ListKind::Banned)? })
    }

    fn count(&self, kind: ListKind, clock: &Clock) -> rusqlite::Result<u64> {
        let mut all = self.connection.prepare_cached("SELECT entries FROM tally WHERE standing = ?1")?;
        let mut over = self.connection.prepare_cached(
            "SELECT count(*) FROM entry WHERE boot = ?1 AND until BETWEEN 0 AND ?2 AND standing = ?3",
        )?;
        let mut count: i64 = all.query_row([Code(kind)], |row| row.get(0))?;
        for (boot, until) in self.boots()?.over(clock.kernel) {
            count -= over.query_row(params![boot, until, Code(kind)], |row| row.get::<_, i64>(0))?;
        }
        // Not exact if another process changes it meanwhile.
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The latest so many lines of the audit trail, the last first. `about`: only what was done to this address or
    /// prefix, to something in it or to something around it. `account`: only what was done to that.
    pub fn audit(
        &self,
        limit: usize,
        about: Option<IpNet>,
        account: Option<&str>,
    ) -> Result<Vec<AuditEntry>> {
        self.run(|connection| audit::latest(connection, limit, about, account))
    }

    /// Lines that were deleted.
    pub fn audit_gone(&self) -> Result<Vec<AuditGone>> {
        self.run(audit::gone)
    }

    /// All that has not run out.
    pub fn suspensions(&self, clock: &Clock) -> Result<Vec<Suspension>> {
        self.run(|connection| suspension::all(connection, &self.boots()?, clock))
    }

    /// The same.
    pub fn known(&self, clock: &Clock) -> Result<Vec<Known>> {
        self.run(|connection| known::all(connection, &self.boots()?, clock))
    }

    /// The counts of the guard that are valid in this boot.
    pub fn memory(&self, clock: &Clock) -> Result<Vec<Memory>> {
        self.run(|connection| memory::all(connection, &self.boots()?, clock))
    }

    /// The false positives of each rule.
    pub fn false_positives(&self) -> Result<Vec<Saved>> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached("SELECT rule, state FROM ledger ORDER BY rule")?;
            let rows = statement.query_map([], |row| Ok(Saved { rule: row.get(0)?, state: row.get(1)? }))?;
            rows.collect()
        })
    }

    /// By name. Expired switches are included, because the controller reverts them.
    pub fn switches(&self) -> Result<Vec<Switch>> {
        self.run(|connection| switch::all(connection, &self.boots()?))
    }
}

fn select(connection: &Connection) -> rusqlite::Result<CachedStatement<'_>> {
    connection.prepare_cached(&format!("SELECT {COLUMNS} FROM entry WHERE net = ?1"))
}

fn find(
    select: &mut CachedStatement<'_>,
    net: IpNet,
    boots: &Boots,
    clock: &Clock,
) -> rusqlite::Result<Option<Entry>> {
    let found = select.query_row([Net(net)], |row| entry(row, boots)).optional()?;
    Ok(found.filter(|entry| entry.until > clock.kernel))
}
