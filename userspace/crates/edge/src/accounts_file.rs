//! Accounts as a text file, one a line: a name, its password or its HA1s, and options.
//!
//! ```text
//! # a comment
//! 201  "correct horse battery"
//! 202  Xq7-longer-than-that   from=192.0.2.0/24 from=2001:db8::/32
//! 203  {MD5}939e7578ed9e3c518a452acee763bce9  realm=pbx.example.com  expires=2027-01-31
//! 204  tB3xk29pQ-w8           status=locked
//! ```
//!
//! No error repeats a word of the file: with one slip of the pen, any of them may be a password.

mod words;

use std::{collections::HashMap, fmt};

use sipward_types::{
    address,
    time::{WallSeconds, parse_utc, parse_utc_day},
};

use self::words::{Word, words};
use crate::{
    account::{Account, AccountName, AccountStatus, Ha1s, Password, Secret},
    digest::{Algorithm, Ha1, Realm},
};

/// All that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountsFileError {
    /// The name of the file.
    pub file: String,
    /// In the order of the lines; at least one.
    pub errors: Vec<LineError>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    /// From 1.
    pub line: usize,
    /// The part of the line, where it is one: `expires`.
    pub key: Option<&'static str>,
    pub problem: String,
}

/// Errors that are shown; the others are counted.
const SHOWN: usize = 20;

/// All accounts of a file, or all that is wrong with it. `file` is its name in errors.
pub fn parse(text: &str, file: &str) -> Result<Vec<Account>, AccountsFileError> {
    let (mut accounts, mut errors, mut lines) = (Vec::new(), Vec::new(), HashMap::new());
    let text = text.trim_start_matches('\u{feff}');
    for (line, text) in (1..).zip(text.lines()) {
        match account(text) {
            Ok(None) => {}
            Ok(Some(account)) => match lines.insert(account.name.clone(), line) {
                None => accounts.push(account),
                Some(first) => errors.push(LineError {
                    line,
                    key: Some("name"),
                    problem: format!("line {first} has that name already: remove or rename one of the two"),
                }),
            },
            Err(problems) => {
                errors.extend(problems.into_iter().map(|(key, problem)| LineError { line, key, problem }));
            }
        }
    }
    if errors.is_empty() { Ok(accounts) } else { Err(AccountsFileError { file: file.to_owned(), errors }) }
}

/// `2027-01-31`, which is the beginning of that day in UTC, or `2027-01-31T18:00:00Z`.
pub fn parse_expiry(text: &str) -> Result<WallSeconds, String> {
    let seconds = parse_utc_day(text).or_else(|| parse_utc(text));
    seconds.map(WallSeconds::new).ok_or_else(|| {
        "it is no day or time in UTC: write for example 2027-01-31 or 2027-01-31T18:00:00Z".to_owned()
    })
}

type Problem = (Option<&'static str>, String);

/// `None`: a comment, or nothing.
fn account(line: &str) -> Result<Option<Account>, Vec<Problem>> {
    let words = words(line).map_err(|problem| vec![(None, problem.to_owned())])?;
    let (name, rest) = match words.as_slice() {
        [] => return Ok(None),
        [_] => return Err(vec![(None, ONE_WORD.to_owned())]),
        [name, rest @ ..] => (name, rest),
    };
    let ha1s = rest.iter().take_while(|word| word.is_ha1()).count();
    let (secrets, options) = rest.split_at(ha1s.max(1));
    let mut problems = Vec::new();
    let name = AccountName::new(&name.text).map_err(|_| problems.push((Some("name"), NAME.to_owned()))).ok();
    let options = Options::read(options, &mut problems);
    let secret = if ha1s == 0 {
        options.no_realm(&mut problems);
        password(&secrets[0], &mut problems)
    } else {
        hashes(secrets, options.realm, &mut problems)
    };
    match (name, secret) {
        (Some(name), Some(secret)) if problems.is_empty() => Ok(Some(Account {
            status: options.status.unwrap_or_default(),
            expires: options.expires,
            allowed: options.allowed,
            ..Account::new(name, secret)
        })),
        _ => Err(problems),
    }
}

const ONE_WORD: &str = "a name and a password, with a blank between them, make an account: write both. A password that \
                        begins with # stands in quotes";
const NAME: &str = "a name has 1 to 64 bytes, and no blank, control character, quote, backslash, @ or colon. A blank \
                    separates it from the password: write NAME PASSWORD";
const HA1: &str = "an HA1 is {MD5}, {SHA-256} or {SHA-512-256}, and its hexadecimal digits behind that. A password that \
                   begins with { stands in quotes";

fn password(word: &Word, problems: &mut Vec<Problem>) -> Option<Secret> {
    match Password::new(&word.text) {
        Ok(password) => Some(Secret::Password(password)),
        Err(error) => {
            problems.push((Some("password"), error.to_string()));
            None
        }
    }
}

fn hashes(words: &[Word], realm: Option<Realm>, problems: &mut Vec<Problem>) -> Option<Secret> {
    let mut ha1s: Vec<Ha1> = Vec::new();
    for word in words {
        match ha1(&word.text) {
            Ok(ha1) if ha1s.iter().any(|other| other.function() == ha1.function()) => {
                problems.push((Some("HA1"), format!("{} is there twice: leave one out", ha1.function())));
            }
            Ok(ha1) => ha1s.push(ha1),
            Err(problem) => problems.push((Some("HA1"), problem)),
        }
    }
    if realm.is_none() && problems.iter().all(|(key, _)| *key != Some("realm")) {
        problems.push((Some("realm"), "an HA1 holds for one realm: write realm=pbx.example.com".to_owned()));
    }
    realm.map(|realm| Secret::Ha1s(Ha1s::new(realm, ha1s)))
}

/// `{MD5}` and the digits.
fn ha1(word: &str) -> Result<Ha1, String> {
    let (name, digits) = word.strip_prefix('{').and_then(|rest| rest.split_once('}')).ok_or(HA1)?;
    match Algorithm::from_name(name.as_bytes()) {
        Some(Algorithm { function, session: false }) => {
            Ha1::from_hex(function, digits).map_err(|error| error.to_string())
        }
        _ => Err(HA1.to_owned()),
    }
}

#[derive(Default)]
struct Options {
    realm: Option<Realm>,
    status: Option<AccountStatus>,
    expires: Option<WallSeconds>,
    allowed: Vec<ipnet::IpNet>,
}

impl Options {
    fn read(words: &[Word], problems: &mut Vec<Problem>) -> Self {
        let mut options = Self::default();
        for word in words {
            if let Err(problem) = options.take(word) {
                problems.push(problem);
            }
        }
        options
    }

    fn take(&mut self, Word { text, quoted }: &Word) -> Result<(), Problem> {
        match text.split_once('=') {
            Some(("realm", value)) => once("realm", &mut self.realm, Realm::new(value)),
            Some(("status", value)) if !quoted => once("status", &mut self.status, value.parse()),
            Some(("expires", value)) if !quoted => once("expires", &mut self.expires, parse_expiry(value)),
            Some(("from", value)) if !quoted => {
                self.allowed.push(address::parse(value).map_err(|problem| (Some("from"), problem))?);
                Ok(())
            }
            _ => Err((None, OPTION.to_owned())),
        }
    }

    fn no_realm(&self, problems: &mut Vec<Problem>) {
        if self.realm.is_some() {
            problems.push((Some("realm"), "a password holds for every realm: leave it out".to_owned()));
        }
    }
}

const OPTION: &str = "behind the password come realm=, status=, expires= and from=, and no other word. A password with \
                      a blank stands in quotes";

fn once<T>(
    key: &'static str,
    option: &mut Option<T>,
    value: Result<T, impl fmt::Display>,
) -> Result<(), Problem> {
    let value = value.map_err(|error| (Some(key), error.to_string()))?;
    match option.replace(value) {
        None => Ok(()),
        Some(_) => Err((Some(key), "it is there twice: leave one out".to_owned())),
    }
}

impl fmt::Display for AccountsFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, LineError { line, key, problem }) in self.errors.iter().take(SHOWN).enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            write!(f, "{end}{}:{line}: ", self.file)?;
            if let Some(key) = key {
                write!(f, "{key}: ")?;
            }
            f.write_str(problem)?;
        }
        match self.errors.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for AccountsFileError {}

#[cfg(test)]
mod tests;
