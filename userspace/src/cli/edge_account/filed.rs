//! Names that the file of accounts has, too.

use std::{collections::HashSet, path::PathBuf};

use crate::{
    accounts_file,
    cli::{failure::Failure, output::Output},
    control::daemon_status,
    paths,
};
use sipward_edge::account::AccountName;
use sipward_engine::policy::{Config, DEFAULT_PATH};

/// Warns of names that are in the database now, and in the file of accounts as well.
pub(super) fn warn_of_filed<'a>(
    names: impl IntoIterator<Item = &'a AccountName>,
    output: &mut Output,
) -> Result<(), Failure> {
    let Some(file) = file() else { return Ok(()) };
    // A file that is wrong or secret is the business of `sipward check`.
    let Ok(filed) = accounts_file::read(&file) else { return Ok(()) };
    let filed: HashSet<_> = filed.iter().map(|account| &account.name).collect();
    let both: Vec<_> = names.into_iter().filter(|name| filed.contains(name)).collect();
    let (count, file) = (both.len(), file.display());
    match both.first() {
        None => Ok(()),
        Some(name) if count == 1 => Ok(output.warn(&format!(
            "{name} is in {file}, too: the account of the database counts, so remove it from the file"
        ))?),
        Some(name) => Ok(output.warn(&format!(
            "{count} of them, such as {name}, are in {file}, too: the accounts of the database count, so remove them \
             from the file"
        ))?),
    }
}

/// The one that the configuration names: of the daemon if one runs, or else the usual one.
fn file() -> Option<PathBuf> {
    let status = daemon_status(&paths::socket(&paths::runtime())).ok().flatten();
    let config = status.and_then(|status| status.config).map_or_else(|| DEFAULT_PATH.into(), PathBuf::from);
    Config::load(&config).ok()?.edge?.accounts
}
