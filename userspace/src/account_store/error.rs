//! Errors of the accounts' database. It holds what nobody else has, so it is never moved aside by itself.

use std::fmt;

use crate::store::{StoreError, StoreErrorKind};

pub(super) type Result<T, E = AccountStoreError> = std::result::Result<T, E>;

#[derive(Clone, PartialEq, Eq)]
pub struct AccountStoreError(StoreError);

impl AccountStoreError {
    pub fn kind(&self) -> StoreErrorKind {
        self.0.kind()
    }
}

impl From<StoreError> for AccountStoreError {
    fn from(error: StoreError) -> Self {
        Self(error)
    }
}

impl fmt::Display for AccountStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, cause) = (self.0.path().display(), self.0.cause());
        match self.kind() {
            StoreErrorKind::Corrupt => write!(
                f,
                "{path} is damaged ({cause}): put a copy in its place, or move it away and give it the accounts \
                 again with `sipward account import`"
            ),
            StoreErrorKind::Lost => write!(
                f,
                "{path} was removed while it was in use, and the accounts that were in it are still in force: put \
                 it back, or give it the accounts again with `sipward account import`"
            ),
            _ => self.0.fmt(f),
        }
    }
}

/// A failed test shows the sentence, too.
impl fmt::Debug for AccountStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.kind())
    }
}

impl std::error::Error for AccountStoreError {}
