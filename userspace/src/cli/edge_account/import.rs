//! `sipward account import`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::{audit, failed, filed::warn_of_filed, open, view::weak_accounts};
use crate::{
    account_store::ImportedAccounts,
    accounts_file,
    cli::{
        failure::{Failure, wrong},
        output::{Output, grouped},
    },
};
use sipward_edge::account::Account;

/// Add the accounts of a text file to those of the edge, all of them or none
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: sipward account import accounts.txt\n          ssh old-pbx cat accounts.txt | sipward \
                  account import -\n\nOne account a line: NAME PASSWORD, or NAME {MD5}HA1 realm=REALM, then options: \
                  status=locked, expires=2027-01-31, from=192.0.2.0/24. An account that is there already becomes \
                  what the file says; accounts that are not in the file stay."
)]
pub(in crate::cli) struct ImportAccounts {
    /// File with one account a line; - is standard input
    file: PathBuf,
}

#[derive(Serialize)]
struct Line {
    added: usize,
    replaced: usize,
    /// Names of accounts with a weak password.
    weak: Vec<String>,
}

impl ImportAccounts {
    pub(in crate::cli) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let accounts = self.accounts(output)?;
        let ImportedAccounts { added, replaced } = open()?.import(&accounts).map_err(failed)?;
        let counts = format!("{} added, {} replaced", grouped(added as u64), grouped(replaced as u64));
        audit("account import", &self.file.display().to_string(), &counts, output)?;
        output.say(&counts)?;
        warn_of_filed(accounts.iter().map(|account| &account.name), output)?;
        let weak: Vec<_> = weak_accounts(&accounts).map(|account| account.account).collect();
        if !weak.is_empty() {
            let count = grouped(weak.len() as u64);
            output
                .warn(&format!("{count} of them with a weak password: see `sipward account list --weak`"))?;
        }
        Ok(output.object(&Line { added, replaced, weak })?)
    }

    fn accounts(&self, output: &mut Output) -> Result<Vec<Account>, Failure> {
        if self.file == Path::new("-") {
            return accounts_file::read_stdin().map_err(wrong);
        }
        if let Some(exposed) = accounts_file::exposure(&self.file) {
            output.warn(&exposed)?;
        }
        accounts_file::read(&self.file).map_err(wrong)
    }
}
