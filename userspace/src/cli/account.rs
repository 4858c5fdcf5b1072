//! `sipward account`.

use std::net::IpAddr;

use clap::{Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    backend::{answers, ask, decoded, go_on_without},
    diagnosis::say_diagnoses,
    edge_account,
    failure::Failure,
    lists::{Terms, time_left},
    output::{Align, LongTable, Output, Table},
    suspensions::{closed_row, closed_table},
    target::Target,
};
use crate::control::Received;
use sipward_api::{self as protocol, Accounts, Call, Closing, Lock, Unlock, item};
use sipward_types::{account::Status, printable::printable};

/// Suspended and locked accounts, and the accounts of the edge
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples: sipward account list\n          sipward account unlock 201\n          sipward account \
                  add 201\n\nThe guard suspends and locks: `lock` and `unlock` do that by hand, the packets of the \
                  account drop in the kernel, or get a 403 where there is an edge, and it ends by itself. The status of an account of the edge is what \
                  you give it with `set`: the edge refuses the account with 403 until you change it. `show` and \
                  `list --all` have both."
)]
pub(super) enum Account {
    /// Show suspensions and locks: the account, the source, the reason and the time left
    #[command(after_help = "Examples: sipward account list\n          sipward account list --status locked \
                      --json\n          sipward account list --within 198.51.100.0/24 --name 20\n          \
                      sipward account list --weak\n\nA \
                      suspension holds for an account at one source, a lock for an account everywhere. \
                      \"banned\" is one port of a source, which `sipward ban del` lifts. With --all, the column \
                      \"status\" is what `sipward account set` has set, and \"by the guard\" has suspensions and locks.")]
    List {
        /// All accounts of the edge, with their status and what the guard has in force
        #[arg(long, conflicts_with_all = ["status", "within"])]
        all: bool,
        /// The accounts of the edge that have a weak password, and the reason
        #[arg(long, conflicts_with_all = ["all", "status", "within"])]
        weak: bool,
        /// Only this status
        #[arg(long, value_enum)]
        status: Option<StatusChoice>,
        /// Only at sources in this prefix
        #[arg(long, value_name = "PREFIX")]
        within: Option<Target>,
        /// Only accounts with this text in their name
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
    },
    /// Show an account: its settings at the edge, where it is suspended, fails or works, and why the PBX refuses it
    #[command(after_help = "Examples: sipward account show 201\n          sipward account show 201 --json")]
    Show {
        /// The user name that a phone authenticates with
        #[arg(value_name = "NAME")]
        account: String,
    },
    /// Lock an account at all sources, even where it works
    #[command(
        after_help = "Examples: sipward account lock 201 --for 30m --note \"bills of March\"\n          \
                      sipward account lock 201\n\nRunning calls continue. The account is the user name that \
                      a phone authenticates with. `sipward account unlock` lifts the lock. To refuse an account of \
                      the edge with 403 instead: `sipward account set 201 --status locked`."
    )]
    Lock {
        /// The user name that a phone authenticates with
        #[arg(value_name = "NAME")]
        account: String,
        #[command(flatten)]
        terms: Terms,
    },
    /// Lift the lock of an account and its suspensions, and forget its failures
    #[command(
        after_help = "Examples: sipward account unlock 201\n          sipward account unlock 201 --from \
                      192.0.2.20\n\nThe account stays free until there is new evidence. `sipward ban del` \
                      lifts bans of sources. The status that `sipward account set` gives to an account of the edge \
                      stays."
    )]
    Unlock {
        /// The user name that a phone authenticates with
        #[arg(value_name = "NAME")]
        account: String,
        /// Only its suspension at this source
        #[arg(long, value_name = "ADDRESS")]
        from: Option<IpAddr>,
    },
    Add(edge_account::Add),
    Set(edge_account::Set),
    #[command(name = "del")]
    Delete(edge_account::Delete),
    Import(edge_account::ImportAccounts),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum StatusChoice {
    Suspended,
    Locked,
    Banned,
}

impl Account {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        match self {
            Self::List { all: true, name, .. } => edge_account::list(false, name.as_deref(), output),
            Self::List { weak: true, name, .. } => edge_account::list(true, name.as_deref(), output),
            Self::List { status, within, name, .. } => {
                let status = status.map(|status| match status {
                    StatusChoice::Suspended => Closing::Suspended,
                    StatusChoice::Locked => Closing::Locked,
                    StatusChoice::Banned => Closing::Banned,
                });
                let within = within.map(|Target(net)| net);
                list(&Call::Accounts(Accounts { status, within, name: name.clone() }), output)
            }
            Self::Show { account } => show(account, output),
            Self::Lock { account, terms } => lock(account, terms, output),
            Self::Unlock { account, from } => unlock(account, *from, output),
            Self::Add(add) => add.run(output),
            Self::Set(set) => set.run(output),
            Self::Delete(delete) => delete.run(output),
            Self::Import(import) => import.run(output),
        }
    }
}

fn list(call: &Call, output: &mut Output) -> Result<(), Failure> {
    let mut table = LongTable::new(closed_table());
    ask(call, output, |closed: item::Closed, output| Ok(table.row(closed_row(&closed), output)?))?;
    table.finish("No suspensions or locks.", output)?;
    if output.is_json() {
        return Ok(());
    }
    match edge_account::not_normal(output)? {
        0 => Ok(()),
        1 => Ok(output.say("1 account is refused by its status at the edge: `sipward account list --all`")?),
        count => Ok(output.say(format_args!(
            "{count} accounts are refused by their status at the edge: `sipward account list --all`"
        ))?),
    }
}

/// The edge's part of the account, if it has one, and the guard's.
pub(super) fn show(account: &str, output: &mut Output) -> Result<(), Failure> {
    let at_edge = edge_account::find(account, output)?;
    if let Some(at_edge) = &at_edge {
        at_edge.say(output)?;
    }
    let call = Call::Account(protocol::Account { account: account.to_owned() });
    let asked = answers(&call, &mut |received| match (received, &at_edge) {
        (Received::Notice(notice), _) => Ok(output.warn(&notice)?),
        (Received::Item(guard), Some(edge)) if output.is_json() => {
            Ok(output.object(&WithEdge { guard, edge })?)
        }
        (Received::Item(item), None) if output.is_json() => Ok(output.object(&item)?),
        (Received::Item(item), at_edge) => {
            if at_edge.is_some() {
                output.say("\nThe guard:")?;
            }
            say_account(&decoded(item)?, output)
        }
    });
    match (asked, at_edge) {
        (Err(failure), Some(at_edge)) => {
            output.object(&WithEdge { guard: json!({ "account": account }), edge: &at_edge })?;
            go_on_without("suspensions and locks by the guard are not shown", failure, output)
        }
        (asked, _) => asked,
    }
}

/// The answer of the guard, and one field more.
#[derive(Serialize)]
struct WithEdge<'a> {
    #[serde(flatten)]
    guard: Value,
    edge: &'a edge_account::EdgeAccount,
}

fn say_account(account: &item::Account, output: &mut Output) -> Result<(), Failure> {
    let name = printable(account.account.as_bytes());
    output.say(format_args!("account {name}: {}", standing(account.status)))?;
    if !account.closed.is_empty() {
        let mut table = closed_table();
        account.closed.iter().for_each(|closed| table.row(closed_row(closed)));
        output.say("")?;
        output.table(&table)?;
        output.say(format_args!("lifted by `sipward account unlock {name}`"))?;
    }
    say_sources("\nSources of the account:", &account.sources, output)?;
    say_diagnoses(account.diagnoses.as_deref(), output)?;
    super::audit::say_history(&account.history, output)
}

pub(super) fn say_sources(
    title: &str,
    sources: &[item::AccountSource],
    output: &mut Output,
) -> Result<(), Failure> {
    if sources.is_empty() {
        return Ok(());
    }
    let mut table = Table::new([
        ("account", Align::Left),
        ("source", Align::Left),
        ("failures", Align::Right),
        ("of calls", Align::Right),
        ("works for", Align::Right),
    ]);
    for item::AccountSource { account, source, failures, calls, works_for } in sources {
        table.row([
            printable(account.as_bytes()),
            source.clone(),
            failures.to_string(),
            calls.to_string(),
            works_for.map_or_else(String::new, |seconds| time_left(Some(seconds))),
        ]);
    }
    output.say(title)?;
    Ok(output.table(&table)?)
}

const fn standing(status: Status) -> &'static str {
    match status {
        Status::Normal => "neither suspended nor locked",
        Status::Suspended => "suspended at some sources, free at others",
        Status::Locked => "locked",
    }
}

fn lock(account: &str, terms: &Terms, output: &mut Output) -> Result<(), Failure> {
    let call =
        Call::Lock(Lock { account: account.to_owned(), lasts: terms.seconds(), note: terms.note.clone() });
    ask(&call, output, |item::Locked { locked, expires_in }, output| {
        let name = printable(locked.as_bytes());
        Ok(output.say(format_args!("{name}: locked, {}", time_left(expires_in)))?)
    })
}

fn unlock(account: &str, from: Option<IpAddr>, output: &mut Output) -> Result<(), Failure> {
    let call = Call::Unlock(Unlock { account: account.to_owned(), from });
    let unlocked = ask(&call, output, |item::Unlocked { unlocked, source }, output| {
        let name = printable(unlocked.as_bytes());
        let what = source.map_or_else(|| "locked".to_owned(), |source| format!("suspended at {source}"));
        Ok(output.say(format_args!("{name}: no longer {what}"))?)
    });
    if let Some(remedy) = edge_account::find(account, output)?.and_then(|at_edge| at_edge.remedy()) {
        let name = printable(account.as_bytes());
        output
            .warn(&format!("{name}: the edge refuses it by its status all the same: `{remedy}` ends that"))?;
    }
    unlocked
}
