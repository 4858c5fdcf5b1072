//! Unsigned numbers, and times as such, in SQLite, which has signed ones only.

use rusqlite::{
    Result, Row, ToSql,
    types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef},
};

use sipward_types::time::WallTime;

/// Numbers that SQLite only has with a sign, bit for bit.
pub(super) struct Unsigned(pub(super) u64);

impl ToSql for Unsigned {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(self.0.cast_signed().into())
    }
}

impl FromSql for Unsigned {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        i64::column_result(value).map(|number| Self(number.cast_unsigned()))
    }
}

pub(super) fn wall_time(row: &Row<'_>, column: usize) -> Result<WallTime> {
    Ok(WallTime::from_millis(row.get::<_, Unsigned>(column)?.0))
}
