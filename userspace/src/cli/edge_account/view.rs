//! The accounts of the edge as commands show them: everything but their secrets.

use std::collections::HashMap;

use serde::Serialize;

use super::{arguments::functions, existing, failed};
use crate::{
    account_store::{AccountStore, AccountStoreError},
    cli::{
        backend::{answers, decoded, go_on_without},
        failure::Failure,
        output::{Align, Output, Table},
        suspensions::closed_words,
    },
    clock::Clock,
    control::Received,
    paths,
    store::StoreErrorKind,
};
use sipward_api::{Accounts, Call, item::Closed};
use sipward_edge::account::{Account, AccountName, AccountStatus, Secret, Weakness};
use sipward_types::{
    address::show,
    time::{WallSeconds, format_utc},
};

#[derive(Debug, Serialize)]
pub(in crate::cli) struct EdgeAccount {
    pub(in crate::cli) account: String,
    status: &'static str,
    /// Seconds since 1970.
    expires: Option<u64>,
    expired: bool,
    /// Empty: from anywhere.
    from: Vec<String>,
    /// `password`, or the algorithms of its HA1s.
    secret: Vec<&'static str>,
    realm: Option<String>,
    weak: Vec<&'static str>,
    /// Its suspensions and locks by the guard, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    guard: Option<Vec<Closed>>,
    #[serde(skip)]
    weaknesses: Vec<Weakness>,
}

impl EdgeAccount {
    pub(super) fn new(account: &Account, now: WallSeconds) -> Self {
        let Account { name, secret, status, expires, allowed } = account;
        let weaknesses = account.weaknesses();
        let (secret, realm) = match secret {
            Secret::Password(_) => (vec!["password"], None),
            Secret::Ha1s(ha1s) => (functions(ha1s), Some(ha1s.realm.to_string())),
        };
        Self {
            account: name.to_string(),
            status: status.as_str(),
            expires: expires.map(WallSeconds::get),
            expired: expires.is_some_and(|expires| expires <= now),
            from: allowed.iter().map(|net| show(*net)).collect(),
            secret,
            realm,
            weak: weaknesses.iter().map(|weakness| weakness.as_str()).collect(),
            guard: None,
            weaknesses,
        }
    }

    fn is_normal(&self) -> bool {
        self.status == AccountStatus::Normal.as_str() && !self.expired
    }

    /// The one word that decides.
    fn state(&self) -> &'static str {
        if self.status == AccountStatus::Normal.as_str() && self.expired { "expired" } else { self.status }
    }

    fn expiry(&self) -> String {
        self.expires.map_or_else(|| "never".to_owned(), format_utc)
    }

    fn from(&self) -> String {
        if self.from.is_empty() { "anywhere".to_owned() } else { self.from.join(" ") }
    }

    fn secret(&self) -> String {
        match &self.realm {
            None => "password".to_owned(),
            Some(realm) => format!("HA1 of {} for {realm}", self.secret.join(" and ")),
        }
    }

    /// Why its password is weak.
    pub(super) fn weakness(&self) -> Option<String> {
        let words: Vec<_> = self.weaknesses.iter().map(|weakness| sentence(*weakness)).collect();
        (!words.is_empty()).then(|| words.join("; "))
    }

    /// As the first part of `show`.
    pub(in crate::cli) fn say(&self, output: &mut Output) -> Result<(), Failure> {
        let Self { account, .. } = self;
        output.say(format_args!("account {account} of the edge: {}", self.state()))?;
        output.say(format_args!("  expires: {}", self.expiry()))?;
        output.say(format_args!("  allowed from: {}", self.from()))?;
        output.say(format_args!("  secret: {}", self.secret()))?;
        if let Some(weakness) = self.weakness() {
            output.say(format_args!("  weak: {weakness}"))?;
        }
        match self.remedy() {
            Some(remedy) => Ok(output.say(format_args!("  `{remedy}` lets it in again"))?),
            None => Ok(()),
        }
    }

    /// The command that ends a status by hand, which `account unlock` does not.
    pub(in crate::cli) fn remedy(&self) -> Option<String> {
        let account = &self.account;
        match (self.status == AccountStatus::Normal.as_str(), self.expired) {
            (true, false) => None,
            (true, true) => Some(format!("sipward account set {account} --expires never")),
            (false, false) => Some(format!("sipward account set {account} --status normal")),
            (false, true) => Some(format!("sipward account set {account} --status normal --expires never")),
        }
    }
}

const fn sentence(weakness: Weakness) -> &'static str {
    match weakness {
        Weakness::Short => "it has fewer than 12 characters",
        Weakness::NoMix => "it has only letters, only digits or only other characters",
        Weakness::AccountName => "it is the name of the account, or has it in it",
        Weakness::Common => "it is one of those that attackers try first",
    }
}

/// The account of that name, if the edge has one and this user may know.
pub(in crate::cli) fn find(name: &str, output: &mut Output) -> Result<Option<EdgeAccount>, Failure> {
    let Ok(name) = AccountName::new(name) else { return Ok(None) };
    let account = looked(|store| store.get(&name), output)?.flatten();
    Ok(account.map(|account| EdgeAccount::new(&account, now())))
}

/// The number of accounts that the edge refuses by their status or expiry.
pub(in crate::cli) fn not_normal(output: &mut Output) -> Result<usize, Failure> {
    let accounts = looked(AccountStore::all, output)?.unwrap_or_default();
    let now = now();
    Ok(accounts.iter().filter(|account| !EdgeAccount::new(account, now).is_normal()).count())
}

/// Something beside the answer: it is left out where this user may not read it, and a fault is no failure.
pub(super) fn looked<T>(
    look: impl FnOnce(&AccountStore) -> Result<T, AccountStoreError>,
    output: &mut Output,
) -> Result<Option<T>, Failure> {
    let store = AccountStore::open_existing(&paths::account_store());
    match store.and_then(|store| store.as_ref().map(look).transpose()) {
        Ok(found) => Ok(found),
        Err(error) if error.kind() == StoreErrorKind::Denied => Ok(None),
        Err(error) => {
            output.warn(&format!("the accounts of the edge are not shown: {error}"))?;
            Ok(None)
        }
    }
}

fn now() -> WallSeconds {
    Clock::read().wall.seconds()
}

/// Those with a weak password.
pub(super) fn weak_accounts(accounts: &[Account]) -> impl Iterator<Item = EdgeAccount> {
    let now = now();
    let all = accounts.iter().map(move |account| EdgeAccount::new(account, now));
    all.filter(|account| !account.weak.is_empty())
}

/// `account list --all`, and `--weak`. `name`: only accounts with this text in their name.
pub(in crate::cli) fn list(weak: bool, name: Option<&str>, output: &mut Output) -> Result<(), Failure> {
    let mut accounts = match existing()? {
        Some(store) => store.all().map_err(failed)?,
        None => Vec::new(),
    };
    if let Some(text) = name {
        let text = text.to_lowercase();
        accounts.retain(|account| account.name.as_str().to_lowercase().contains(&text));
    }
    if weak { list_weak(&accounts, output) } else { list_all(&accounts, output) }
}

fn list_weak(accounts: &[Account], output: &mut Output) -> Result<(), Failure> {
    let mut table =
        Table::new([("account", Align::Left), ("status", Align::Left), ("weak password", Align::Left)]);
    for account in weak_accounts(accounts) {
        output.object(&account)?;
        table.row([
            account.account.clone(),
            account.state().to_owned(),
            account.weakness().unwrap_or_default(),
        ]);
    }
    let nothing = format!("No weak passwords among {} accounts of the edge.", accounts.len());
    if table.is_empty() { Ok(output.say(nothing)?) } else { Ok(output.table(&table)?) }
}

fn list_all(accounts: &[Account], output: &mut Output) -> Result<(), Failure> {
    if accounts.is_empty() {
        return Ok(output.say("No accounts of the edge. `sipward account add NAME` adds one.")?);
    }
    let mut guard = by_account(output)?;
    let mut table = Table::new([
        ("account", Align::Left),
        ("status", Align::Left),
        ("expires", Align::Left),
        ("allowed from", Align::Left),
        ("secret", Align::Left),
        ("weak", Align::Left),
        ("by the guard", Align::Left),
    ]);
    let now = now();
    for account in accounts {
        let mut account = EdgeAccount::new(account, now);
        account.guard = guard.as_mut().map(|guard| guard.remove(&account.account).unwrap_or_default());
        output.object(&account)?;
        table.row([
            account.account.clone(),
            account.state().to_owned(),
            account.expiry(),
            account.from(),
            account.secret(),
            account.weak.join(" "),
            account.guard.as_deref().map_or_else(|| "not known".to_owned(), closed_words),
        ]);
    }
    Ok(output.table(&table)?)
}

/// The guard's suspensions and locks. `None`: it cannot be asked.
fn by_account(output: &mut Output) -> Result<Option<HashMap<String, Vec<Closed>>>, Failure> {
    let mut found = HashMap::<_, Vec<_>>::new();
    let call = Call::Accounts(Accounts { status: None, within: None, name: None });
    let asked = answers(&call, &mut |received| {
        match received {
            Received::Notice(notice) => output.warn(&notice)?,
            Received::Item(item) => {
                let closed: Closed = decoded(item)?;
                if let Some(account) = closed.account.clone() {
                    found.entry(account).or_default().push(closed);
                }
            }
        }
        Ok(())
    });
    match asked {
        Ok(()) => Ok(Some(found)),
        Err(failure) => {
            go_on_without("suspensions and locks by the guard are not shown", failure, output)?;
            Ok(None)
        }
    }
}
