//! The accounts of the edge: commands that change them. Secrets come from the terminal or from standard input.

mod arguments;
mod check;
mod filed;
mod import;
mod view;

use clap::Args;

use self::{
    arguments::{Settings, Surplus, account_name},
    filed::warn_of_filed,
};
pub(super) use self::{
    check::{CheckedAccounts, check},
    import::ImportAccounts,
    view::{EdgeAccount, find, list, not_normal},
};
use super::{failure::Failure, output::Output};
use crate::{
    account_store::{AccountStore, AccountStoreError},
    clock::Clock,
    control::{DaemonLock, this_process},
    paths,
    refusal::Refusal,
    store::{Store, StoreError},
};
use sipward_api::item;
use sipward_edge::account::{Account, AccountName, AccountStatus};

/// Add an account of the edge; its password is asked for, or read as a line of standard input
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: sipward account add 201\n          sipward account add 201 --from 192.0.2.0/24 \
                  --expires 2027-01-31\n          sipward account add 201 < password.txt\n          sipward \
                  account add 202 --ha1 MD5:pbx.example.com\n\nNo option takes a password or a hash: every \
                  user of a host can see its command lines."
)]
pub(super) struct Add {
    /// The user name that the phone authenticates with
    #[arg(value_name = "NAME", value_parser = account_name)]
    name: AccountName,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    surplus: Surplus,
}

impl Add {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        self.surplus.refuse()?;
        let Self { name, settings, .. } = self;
        let exists = || {
            Failure::No(format!(
                "{name} is an account of the edge already: `sipward account set {name}` changes it"
            ))
        };
        let hashes = settings.hashes()?;
        let mut store = open()?;
        // Before anybody types a password.
        if store.get(name).map_err(failed)?.is_some() {
            return Err(exists());
        }
        let mut account = Account::new(name.clone(), hashes.ask(name)?);
        settings.apply(&mut account);
        if !store.add(&account).map_err(failed)? {
            return Err(exists());
        }
        audit("account add", name.as_str(), &settings.changes(Some(&account.secret)), output)?;
        output.say(format_args!("{name}: added"))?;
        warn_of_filed([name], output)?;
        say_changed(&account, output)
    }
}

/// Change an account of the edge: its password, or only what the options name
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: sipward account set 201\n          sipward account set 201 --status locked\n          \
                  sipward account set 201 --status normal --expires never --from anywhere\n\nWithout an option it \
                  asks for a new password. With --status locked or disabled, the edge refuses the account with \
                  403, after the right password, until `sipward account set NAME --status normal`. That is not \
                  `sipward account lock`, by which its packets drop in the kernel, and which `sipward account \
                  unlock` lifts."
)]
pub(super) struct Set {
    /// The user name that the phone authenticates with
    #[arg(value_name = "NAME", value_parser = account_name)]
    name: AccountName,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    surplus: Surplus,
}

impl Set {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        self.surplus.refuse()?;
        let Self { name, settings, .. } = self;
        let hashes = settings.hashes()?;
        let mut store = existing()?.ok_or_else(|| missing(name))?;
        store.get(name).map_err(failed)?.ok_or_else(|| missing(name))?;
        let asks = settings.says_nothing() || !hashes.is_empty();
        let secret = asks.then(|| hashes.ask(name)).transpose()?;
        let changes = settings.changes(secret.as_ref());
        let updated = store.update(name, |account| {
            settings.apply(account);
            if let Some(secret) = secret {
                account.secret = secret;
            }
        });
        let account = updated.map_err(failed)?.ok_or_else(|| missing(name))?;
        audit("account set", name.as_str(), &changes, output)?;
        output.say(format_args!("{name}: {changes}"))?;
        say_changed(&account, output)
    }
}

/// Delete an account of the edge
#[derive(Debug, Args)]
#[command(
    after_help = "Example: sipward account del 201\n\nThe edge then answers it as it answers any unknown name. \
                  `sipward account set 201 --status disabled` keeps it, and refuses it."
)]
pub(super) struct Delete {
    /// The user name that the phone authenticates with
    #[arg(value_name = "NAME", value_parser = account_name)]
    name: AccountName,
}

impl Delete {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let Self { name } = self;
        let mut store = existing()?.ok_or_else(|| missing(name))?;
        if !store.delete(name).map_err(failed)? {
            return Err(missing(name));
        }
        audit("account del", name.as_str(), "", output)?;
        output.say(format_args!("{name}: no longer an account of the edge"))?;
        Ok(output.object(&item::Deleted { deleted: name.to_string() })?)
    }
}

/// The account as it is now, and what its owner should know.
fn say_changed(account: &Account, output: &mut Output) -> Result<(), Failure> {
    let shown = EdgeAccount::new(account, Clock::read().wall.seconds());
    output.object(&shown)?;
    if account.status == AccountStatus::Locked {
        let name = &account.name;
        output.say(format_args!(
            "its status is locked: `sipward account set {name} --status normal` ends that, and `sipward account \
             unlock` does not"
        ))?;
    }
    match shown.weakness() {
        Some(weakness) => Ok(output.warn(&format!("{}: a weak password: {weakness}", account.name))?),
        None => Ok(()),
    }
}

fn open() -> Result<AccountStore, Failure> {
    AccountStore::open(&paths::account_store()).map_err(failed)
}

/// `None`: there is none.
fn existing() -> Result<Option<AccountStore>, Failure> {
    AccountStore::open_existing(&paths::account_store()).map_err(failed)
}

fn missing(name: &AccountName) -> Failure {
    Failure::No(format!(
        "{name} is not in the database of the edge's accounts: `sipward account list --all` shows those that are; an account of the file in `[edge] accounts` is changed in that file"
    ))
}

#[allow(clippy::needless_pass_by_value, reason = "this is what `map_err` passes")]
fn failed(error: AccountStoreError) -> Failure {
    Refusal::failed(error.to_string()).into()
}

/// Adds a line to the audit trail of the daemon.
fn audit(what: &str, target: &str, detail: &str, output: &mut Output) -> Result<(), Failure> {
    match note(what, target, detail) {
        Ok(true) => Ok(()),
        Ok(false) => {
            let path = paths::store();
            let missing = format!("the first start of the daemon makes {}", path.display());
            Ok(output.warn(&format!("done, but not in the audit trail: {missing}"))?)
        }
        Err(fault) => Ok(output.warn(&format!("done, but not in the audit trail: {fault}"))?),
    }
}

/// False: there is no audit trail yet.
fn note(what: &str, target: &str, detail: &str) -> Result<bool, StoreError> {
    let path = paths::store();
    if !path.exists() {
        return Ok(false);
    }
    let mut store = Store::open(&path)?;
    // A line in a new store would make the next start believe that the store has the lists of the kernel.
    if store.is_new()? && !DaemonLock::is_held(&paths::runtime()).unwrap_or(false) {
        return Ok(false);
    }
    let clock = Clock::read();
    let mut change = store.begin()?;
    change.audit(&this_process().name, what, target, detail, &clock)?;
    change.commit()?;
    Ok(true)
}
