//! `sipward account`.

use std::net::IpAddr;

use clap::{Subcommand, ValueEnum};

use super::{
    backend::ask,
    diagnosis::say_diagnoses,
    failure::Failure,
    lists::{Terms, time_left},
    output::{Align, LongTable, Output, Table},
    target::Target,
};
use sipward_api::{self as protocol, Accounts, Call, Closing, Lock, Unlock, item};
use sipward_types::{account::Status, printable::printable};

/// Suspended and locked accounts
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples: sipward account list\n          sipward account unlock 201")]
pub(super) enum Account {
    /// Show suspensions and locks: the account, the source, the reason and the time left
    #[command(after_help = "Examples: sipward account list\n          sipward account list --status locked \
                      --json\n          sipward account list --within 198.51.100.0/24 --name 20\n\nA \
                      suspension holds for an account at one source, a lock for an account everywhere. \
                      \"banned\" is one port of a source, which `sipward ban del` lifts.")]
    List {
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
    /// Show an account: where it is suspended, fails or works, and why the PBX refuses it
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
                      a phone authenticates with."
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
                      lifts bans of sources."
    )]
    Unlock {
        /// The user name that a phone authenticates with
        #[arg(value_name = "NAME")]
        account: String,
        /// Only its suspension at this source
        #[arg(long, value_name = "ADDRESS")]
        from: Option<IpAddr>,
    },
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
            Self::List { status, within, name } => {
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
        }
    }
}

fn list(call: &Call, output: &mut Output) -> Result<(), Failure> {
    let mut table = LongTable::new(closed_table());
    ask(call, output, |closed: item::Closed, output| Ok(table.row(closed_row(&closed), output)?))?;
    Ok(table.finish("No suspensions or locks.", output)?)
}

pub(super) fn closed_table() -> Table {
    Table::new([
        ("account", Align::Left),
        ("status", Align::Left),
        ("from", Align::Left),
        ("time left", Align::Right),
        ("why", Align::Left),
    ])
}

pub(super) fn closed_row(closed: &item::Closed) -> [String; 5] {
    let name = closed.account.as_ref().or(closed.flow.as_ref());
    let from = match (&closed.source, closed.strict) {
        (Some(source), _) => source.clone(),
        (None, true) => "anywhere".to_owned(),
        (None, false) => "except where it works".to_owned(),
    };
    [
        name.map_or_else(String::new, |name| printable(name.as_bytes())),
        closing(closed.status).to_owned(),
        from,
        time_left(closed.expires_in),
        why(closed),
    ]
}

const fn closing(status: Closing) -> &'static str {
    match status {
        Closing::Suspended => "suspended",
        Closing::Locked => "locked",
        Closing::Banned => "banned",
        Closing::Limited => "limited",
    }
}

/// `suspend: 6 in 2s`, or `hand: root (alice)`.
fn why(closed: &item::Closed) -> String {
    let item::Closed { rule, count, seconds, who, .. } = closed;
    if *count > 0 { format!("{rule}: {count} in {seconds}s") } else { format!("{rule}: {who}") }
}

fn show(account: &str, output: &mut Output) -> Result<(), Failure> {
    let call = Call::Account(protocol::Account { account: account.to_owned() });
    ask(&call, output, |account: item::Account, output| say_account(&account, output))
}

pub(super) fn say_account(account: &item::Account, output: &mut Output) -> Result<(), Failure> {
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
    ask(&call, output, |item::Unlocked { unlocked, source }, output| {
        let name = printable(unlocked.as_bytes());
        let what = source.map_or_else(|| "locked".to_owned(), |source| format!("suspended at {source}"));
        Ok(output.say(format_args!("{name}: no longer {what}"))?)
    })
}
