//! The accounts of the edge, as `sipward check` finds them: its text file, and the database if this user may read it.

use std::collections::HashSet;

use serde::Serialize;

use super::view::{EdgeAccount, looked};
use crate::{
    account_store::AccountStore,
    accounts_file,
    cli::{
        failure::{Failure, wrong},
        output::{Output, grouped},
    },
    clock::Clock,
};
use sipward_edge::{account::Account, settings::Settings};

/// The count of the accounts, and those with a problem.
#[derive(Debug, Default, Serialize)]
pub(in crate::cli) struct CheckedAccounts {
    count: usize,
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
struct Problem {
    account: String,
    problem: String,
}

/// Problems that are named; the others are counted.
const NAMED: usize = 20;

/// A file that is wrong is an error. A weak password, or an account that cannot answer the challenges, is a warning.
pub(in crate::cli) fn check(settings: &Settings, output: &mut Output) -> Result<CheckedAccounts, Failure> {
    let filed = match &settings.accounts {
        Some(path) => {
            if let Some(exposed) = accounts_file::exposure(path) {
                output.warn(&exposed)?;
            }
            accounts_file::read(path).map_err(wrong)?
        }
        None => Vec::new(),
    };
    let stored = looked(AccountStore::all, output)?.unwrap_or_default();
    refuse_duplicates(&stored, &filed)?;
    let all = stored.iter().chain(&filed);
    let problems: Vec<_> = all.clone().flat_map(|account| problems(account, settings)).collect();
    for Problem { account, problem } in problems.iter().take(NAMED) {
        output.warn(&format!("account {account}: {problem}"))?;
    }
    if let Some(more) = problems.len().checked_sub(NAMED).filter(|more| *more > 0) {
        output.warn(&format!("and {} more problems of accounts: --json has all", grouped(more as u64)))?;
    }
    Ok(CheckedAccounts { count: all.count(), problems })
}

impl CheckedAccounts {
    pub(in crate::cli) fn say(&self, output: &mut Output) -> Result<(), Failure> {
        Ok(output.say(format_args!("{} accounts of the edge.", grouped(self.count as u64)))?)
    }
}

/// Of two accounts of one name, the edge takes the database's; which was meant, nobody knows.
fn refuse_duplicates(stored: &[Account], filed: &[Account]) -> Result<(), Failure> {
    let names: HashSet<_> = stored.iter().map(|account| &account.name).collect();
    match filed.iter().find(|account| names.contains(&account.name)) {
        None => Ok(()),
        Some(Account { name, .. }) => Err(wrong(format_args!(
            "account {name} is in the file of accounts and in the database: remove it from the file, or `sipward \
             account del {name}`"
        ))),
    }
}

fn problems(account: &Account, settings: &Settings) -> Vec<Problem> {
    let weakness = EdgeAccount::new(account, Clock::read().wall.seconds()).weakness();
    let weakness = weakness.map(|weakness| format!("a weak password: {weakness}"));
    let shortfall = account.secret.shortfall(&settings.realm, &settings.algorithms);
    let shortfall = shortfall.map(|shortfall| {
        let name = &account.name;
        format!("{shortfall}, which the edge asks for: give it a password, with `sipward account set {name}`")
    });
    let named = |problem| Problem { account: account.name.to_string(), problem };
    [weakness, shortfall].into_iter().flatten().map(named).collect()
}
