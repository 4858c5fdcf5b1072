//! The boots that times of entries belong to.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::unsigned::{Unsigned, wall_time};
use crate::clock::{Clock, Moment, carry, latest_over};
use sipward_types::time::KernelTime;

/// This boot, as the store knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Here {
    name: &'static str,
    /// The moment to which times of earlier boots are carried: always the same, so that they read the same at any time,
    /// whatever the wall clock does.
    first: Moment,
}

impl Here {
    /// This boot as the store knows it. A boot that it does not know begins now.
    pub(super) fn arrive(connection: &Connection, clock: &Clock) -> Result<Self> {
        let first = connection
            .query_row("SELECT first_kernel, first_wall FROM boot WHERE name = ?1", [clock.boot], moment)
            .optional()?;
        let here = Self { name: clock.boot, first: first.unwrap_or_else(|| clock.moment()) };
        if first.is_none() {
            // Only so that another process takes the same moment: a full disk must not keep the lists from being
            // read.
            let _ = here.seen(connection, clock).and_then(|_| forget(connection, here.name));
        }
        Ok(here)
    }

    /// True if the wall clock was set since this boot was last seen.
    pub(super) fn was_set(&self, connection: &Connection, clock: &Clock) -> Result<bool> {
        let last = connection
            .prepare_cached("SELECT last_kernel, last_wall FROM boot WHERE name = ?1")?
            .query_row([self.name], moment)
            .optional()?;
        Ok(last.is_some_and(|last| clock.moment().is_set_from(last)))
    }

    /// Records that this boot was seen now, and returns its number.
    pub(super) fn seen(&self, connection: &Connection, clock: &Clock) -> Result<i64> {
        let (first, last) = (self.first, clock.moment());
        connection
            .prepare_cached(
                "INSERT INTO boot (name, first_kernel, first_wall, last_kernel, last_wall)
                 VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (name) DO UPDATE
                 SET last_kernel = excluded.last_kernel, last_wall = excluded.last_wall
                 RETURNING id",
            )?
            .query_row(
                params![
                    self.name,
                    Unsigned(first.kernel.as_nanos()),
                    Unsigned(first.wall.as_millis()),
                    Unsigned(last.kernel.as_nanos()),
                    Unsigned(last.wall.as_millis()),
                ],
                |row| row.get(0),
            )
    }
}

/// All boots, as seen from this one.
#[derive(Debug)]
pub(super) struct Boots {
    first: Moment,
    /// When each was last seen; `None` is this one.
    last: HashMap<i64, Option<Moment>>,
}

impl Boots {
    pub(super) fn read(connection: &Connection, here: &Here) -> Result<Self> {
        let mut statement = connection.prepare_cached("SELECT last_kernel, last_wall, id, name FROM boot")?;
        let boots = statement.query_map([], |row| {
            let this = row.get_ref(3)?.as_str()? == here.name;
            Ok((row.get(2)?, if this { None } else { Some(moment(row)?) }))
        })?;
        Ok(Self { first: here.first, last: boots.collect::<Result<_>>()? })
    }

    /// A kernel time of a boot as one of this boot; `None` if there is no such boot.
    pub(super) fn here(&self, boot: i64, until: KernelTime) -> Option<KernelTime> {
        Some(match self.last.get(&boot)? {
            None => until,
            Some(last) => carry(until, *last, self.first),
        })
    }

    pub(super) fn is_this(&self, boot: i64) -> bool {
        self.last.get(&boot).is_some_and(Option::is_none)
    }

    /// Each boot with the latest kernel time of its own that is over now.
    pub(super) fn over(&self, now: KernelTime) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.last.iter().map(move |(id, last)| {
            let over = last.map_or(now, |last| latest_over(now, last, self.first));
            (*id, i64::try_from(over.as_nanos()).unwrap_or(i64::MAX))
        })
    }
}

/// Removes the boots that nothing refers to any more.
fn forget(connection: &Connection, here: &str) -> Result<()> {
    connection.execute(
        "DELETE FROM boot WHERE name <> ?1
         AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.boot = boot.id)
         AND NOT EXISTS (SELECT 1 FROM switch WHERE switch.boot = boot.id)
         AND NOT EXISTS (SELECT 1 FROM suspension WHERE suspension.boot = boot.id)
         AND NOT EXISTS (SELECT 1 FROM known WHERE known.boot = boot.id)
         AND NOT EXISTS (SELECT 1 FROM memory WHERE memory.boot = boot.id)",
        [here],
    )?;
    Ok(())
}

fn moment(row: &Row<'_>) -> Result<Moment> {
    let Unsigned(kernel) = row.get(0)?;
    Ok(Moment { kernel: KernelTime::from_nanos(kernel), wall: wall_time(row, 1)? })
}
