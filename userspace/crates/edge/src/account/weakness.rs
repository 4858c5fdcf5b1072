//! Weak passwords: those that an attacker finds soon.

use std::fmt;

use crate::digest::Ha1;

use super::{Account, Ha1s, Secret};

/// Why a password is weak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Weakness {
    /// It has fewer than 12 characters.
    Short,
    /// It is all letters, all digits or all of other characters. Capitals count as letters: people put one in front.
    NoMix,
    /// It is the account's name, or has the name in it.
    AccountName,
    /// It is one of the passwords that are tried first, or one of them with digits or signs behind it.
    Common,
}

/// In characters.
const SHORTEST: usize = 12;

/// A shorter account name stands in good passwords by chance.
const TELLING_NAME: usize = 3;

/// The passwords that scanners of SIP servers try first, besides the account's name and plain digits: in lower case, with
/// blanks between them.
const COMMON: &str = "\
    000000000000 0123456789 1234567890 123456789012 1q2w3e4r 1q2w3e4r5t6y 1qaz2wsx 1qaz2wsx3edc abc \
    abcd abcdef admin administrator asterisk changeit changeme cisco default demo extension freepbx \
    grandstream guest hello issabel kamailio letmein login master monkey pa$$w0rd p@ssw0rd p@ssword \
    pass passw0rd password phone polycom private public qazwsx qwe qwerty qwertyuiop root sales \
    secret service sip sippassword support test user voip welcome yealink";

impl Weakness {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::NoMix => "no-mix",
            Self::AccountName => "account-name",
            Self::Common => "common",
        }
    }
}

impl Account {
    /// Of HA1s only the passwords that anybody would try can be found: the account's name and the common ones as they are.
    pub fn weaknesses(&self) -> Vec<Weakness> {
        let name = self.name.as_str();
        match &self.secret {
            Secret::Password(password) => of_password(name, password.as_str()),
            Secret::Ha1s(ha1s) => of_ha1s(name, ha1s),
        }
    }
}

fn of_password(name: &str, password: &str) -> Vec<Weakness> {
    let lower = password.to_lowercase();
    let name = name.to_lowercase();
    let stem = lower.trim_end_matches(|c: char| c.is_ascii_digit() || c.is_ascii_punctuation());
    let has_name = lower == name || name.chars().count() >= TELLING_NAME && lower.contains(&name);
    let found = [
        (Weakness::Short, password.chars().count() < SHORTEST),
        (Weakness::NoMix, !is_mixed(password)),
        (Weakness::AccountName, has_name),
        (Weakness::Common, [&*lower, stem].iter().any(|tried| is_common(tried))),
    ];
    found.into_iter().filter_map(|(weakness, is_there)| is_there.then_some(weakness)).collect()
}

fn is_common(password: &str) -> bool {
    COMMON.split(' ').any(|common| common == password)
}

/// True: it has at least two of letters, digits and others.
fn is_mixed(password: &str) -> bool {
    let has = |kind: fn(char) -> bool| usize::from(password.chars().any(kind));
    has(char::is_alphabetic) + has(char::is_numeric) + has(|c| !c.is_alphanumeric()) >= 2
}

fn of_ha1s(name: &str, ha1s: &Ha1s) -> Vec<Weakness> {
    // One will do: all are of one password.
    let Some(ha1) = ha1s.iter().next() else { return Vec::new() };
    let is = |password: &str| {
        Ha1::of_password(ha1.function(), name.as_bytes(), &ha1s.realm, password.as_bytes()) == ha1
    };
    let found = [(Weakness::AccountName, is(name)), (Weakness::Common, COMMON.split(' ').any(is))];
    found.into_iter().filter_map(|(weakness, is_there)| is_there.then_some(weakness)).collect()
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
