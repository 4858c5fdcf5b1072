//! The accounts that the edge authenticates, as the operator keeps them.

mod secret;
mod table;
mod weakness;

#[cfg(test)]
mod tests;

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use sipward_types::{address, printable::is_hidden, time::WallSeconds};

pub use self::{
    secret::{Ha1s, Password, PasswordError, Secret, Shortfall},
    table::{Accounts, DuplicateName, PreparedAccount},
    weakness::Weakness,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub name: AccountName,
    pub secret: Secret,
    pub status: AccountStatus,
    /// The account is refused from that second on.
    pub expires: Option<WallSeconds>,
    /// The account may be used from there. Empty: from anywhere.
    pub allowed: Vec<IpNet>,
}

/// The user name of an account's credentials: the same bytes wherever it stands, with no domain and no escape.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountName(String);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountNameError(String);

/// The status that the operator has given to the account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AccountStatus {
    #[default]
    Normal,
    /// For a while: something is wrong with it.
    Locked,
    /// For good: it is out of use.
    Disabled,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountStatusError(String);

/// The operator's side of the judgement: whether the account may be used there and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Admission {
    Admitted,
    Locked,
    Disabled,
    Expired,
    AddressNotAllowed,
}

impl Account {
    /// In normal status, without an end, from anywhere.
    pub const fn new(name: AccountName, secret: Secret) -> Self {
        Self { name, secret, status: AccountStatus::Normal, expires: None, allowed: Vec::new() }
    }

    /// The source may be an IPv4 address in its IPv6 form, and so may the allowed ones.
    pub fn admission(&self, source: IpAddr, now: WallSeconds) -> Admission {
        let source = source.to_canonical();
        let holds_source = |net: &IpNet| address::canonical(*net).contains(&source);
        match self.status {
            AccountStatus::Disabled => Admission::Disabled,
            AccountStatus::Locked => Admission::Locked,
            AccountStatus::Normal if self.expires.is_some_and(|expires| expires <= now) => Admission::Expired,
            AccountStatus::Normal if self.allowed.is_empty() => Admission::Admitted,
            AccountStatus::Normal if self.allowed.iter().any(holds_source) => Admission::Admitted,
            AccountStatus::Normal => Admission::AddressNotAllowed,
        }
    }
}

impl AccountName {
    /// In bytes.
    pub const LONGEST: usize = 64;

    pub fn new(name: &str) -> Result<Self, AccountNameError> {
        let is_bad = |c: char| matches!(c, '"' | '\\' | '@' | ':') || c.is_whitespace() || is_hidden(c);
        if name.is_empty() {
            return Err(AccountNameError("an account needs a name".to_owned()));
        }
        if name.len() > Self::LONGEST {
            let (length, longest) = (name.len(), Self::LONGEST);
            return Err(AccountNameError(format!(
                "an account's name of {length} bytes is too long: give it at most {longest}"
            )));
        }
        match name.chars().find(|c| is_bad(*c)) {
            Some(c) => Err(AccountNameError(format!(
                "the account's name {name:?} has {c:?} in it: give it a name without blanks, control characters, \
                 quotes, backslashes, @ and colons"
            ))),
            None => Ok(Self(name.to_owned())),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub const fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl AccountStatus {
    pub const ALL: [Self; 3] = [Self::Normal, Self::Locked, Self::Disabled];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Locked => "locked",
            Self::Disabled => "disabled",
        }
    }
}

impl Admission {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Locked => "locked",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::AddressNotAllowed => "address-not-allowed",
        }
    }
}

impl FromStr for AccountStatus {
    type Err = AccountStatusError;

    fn from_str(text: &str) -> Result<Self, AccountStatusError> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == text);
        found.ok_or_else(|| AccountStatusError(text.to_owned()))
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for AccountNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for AccountStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for AccountStatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no status of an account: write normal, locked or disabled", self.0)
    }
}

impl fmt::Display for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for AccountNameError {}
impl std::error::Error for AccountStatusError {}
