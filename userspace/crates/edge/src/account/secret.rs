//! The secret that an account shares with its phone.

use std::fmt;

use crate::digest::{Ha1, HashFunction, Realm};

use super::AccountName;

/// A password can do every algorithm and realm. HA1s can do the ones that they were made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    Password(Password),
    Ha1s(Ha1s),
}

#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordError(&'static str);

/// HA1s of one realm, at most one of each hash function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ha1s {
    pub realm: Realm,
    by_function: [Option<Ha1>; HashFunction::ALL.len()],
}

/// Why an account cannot answer some challenges, or any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shortfall {
    /// Its HA1s were made for another realm.
    OtherRealm(Realm),
    /// It has no HA1 of these.
    Missing(Vec<HashFunction>),
}

impl Secret {
    /// `None`: the account cannot answer such a challenge.
    pub fn ha1(&self, name: &AccountName, realm: &Realm, function: HashFunction) -> Option<Ha1> {
        match self {
            Self::Password(password) => {
                Some(Ha1::of_password(function, name.as_bytes(), realm, password.as_str().as_bytes()))
            }
            Self::Ha1s(ha1s) if ha1s.realm == *realm => ha1s.get(function),
            Self::Ha1s(_) => None,
        }
    }

    /// `None`: the account can answer every challenge of that realm with one of these.
    pub fn shortfall(&self, realm: &Realm, functions: &[HashFunction]) -> Option<Shortfall> {
        let Self::Ha1s(ha1s) = self else { return None };
        if ha1s.realm != *realm {
            return Some(Shortfall::OtherRealm(ha1s.realm.clone()));
        }
        let is_missing = |function: &HashFunction| ha1s.get(*function).is_none();
        let missing: Vec<_> = functions.iter().copied().filter(is_missing).collect();
        (!missing.is_empty()).then_some(Shortfall::Missing(missing))
    }
}

impl Password {
    /// In bytes.
    pub const LONGEST: usize = 128;

    pub fn new(password: &str) -> Result<Self, PasswordError> {
        match password {
            "" => Err(PasswordError("the password is empty: give the account one")),
            _ if password.len() > Self::LONGEST => {
                Err(PasswordError("the password is longer than 128 bytes: give the account a shorter one"))
            }
            _ if password.contains(char::is_control) => {
                Err(PasswordError("the password has a control character in it: give the account another"))
            }
            _ => Ok(Self(password.to_owned())),
        }
    }

    /// The secret, for the store alone.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Ha1s {
    /// Of several HA1s of one hash function the last counts.
    pub fn new(realm: Realm, ha1s: impl IntoIterator<Item = Ha1>) -> Self {
        let mut by_function = [None; HashFunction::ALL.len()];
        for ha1 in ha1s {
            by_function[ha1.function() as usize] = Some(ha1);
        }
        Self { realm, by_function }
    }

    pub const fn get(&self, function: HashFunction) -> Option<Ha1> {
        self.by_function[function as usize]
    }

    pub fn iter(&self) -> impl Iterator<Item = Ha1> {
        self.by_function.into_iter().flatten()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherRealm(realm) => write!(f, "its HA1s are of the realm {realm}"),
            Self::Missing(functions) => {
                let names: Vec<_> = functions.iter().map(|function| function.name()).collect();
                write!(f, "it has no HA1 of {}", names.join(" and "))
            }
        }
    }
}

impl std::error::Error for PasswordError {}
