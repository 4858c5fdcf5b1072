//! The table of accounts: built once, then shared.

use std::{
    borrow::Borrow,
    collections::HashMap,
    fmt,
    hash::{Hash, Hasher},
};

use crate::digest::{Ha1, HashFunction, Realm};

use super::{Account, AccountName};

/// All accounts, each with what its challenges need.
#[derive(Clone, Debug)]
pub struct Accounts {
    by_name: HashMap<AccountName, PreparedAccount>,
}

/// An account with its HA1s of the realm, so that a request costs the hashes of its own parts and no more.
#[derive(Clone, Debug)]
pub struct PreparedAccount {
    account: Account,
    ha1s: [Option<Ha1>; HashFunction::ALL.len()],
}

/// Two accounts have this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateName(pub AccountName);

impl Accounts {
    /// Ready for challenges of this realm with these hash functions.
    pub fn new(
        accounts: impl IntoIterator<Item = Account>,
        realm: &Realm,
        functions: &[HashFunction],
    ) -> Result<Self, DuplicateName> {
        let mut by_name = HashMap::new();
        for account in accounts {
            let prepared = PreparedAccount::new(account, realm, functions);
            if let Some(other) = by_name.insert(prepared.account.name.clone(), prepared) {
                return Err(DuplicateName(other.account.name));
            }
        }
        Ok(Self { by_name })
    }

    /// By the user name of credentials, its escapes resolved.
    pub fn get(&self, name: &[u8]) -> Option<&PreparedAccount> {
        self.by_name.get(name)
    }

    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// In no order.
    pub fn iter(&self) -> impl Iterator<Item = &Account> {
        self.by_name.values().map(PreparedAccount::account)
    }
}

impl PreparedAccount {
    fn new(account: Account, realm: &Realm, functions: &[HashFunction]) -> Self {
        let mut ha1s = [None; HashFunction::ALL.len()];
        for function in functions {
            ha1s[*function as usize] = account.secret.ha1(&account.name, realm, *function);
        }
        Self { account, ha1s }
    }

    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// `None`: the account cannot answer such a challenge.
    pub const fn ha1(&self, function: HashFunction) -> Option<&Ha1> {
        self.ha1s[function as usize].as_ref()
    }
}

/// Names are looked up as the bytes that stand in a request, which need not be text.
impl Borrow<[u8]> for AccountName {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// As the bytes have it; a text hashes otherwise.
impl Hash for AccountName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Display for DuplicateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the account {} is there twice: remove or rename one of the two", self.0)
    }
}

impl std::error::Error for DuplicateName {}
