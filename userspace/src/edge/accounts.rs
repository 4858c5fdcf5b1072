//! The accounts of the database and of the file, read again when one of them has changed.

use std::{collections::HashSet, fmt, path::Path, sync::Arc, time::SystemTime};

use sipward_edge::{
    account::{Account, Accounts},
    settings::Settings,
};
use tracing::{info, warn};

use crate::{
    account_store::AccountReader, accounts_file::AccountsFileReader, fault_log::FaultLog, paths,
    refusal::Refusal,
};

#[derive(Debug)]
pub(super) struct AccountSource {
    store: AccountReader,
    file: Option<AccountsFileReader>,
    stored: Vec<Account>,
    filed: Vec<Account>,
    /// Accounts were read that are not in force yet.
    is_stale: bool,
    faults: FaultLog,
}

impl AccountSource {
    /// Fails if the accounts cannot be read: an edge without them would refuse everybody.
    pub(super) fn open(settings: &Settings) -> Result<(Self, Arc<Accounts>), Refusal> {
        let mut source = Self::new(&paths::account_store(), settings.accounts.as_deref());
        source.read().map_err(Refusal::wrong)?;
        let accounts = source.build(settings).map_err(Refusal::wrong)?;
        if accounts.is_empty() {
            warn!(
                "there are no accounts yet, so nobody can register: make one with `sipward account add NAME`"
            );
        }
        source.is_stale = false;
        Ok((source, Arc::new(accounts)))
    }

    fn new(store: &Path, file: Option<&Path>) -> Self {
        Self {
            store: AccountReader::new(store),
            file: file.map(AccountsFileReader::new),
            stored: Vec::new(),
            filed: Vec::new(),
            is_stale: false,
            faults: FaultLog::default(),
        }
    }

    /// The accounts, if they have changed. After a fault of the database or of the file, those that were read of it last
    /// stay in force.
    pub(super) fn changed(&mut self, settings: &Settings) -> Option<Arc<Accounts>> {
        let mut fault = self.read().err();
        let accounts = match self.is_stale.then(|| self.build(settings)).transpose() {
            Ok(accounts) => accounts,
            Err(problem) => {
                fault = Some(problem);
                None
            }
        };
        self.is_stale &= accounts.is_none();
        if let Some(accounts) = &accounts {
            info!("the accounts have changed: there are {}", accounts.len());
        }
        self.faults.update(fault, |fault| warn!("accounts stay as they were: {fault}"));
        accounts.map(Arc::new)
    }

    /// Reads what has changed: a fault of one of the two does not hold up the other.
    fn read(&mut self) -> Result<(), String> {
        let stored = self.store.read_changed().map_err(said);
        let filed = self.file.as_mut().map(|file| file.read_changed(SystemTime::now()));
        let filed = filed.transpose().map_err(said).map(Option::flatten);
        self.is_stale |= matches!(stored, Ok(Some(_))) || matches!(filed, Ok(Some(_)));
        let mut fault = Ok(());
        for (kept, read) in [(&mut self.stored, stored), (&mut self.filed, filed)] {
            match read {
                Ok(Some(accounts)) => *kept = accounts,
                Ok(None) => {}
                Err(problem) => fault = Err(problem),
            }
        }
        fault
    }

    fn build(&self, settings: &Settings) -> Result<Accounts, String> {
        let stored: HashSet<_> = self.stored.iter().map(|account| &account.name).collect();
        let (doubles, filed): (Vec<_>, Vec<_>) =
            self.filed.iter().partition(|account| stored.contains(&account.name));
        if let Some(double) = doubles.first() {
            warn!(
                "{} accounts, such as {}, are in the database and in the file: those of the database count. Take them out \
                 of the file, or delete them by `sipward account del`",
                doubles.len(),
                double.name
            );
        }
        let accounts = self.stored.iter().chain(filed).cloned();
        Accounts::new(accounts, &settings.realm, &settings.algorithms).map_err(said)
    }
}

fn said(error: impl fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use std::{fs, net::SocketAddr, time::Duration};

    use super::*;
    use crate::account_store::AccountStore;
    use sipward_edge::{
        account::AccountName,
        accounts_file,
        digest::{HashFunction, Realm},
        forward::Reach,
        settings::Challenge,
    };
    use sipward_testkit::scratch::Scratch;

    fn settings() -> Settings {
        Settings {
            listen: Vec::new(),
            inner: SocketAddr::from(([127, 0, 0, 1], 5070)),
            pbx: SocketAddr::from(([127, 0, 0, 1], 5060)),
            realm: Realm::new("example.com").unwrap(),
            challenge: Challenge::default(),
            is_silent: false,
            algorithms: vec![HashFunction::Md5],
            nonce_lifetime: Duration::from_secs(300),
            reach: Reach::Contact,
            accounts: None,
        }
    }

    fn names(accounts: &Accounts) -> Vec<String> {
        let mut names: Vec<_> = accounts.iter().map(|account| account.name.to_string()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_fault_of_the_file_holds_up_no_change_of_the_database_and_none_is_lost() {
        let scratch = Scratch::new("account-source");
        let (database, file) = (scratch.path().join("accounts.db"), scratch.path().join("accounts.txt"));
        let mut store = AccountStore::open(&database).unwrap();
        let mut add = |line: &str| {
            store.import(&accounts_file::parse(line, "line").unwrap()).unwrap();
        };
        let mut source = AccountSource::new(&database, Some(&file));
        fs::write(&file, "300 a\n").unwrap();
        assert_eq!(names(&source.changed(&settings()).unwrap()), ["300"]);
        fs::write(&file, "300 a b c\n").unwrap();
        add("201 a");
        assert_eq!(names(&source.changed(&settings()).unwrap()), ["201", "300"]);
        let fault = source.read().unwrap_err();
        assert!(fault.contains("accounts.txt:1: "), "{fault}");
        // Of a name in both, the database's account counts, and the others change as ever.
        fs::write(&file, "201 from-the-file\n").unwrap();
        let accounts = source.changed(&settings()).unwrap();
        assert_eq!((names(&accounts), source.read()), (vec!["201".to_owned()], Ok(())));
        let ha1 = |accounts: &Accounts| {
            accounts.get(b"201").unwrap().ha1(HashFunction::Md5).unwrap().as_hex().to_owned()
        };
        let of_database = ha1(&accounts);
        add("202 a");
        assert_eq!(names(&source.changed(&settings()).unwrap()), ["201", "202"]);
        store.delete(&AccountName::new("201").unwrap()).unwrap();
        assert_ne!(ha1(&source.changed(&settings()).unwrap()), of_database);
    }
}
