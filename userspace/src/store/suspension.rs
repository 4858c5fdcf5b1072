//! Suspensions, locks, bans of ports and limits.

use std::{fmt, net::IpAddr};

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
use sipward_engine::guard::Trigger;
use sipward_types::{
    account::Account,
    flow::{Flow, Transport},
    list_entry::single,
    time::{KernelTime, WallTime},
};

/// One thing that is suspended, or locked: suspended wherever it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspension {
    pub what: Suspended,
    /// `None`: from anywhere.
    pub source: Option<IpAddr>,
    pub until: KernelTime,
    pub since: WallTime,
    pub who: String,
    pub trigger: Trigger,
    /// Also where it works.
    pub strict: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Suspended {
    Account(Account),
    Flow(Flow),
    /// Requests of a line without credentials; the source is the first address of the line.
    Asking,
    /// An account that was found in the kernel by a store that did not have it: of its name there is only a hash.
    Hash(u64),
}

impl fmt::Display for Suspended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => account.fmt(f),
            Self::Flow(flow) => flow.fmt(f),
            Self::Asking => f.write_str("asking"),
            Self::Hash(hash) => write!(f, "{hash:016x}"),
        }
    }
}

impl Suspended {
    /// The name of the account and that of the flow; one of them is there.
    pub fn names(&self) -> (Option<String>, Option<String>) {
        let name = Some(self.to_string());
        match self {
            Self::Flow(_) | Self::Asking => (None, name),
            Self::Account(_) | Self::Hash(_) => (name, None),
        }
    }

    const fn kind(&self) -> i64 {
        match self {
            Self::Account(_) => 0,
            Self::Flow(_) => 1,
            Self::Hash(_) => 2,
            Self::Asking => 3,
        }
    }

    fn read(kind: i64, name: &str) -> Option<Self> {
        match kind {
            0 => Account::try_from(name.to_owned()).ok().map(Self::Account),
            1 => flow(name).map(Self::Flow),
            2 => u64::from_str_radix(name, 16).ok().map(Self::Hash),
            3 => Some(Self::Asking),
            _ => None,
        }
    }
}

fn flow(name: &str) -> Option<Flow> {
    let (transport, port) = name.split_once(':')?;
    let transport = match transport {
        "udp" => Transport::Udp,
        "tcp" => Transport::Tcp,
        _ => return None,
    };
    Some(Flow { port: port.parse().ok()?, transport })
}

impl Change<'_> {
    /// Replaces the suspension of the same target at the same source.
    pub fn suspend(&mut self, suspension: &Suspension, clock: &Clock) -> error::Result<()> {
        let Suspension { what, source, until, since, who, trigger, strict } = suspension;
        let (boot, until) = self.end(*until, clock)?;
        self.execute(
            "REPLACE INTO suspension (kind, name, source, since, boot, until, who, rule, count, seconds, strict)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                what.kind(),
                what.to_string(),
                key(*source),
                Unsigned(since.as_millis()),
                boot,
                until,
                who,
                Word(trigger.rule),
                trigger.count,
                trigger.seconds,
                strict,
            ],
        )?;
        Ok(())
    }

    /// True if there was something to lift.
    pub fn lift(&mut self, what: &Suspended, source: Option<IpAddr>) -> error::Result<bool> {
        let sql = "DELETE FROM suspension WHERE kind = ?1 AND name = ?2 AND source = ?3";
        Ok(self.execute(sql, params![what.kind(), what.to_string(), key(source)])? > 0)
    }
}

pub(super) fn all(connection: &Connection, boots: &Boots, clock: &Clock) -> Result<Vec<Suspension>> {
    let sql = "SELECT kind, name, source, since, boot, until, who, rule, count, seconds, strict
               FROM suspension ORDER BY kind, name, source";
    let mut statement = connection.prepare_cached(sql)?;
    let all = statement.query_map([], |row| suspension(row, boots))?;
    all.filter(|found| found.as_ref().map_or(true, |found| found.until > clock.kernel)).collect()
}

fn suspension(row: &Row<'_>, boots: &Boots) -> Result<Suspension> {
    let (kind, name) = (row.get(0)?, row.get_ref(1)?.as_str()?);
    let no_name = || Error::InvalidColumnType(1, name.to_owned(), Type::Text);
    Ok(Suspension {
        what: Suspended::read(kind, name).ok_or_else(no_name)?,
        source: source(row, 2)?,
        since: wall_time(row, 3)?,
        until: end(row, 4, boots)?,
        who: row.get(6)?,
        trigger: Trigger { rule: row.get::<_, Word<_>>(7)?.0, count: row.get(8)?, seconds: row.get(9)? },
        strict: row.get(10)?,
    })
}

pub(super) fn source(row: &Row<'_>, column: usize) -> Result<Option<IpAddr>> {
    if row.get_ref(column)?.as_blob()?.is_empty() {
        return Ok(None);
    }
    let Net(net) = row.get(column)?;
    single(net).map(Some).ok_or_else(|| Error::InvalidColumnType(column, net.to_string(), Type::Blob))
}

pub(super) fn key(source: Option<IpAddr>) -> Vec<u8> {
    source.map_or_else(Vec::new, |source| Net(IpNet::from(source)).key().to_vec())
}
