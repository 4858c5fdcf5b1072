//! The accounts that authenticate.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// The user part that tries to authenticate: the user name of the credentials; where there are none, the user of the To
/// header of a REGISTER and of the From header of other requests. As the kernel does, by its first bytes only, and as it
/// is written: no unescaping.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Account(Arc<str>);

/// In bytes.
const ACCOUNT_MAX: usize = 64;

impl Account {
    /// `None` for a name that is empty or no text.
    pub fn new(name: &[u8]) -> Option<Self> {
        let name = std::str::from_utf8(name).ok()?;
        let end = (0..=ACCOUNT_MAX.min(name.len())).rev().find(|end| name.is_char_boundary(*end))?;
        (end > 0).then(|| Self(name[..end].into()))
    }

    /// Before all others, and nobody's.
    pub fn least() -> Self {
        Self("".into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Account {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(name.as_bytes()).ok_or("an account needs a name")
    }
}

impl From<Account> for String {
    fn from(account: Account) -> Self {
        account.as_str().to_owned()
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The accounts are the PBX's: whether one is disabled or has expired is the PBX's business. A hand's lock without an
/// end is what disables one here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Normal,
    /// From one source or several; from others it may go on.
    Suspended,
    Locked,
}
