//! Accounts as rows.

use ipnet::IpNet;
use rusqlite::{
    Connection, Error, OptionalExtension as _, Result, Row, params,
    types::{FromSqlError, Type},
};

use sipward_edge::{
    account::{Account, AccountName, Ha1s, Password, Secret},
    digest::{Ha1, HashFunction, Realm},
};
use sipward_types::{
    address::{parse, show},
    time::WallSeconds,
};

/// In the order that `account` reads.
const COLUMNS: &str = "name, password, realm, md5, sha256, sha512_256, status, expires, allowed";

pub(super) fn all(connection: &Connection) -> Result<Vec<Account>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM account ORDER BY name"))?;
    let all = statement.query_map([], account)?;
    all.collect()
}

pub(super) fn get(connection: &Connection, name: &AccountName) -> Result<Option<Account>> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM account WHERE name = ?1"))?;
    statement.query_row([name.as_str()], account).optional()
}

/// Replaces the account of that name; true if there was none.
pub(super) fn put(connection: &Connection, account: &Account) -> Result<bool> {
    let is_new = get(connection, &account.name)?.is_none();
    let Account { name, secret, status, expires, allowed } = account;
    let (password, ha1s) = match secret {
        Secret::Password(password) => (Some(password.as_str()), None),
        Secret::Ha1s(ha1s) => (None, Some(ha1s)),
    };
    let ha1 = |function| ha1s.and_then(|ha1s| ha1s.get(function)).map(|ha1: Ha1| ha1.as_hex().to_owned());
    let allowed = allowed.iter().map(|net| show(*net)).collect::<Vec<_>>().join(" ");
    let sql = format!("REPLACE INTO account ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    connection.prepare_cached(&sql)?.execute(params![
        name.as_str(),
        password,
        ha1s.map(|ha1s| ha1s.realm.as_str()),
        ha1(HashFunction::Md5),
        ha1(HashFunction::Sha256),
        ha1(HashFunction::Sha512_256),
        status.as_str(),
        expires.map(|expires| expires.get().cast_signed()),
        allowed,
    ])?;
    Ok(is_new)
}

/// True if there was one.
pub(super) fn delete(connection: &Connection, name: &AccountName) -> Result<bool> {
    Ok(connection.prepare_cached("DELETE FROM account WHERE name = ?1")?.execute([name.as_str()])? > 0)
}

fn account(row: &Row<'_>) -> Result<Account> {
    Ok(Account {
        name: valid(0, AccountName::new(text(row, 0)?))?,
        secret: secret(row)?,
        status: valid(6, text(row, 6)?.parse())?,
        expires: row.get::<_, Option<i64>>(7)?.map(|seconds| WallSeconds::new(seconds.cast_unsigned())),
        allowed: valid(8, text(row, 8)?.split_whitespace().map(parse).collect::<Result<Vec<IpNet>, _>>())?,
    })
}

fn secret(row: &Row<'_>) -> Result<Secret> {
    let Some(realm) = row.get_ref(2)?.as_str_or_null()? else {
        return Ok(Secret::Password(valid(1, Password::new(text(row, 1)?))?));
    };
    let realm = valid(2, Realm::new(realm))?;
    let mut ha1s = Vec::new();
    for (function, column) in
        [(HashFunction::Md5, 3), (HashFunction::Sha256, 4), (HashFunction::Sha512_256, 5)]
    {
        if let Some(digits) = row.get_ref(column)?.as_str_or_null()? {
            ha1s.push(valid(column, Ha1::from_hex(function, digits))?);
        }
    }
    Ok(Secret::Ha1s(Ha1s::new(realm, ha1s)))
}

fn text<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a str> {
    Ok(row.get_ref(column)?.as_str()?)
}

/// The error names the column and nothing of what is in it: that may be a secret.
fn valid<T, E>(column: usize, value: Result<T, E>) -> Result<T> {
    value
        .map_err(|_| Error::FromSqlConversionFailure(column, Type::Text, Box::new(FromSqlError::InvalidType)))
}
