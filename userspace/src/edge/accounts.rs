//! The accounts of the database and of the file, read again when one of them has changed.

use std::{fmt, sync::Arc, time::SystemTime};

use sipward_edge::{
    account::{Account, Accounts},
    settings::Settings,
};
use tracing::{info, warn};

use crate::{account_store::AccountReader, accounts_file::AccountsFileReader, paths, refusal::Refusal};

#[derive(Debug)]
pub(super) struct AccountSource {
    store: AccountReader,
    file: Option<AccountsFileReader>,
    stored: Vec<Account>,
    filed: Vec<Account>,
    /// The latest fault, which is logged once.
    fault: Option<String>,
}

impl AccountSource {
    /// Fails if the accounts cannot be read: an edge without them would refuse everybody.
    pub(super) fn open(settings: &Settings) -> Result<(Self, Arc<Accounts>), Refusal> {
        let mut source = Self {
            store: AccountReader::new(&paths::account_store()),
            file: settings.accounts.as_deref().map(AccountsFileReader::new),
            stored: Vec::new(),
            filed: Vec::new(),
            fault: None,
        };
        source.read().map_err(Refusal::wrong)?;
        let accounts = source.build(settings).map_err(Refusal::wrong)?;
        if accounts.is_empty() {
            warn!(
                "there are no accounts yet, so nobody can register: make one with `sipward account add NAME`"
            );
        }
        Ok((source, Arc::new(accounts)))
    }

    /// The accounts, if they have changed. After a fault, those that were read last stay in force.
    pub(super) fn changed(&mut self, settings: &Settings) -> Option<Arc<Accounts>> {
        let result = self.read().and_then(|is_changed| is_changed.then(|| self.build(settings)).transpose());
        let (accounts, fault) = match result {
            Ok(accounts) => (accounts, None),
            Err(fault) => (None, Some(fault)),
        };
        if let Some(accounts) = &accounts {
            info!("the accounts have changed: there are {}", accounts.len());
        }
        if fault.is_some() && fault != self.fault {
            warn!("the accounts stay as they were: {}", fault.as_deref().unwrap_or_default());
        }
        self.fault = fault;
        accounts.map(Arc::new)
    }

    /// True if there may be others than before.
    fn read(&mut self) -> Result<bool, String> {
        let stored = self.store.read_changed().map_err(said)?;
        let file = self.file.as_mut().map(|file| file.read_changed(SystemTime::now()));
        let filed = file.transpose().map_err(said)?.flatten();
        let is_changed = stored.is_some() || filed.is_some();
        self.stored = stored.unwrap_or_else(|| std::mem::take(&mut self.stored));
        self.filed = filed.unwrap_or_else(|| std::mem::take(&mut self.filed));
        Ok(is_changed)
    }

    fn build(&self, settings: &Settings) -> Result<Accounts, String> {
        let accounts = self.stored.iter().chain(&self.filed).cloned();
        Accounts::new(accounts, &settings.realm, &settings.algorithms).map_err(said)
    }
}

fn said(error: impl fmt::Display) -> String {
    error.to_string()
}
