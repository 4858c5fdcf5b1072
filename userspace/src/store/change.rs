//! A change of the store: all of it or nothing.

use ipnet::IpNet;
use rusqlite::{Params, Transaction, TransactionBehavior, params};

use super::{
    GUARD, Store, audit,
    error::Result,
    row::{Code, Entry, Net},
    schema::RUNS_OUT,
    switch::Switch,
    unsigned::Unsigned,
};
use crate::clock::Clock;
use sipward_engine::false_positives::Saved;
use sipward_types::time::KernelTime;

/// Dropped before it is committed, it never was.
#[derive(Debug)]
pub struct Change<'a> {
    store: &'a Store,
    transaction: Transaction<'a>,
    /// The number of this boot, once it was needed.
    boot: Option<i64>,
    /// The change has lines for the audit trail: of operators, and of the guard.
    audited: [bool; 2],
}

impl<'a> Change<'a> {
    pub(super) fn begin(store: &'a Store) -> Result<Self> {
        let transaction =
            store.run(|connection| Transaction::new_unchecked(connection, TransactionBehavior::Immediate))?;
        Ok(Self { store, transaction, boot: None, audited: [false; 2] })
    }

    /// With what this change has done so far.
    pub fn get(&self, net: IpNet, clock: &Clock) -> Result<Option<Entry>> {
        self.store.get(net, clock)
    }

    /// With what this change has done so far.
    pub fn switches(&self) -> Result<Vec<Switch>> {
        self.store.switches()
    }

    /// Replaces the entry of the same address or prefix.
    pub fn put(&mut self, entry: &Entry, clock: &Clock) -> Result<()> {
        let (boot, until) = self.end(entry.until, clock)?;
        self.execute(
            "INSERT INTO entry (net, standing, since, boot, until, origin, note, evidence)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (net) DO UPDATE
             SET standing = excluded.standing, since = excluded.since, boot = excluded.boot,
                 until = excluded.until, origin = excluded.origin, note = excluded.note,
                 evidence = excluded.evidence",
            params![
                Net(entry.net),
                Code(entry.kind),
                Unsigned(entry.since.as_millis()),
                boot,
                until,
                Code(entry.origin),
                entry.note,
                entry.evidence,
            ],
        )?;
        Ok(())
    }

    /// True if there was something to remove.
    pub fn remove(&mut self, net: IpNet) -> Result<bool> {
        Ok(self.execute("DELETE FROM entry WHERE net = ?1", params![Net(net)])? > 0)
    }

    /// Adds a line to the audit trail. `target` is an address or prefix, or what else it is about.
    pub fn audit(&mut self, who: &str, what: &str, target: &str, detail: &str, clock: &Clock) -> Result<()> {
        self.execute(
            "INSERT INTO audit (at, who, what, target, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![Unsigned(clock.wall.as_millis()), who, what, target, detail],
        )?;
        self.audited[usize::from(who == GUARD)] = true;
        Ok(())
    }

    /// Instead of the one of that name.
    pub fn put_switch(&mut self, switch: &Switch, clock: &Clock) -> Result<()> {
        let (boot, until) = self.end(switch.until, clock)?;
        self.execute(
            "REPLACE INTO switch (name, value, since, who, boot, until) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![switch.name, switch.value, Unsigned(switch.since.as_millis()), switch.who, boot, until],
        )?;
        Ok(())
    }

    /// Instead of what was kept of that rule.
    pub fn save_false_positives(&mut self, rule: &Saved) -> Result<()> {
        self.execute("REPLACE INTO ledger (rule, state) VALUES (?1, ?2)", params![rule.rule, rule.state])?;
        Ok(())
    }

    /// True if there was one.
    pub fn remove_switch(&mut self, name: &str) -> Result<bool> {
        Ok(self.execute("DELETE FROM switch WHERE name = ?1", [name])? > 0)
    }

    /// When this returns, it is on the disk.
    pub fn commit(self) -> Result<()> {
        let Self { store, transaction, audited, .. } = self;
        for of_guard in [false, true].into_iter().filter(|of_guard| audited[usize::from(*of_guard)]) {
            store.run(|connection| audit::trim(connection, of_guard))?;
        }
        store.run(|_| transaction.commit())
    }

    /// Removes at most `most` expired rows, returns their number, and records the time of both clocks.
    pub(super) fn purge(&mut self, limit: usize, clock: &Clock) -> Result<usize> {
        self.boot(clock)?;
        self.store.run(|connection| {
            let over: Vec<_> = self.store.boots()?.over(clock.kernel).collect();
            let mut removed = 0;
            for (table, key) in RUNS_OUT {
                let mut delete = connection.prepare_cached(&format!(
                    "DELETE FROM {table} WHERE ({key}) IN
                     (SELECT {key} FROM {table} WHERE boot = ?1 AND until BETWEEN 0 AND ?2 LIMIT ?3)",
                ))?;
                for (boot, over) in &over {
                    removed += delete.execute(params![boot, over, limit.saturating_sub(removed) as i64])?;
                }
            }
            Ok(removed)
        })
    }

    /// The columns of a time at which something ends.
    pub(super) fn end(
        &mut self,
        until: KernelTime,
        clock: &Clock,
    ) -> Result<(Option<i64>, Option<Unsigned>)> {
        if until.is_forever() {
            return Ok((None, None));
        }
        Ok((Some(self.boot(clock)?), Some(Unsigned(until.as_nanos()))))
    }

    fn boot(&mut self, clock: &Clock) -> Result<i64> {
        if let Some(boot) = self.boot {
            return Ok(boot);
        }
        let boot = self.store.run(|connection| self.store.here.seen(connection, clock))?;
        self.boot = Some(boot);
        Ok(boot)
    }

    pub(super) fn execute(&self, sql: &str, params: impl Params) -> Result<usize> {
        self.store.run(|connection| connection.prepare_cached(sql)?.execute(params))
    }
}
