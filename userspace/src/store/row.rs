//! Conversions between domain types and columns of the database.

use ipnet::IpNet;
use rusqlite::{
    Error, Result, Row, ToSql,
    types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::boots::Boots;
use super::unsigned::{Unsigned, wall_time};
use sipward_types::{
    address::{from_prefix, to_prefix},
    list_entry::{ListKind, Origin},
    time::{KernelTime, WallTime},
};

/// An entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub net: IpNet,
    pub kind: ListKind,
    pub until: KernelTime,
    pub since: WallTime,
    pub origin: Origin,
    pub note: Option<String>,
    /// The evidence for a ban of the guard.
    pub evidence: Option<String>,
}

/// In the order that `entry` reads.
pub(super) const COLUMNS: &str = "net, standing, since, boot, until, origin, note, evidence";

pub(super) fn entry(row: &Row<'_>, boots: &Boots) -> Result<Entry> {
    Ok(Entry {
        net: row.get::<_, Net>(0)?.0,
        kind: row.get::<_, Code<_>>(1)?.0,
        since: wall_time(row, 2)?,
        until: end(row, 3, boots)?,
        origin: row.get::<_, Code<_>>(5)?.0,
        note: row.get(6)?,
        evidence: row.get(7)?,
    })
}

/// The kernel time in a column and the boot in the one before, as kernel time of this boot.
pub(super) fn end(row: &Row<'_>, boot: usize, boots: &Boots) -> Result<KernelTime> {
    let Some(id) = row.get(boot)? else { return Ok(KernelTime::FOREVER) };
    let Unsigned(until) = row.get(boot + 1)?;
    boots.here(id, KernelTime::from_nanos(until)).ok_or(Error::IntegralValueOutOfRange(boot, id))
}

/// A prefix as the key of its row: in the order of the addresses, and the shorter before the longer.
pub(super) struct Net(pub(super) IpNet);

impl Net {
    pub(super) fn key(&self) -> [u8; 17] {
        let (address, length) = to_prefix(self.0);
        let mut key = [length; 17];
        key[..16].copy_from_slice(&address);
        key
    }

    /// The keys of all that lies in it.
    pub(super) fn keys(&self) -> (Vec<u8>, Vec<u8>) {
        let first = self.key();
        let (address, length) = to_prefix(self.0);
        let within = u128::MAX.checked_shr(length.into()).unwrap_or(0);
        let last = (u128::from_be_bytes(address) | within).to_be_bytes();
        (first.to_vec(), [&last[..], &[u8::MAX]].concat())
    }

    /// The start of the keys that come after it.
    pub(super) fn next_key(&self) -> Vec<u8> {
        [&self.key()[..], &[0]].concat()
    }
}

impl ToSql for Net {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(self.key().to_vec().into())
    }
}

impl FromSql for Net {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes = <[u8; 17]>::column_result(value)?;
        let (length, address) = (bytes[16], std::array::from_fn(|index| bytes[index]));
        from_prefix(address, length).map(Self).ok_or(FromSqlError::OutOfRange(length.into()))
    }
}

/// A word that is a small number in the database.
pub(super) struct Code<T>(pub(super) T);

pub(super) trait Coded: Copy {
    fn code(self) -> i64;
    fn of(code: i64) -> Option<Self>;
}

impl<T: Coded> ToSql for Code<T> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(self.0.code().into())
    }
}

impl<T: Coded> FromSql for Code<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let code = i64::column_result(value)?;
        T::of(code).map(Self).ok_or(FromSqlError::OutOfRange(code))
    }
}

/// A word that is the same in the database and in output.
pub(super) struct Word<T>(pub(super) T);

impl<T: Serialize> ToSql for Word<T> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        match serde_json::to_value(&self.0) {
            Ok(Value::String(word)) => Ok(word.into()),
            other => Err(Error::ToSqlConversionFailure(format!("{other:?} is no word").into())),
        }
    }
}

impl<T: DeserializeOwned> FromSql for Word<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let word = Value::String(value.as_str()?.to_owned());
        serde_json::from_value(word).map(Self).map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}

impl Coded for ListKind {
    fn code(self) -> i64 {
        match self {
            Self::Trusted => 0,
            Self::Banned => 1,
        }
    }

    fn of(code: i64) -> Option<Self> {
        [Self::Trusted, Self::Banned].into_iter().find(|kind| kind.code() == code)
    }
}

impl Coded for Origin {
    fn code(self) -> i64 {
        match self {
            Self::Config => 0,
            Self::Hand => 1,
            Self::Import => 2,
            Self::Kernel => 3,
            Self::Guard => 4,
        }
    }

    fn of(code: i64) -> Option<Self> {
        [Self::Config, Self::Hand, Self::Import, Self::Kernel, Self::Guard]
            .into_iter()
            .find(|origin| origin.code() == code)
    }
}
