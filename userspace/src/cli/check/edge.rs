//! The edge's part of the check: its ports, and the accounts that it will find on this host.

use std::path::Path;

use crate::{
    account_store::AccountStore,
    accounts_file,
    cli::{
        edge_account::weak_accounts,
        failure::{Failure, wrong},
        output::Output,
    },
    paths,
    store::StoreErrorKind,
};
use sipward_edge::{
    account::{Account, Accounts},
    settings::{Listen, Settings},
};
use sipward_engine::policy::Ports;
use sipward_types::flow::Transport;

/// Accounts that are named for one reason; the others are counted.
const NAMED: usize = 10;

/// Warns of what the edge can run with, and fails on what it cannot. Returns the number of accounts, of those that this
/// user may read.
pub(super) fn check(edge: &Settings, ports: &Ports, output: &mut Output) -> Result<usize, Failure> {
    for own in edge.listen.iter().filter(|own| !is_filtered(own, ports)) {
        let (list, port) = (name(own.transport), own.address.port());
        output.warn(&format!(
            "edge.listen: the filter does not look at {list}:{}, so nothing that the guard decides holds there: add {port} \
             to ports.{list}",
            own.address
        ))?;
    }
    let filed = edge.accounts.as_deref().map(|path| filed(path, output)).transpose()?.unwrap_or_default();
    let accounts: Vec<_> = stored(output)?.into_iter().chain(filed).collect();
    Accounts::new(accounts.iter().cloned(), &edge.realm, &edge.algorithms).map_err(wrong)?;
    let unfit = accounts.iter().filter_map(|account| {
        let shortfall = account.secret.shortfall(&edge.realm, &edge.algorithms)?;
        Some(format!("{}: {shortfall}", account.name))
    });
    report("accounts that cannot answer every challenge of the edge", unfit, output)?;
    let weak = weak_accounts(&accounts);
    let weak = weak.filter_map(|account| Some(format!("{}: {}", account.account, account.weakness()?)));
    report("accounts with a weak password", weak, output)?;
    Ok(accounts.len())
}

fn is_filtered(own: &Listen, ports: &Ports) -> bool {
    let ranges = match own.transport {
        Transport::Udp => &ports.udp,
        Transport::Tcp => &ports.tcp,
    };
    ranges.iter().any(|range| range.contains(&own.address.port()))
}

const fn name(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
    }
}

fn filed(path: &Path, output: &mut Output) -> Result<Vec<Account>, Failure> {
    if let Some(exposed) = accounts_file::exposure(path) {
        output.warn(&exposed)?;
    }
    accounts_file::read(path).map_err(wrong)
}

fn stored(output: &mut Output) -> Result<Vec<Account>, Failure> {
    let store = AccountStore::open_existing(&paths::account_store());
    match store.and_then(|store| store.as_ref().map_or_else(|| Ok(Vec::new()), AccountStore::all)) {
        Ok(accounts) => Ok(accounts),
        Err(error) if error.kind() == StoreErrorKind::Denied => {
            output.warn(&format!("the accounts of the database are not checked: {error}"))?;
            Ok(Vec::new())
        }
        Err(error) => Err(wrong(error)),
    }
}

/// One warning for all of them.
fn report(what: &str, all: impl Iterator<Item = String>, output: &mut Output) -> Result<(), Failure> {
    let all: Vec<_> = all.collect();
    if all.is_empty() {
        return Ok(());
    }
    let named = all[..all.len().min(NAMED)].join("\n  ");
    let more = match all.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("\n  and {more} more"),
    };
    Ok(output.warn(&format!("{what}:\n  {named}{more}"))?)
}
