//! `sipward trust`.

use std::io::{self, IsTerminal as _, Write as _};

use clap::{Subcommand, ValueEnum};

use super::{
    backend::ask,
    export::ExportFile,
    failure::Failure,
    import::ImportFile,
    lists::{Targets, Terms, Which, del, time_left},
    output::Output,
};
use crate::{
    ban_safety,
    refusal::{Refusal, RefusalKind},
};
use sipward_api::{self as protocol, Call, item};
use sipward_types::{list_entry::ListKind, printable::printable_lines, time::Lifetime};

/// The trusted addresses and prefixes
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples: sipward trust list\n          sipward trust add 192.0.2.1 --for 8h")]
pub(super) enum Trust {
    /// Trust addresses or prefixes: all their packets pass
    #[command(
        after_help = "Examples: sipward trust add 192.0.2.1 --note \"our provider\"\n          sipward \
                      trust add 2001:db8::/48 --for 8h"
    )]
    Add {
        #[command(flatten)]
        targets: Targets,
        #[command(flatten)]
        terms: Terms,
    },
    /// Remove addresses or prefixes from the trusted list
    #[command(after_help = "Example: sipward trust del 192.0.2.1")]
    Del {
        #[command(flatten)]
        targets: Targets,
    },
    /// Show the trusted sources, with their ends and notes
    #[command(after_help = "Examples: sipward trust list --json\n          sipward trust list --within \
                      192.0.2.0/24 --sort expiry")]
    List {
        #[command(flatten)]
        which: Which,
    },
    /// Trust the entries of a file
    #[command(
        after_help = "Example: sipward trust import customers.txt --note customers\n\nA line of text is an \
                      address or a prefix, and then, if it is known, until when and a note:\n  \
                      192.0.2.0/24  until 2026-11-20T18:00:00Z  # lab\nIf a line is wrong, nothing is \
                      imported. An import never shortens trust."
    )]
    Import {
        #[command(flatten)]
        file: ImportFile,
    },
    /// Write the trusted sources to a file that `import` reads
    #[command(
        after_help = "Examples: sipward trust export customers.txt\n          sipward trust export --json | \
                      ssh other sipward trust import -"
    )]
    Export {
        #[command(flatten)]
        file: ExportFile,
    },
    /// Lock-down: only trusted sources reach the SIP ports
    #[command(after_help = "Examples: sipward trust only on --confirm 60s\n          sipward trust only \
                      confirm\n          sipward trust only off\n\nWith --confirm, the lock-down reverts \
                      after that time unless you confirm it. The daemon must run for that.")]
    Only {
        /// Switch the lock-down
        switch: Switch,
        /// Lock down even if no source is trusted, or yours is not
        #[arg(long)]
        force: bool,
        /// Revert after this time unless confirmed: 60s, 5m
        #[arg(long, value_name = "TIME")]
        confirm: Option<Lifetime>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Switch {
    On,
    Off,
    /// Confirm the lock-down
    Confirm,
}

impl Trust {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        match self {
            Self::Add { targets, terms } => add(targets, terms, output),
            Self::Del { targets } => del(ListKind::Trusted, targets, output),
            Self::List { which } => which.show(ListKind::Trusted, output),
            Self::Import { file } => file.run(ListKind::Trusted, false, output),
            Self::Export { file } => file.run(ListKind::Trusted, output),
            Self::Only { switch: Switch::Confirm, .. } => confirm(output),
            Self::Only { switch, force, confirm } => only(*switch == Switch::On, *force, *confirm, output),
        }
    }
}

fn add(targets: &Targets, terms: &Terms, output: &mut Output) -> Result<(), Failure> {
    let call = Call::Trust(protocol::Add {
        sources: targets.nets(),
        lasts: terms.seconds(),
        note: terms.note.clone(),
        force: false,
        session: None,
    });
    ask(&call, output, |item::Trusted { trusted, expires_in, lifted_ban }, output| {
        let ban = if lifted_ban { "; its ban is lifted" } else { "" };
        Ok(output.say(format_args!("{trusted}: trusted, {}{ban}", time_left(expires_in)))?)
    })
}

fn only(on: bool, force: bool, confirm: Option<Lifetime>, output: &mut Output) -> Result<(), Failure> {
    let confirm = match confirm {
        Some(Lifetime::For(time)) if on => {
            if super::backend::connect()?.is_none() {
                return Err(Failure::No(
                    "no daemon runs, so the lock-down would not revert: `systemctl start sipward` first, or \
                     leave --confirm out"
                        .to_owned(),
                ));
            }
            Some(time.as_secs())
        }
        _ => None,
    };
    let call = |force| Call::Only(protocol::Only { on, force, confirm, session: ban_safety::session() });
    match ask(&call(force), output, show_only) {
        Err(Failure::Refused(Refusal { kind: RefusalKind::No, message })) if !force && asked(&message)? => {
            ask(&call(true), output, show_only)
        }
        result => result,
    }
}

/// Asks for confirmation on a terminal.
fn asked(message: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(false);
    }
    write!(io::stderr(), "sipward: {}\nLock down all the same? [y/N] ", printable_lines(message))?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn confirm(output: &mut Output) -> Result<(), Failure> {
    ask(&Call::Confirm, output, show_only)
}

#[allow(clippy::needless_pass_by_value, reason = "it is decoded for this alone")]
fn show_only(only: item::Only, output: &mut Output) -> Result<(), Failure> {
    let item::Only { trusted_only, reverts_in } = only;
    output.say(if trusted_only {
        "Lock-down: only trusted sources reach the SIP ports."
    } else {
        "Lock-down lifted: the rules decide again."
    })?;
    if reverts_in.is_some() {
        let time = time_left(reverts_in);
        output.say(format_args!("It reverts in {time} unless confirmed: `sipward trust only confirm`"))?;
    }
    Ok(())
}
