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

/// Addresses and prefixes that may do anything
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples: sipward trust list\n          sipward trust add 192.0.2.1 --for 8h")]
pub(super) enum Trust {
    /// Let addresses or prefixes do anything
    #[command(
        after_help = "Examples: sipward trust add 192.0.2.1 --note \"our provider\"\n          sipward trust add \
                      2001:db8::/48 --for 8h"
    )]
    Add {
        #[command(flatten)]
        targets: Targets,
        #[command(flatten)]
        terms: Terms,
    },
    /// No longer trust addresses or prefixes
    #[command(after_help = "Example: sipward trust del 192.0.2.1")]
    Del {
        #[command(flatten)]
        targets: Targets,
    },
    /// Show who is trusted, until when and why
    #[command(
        after_help = "Examples: sipward trust list --json\n          sipward trust list --within 192.0.2.0/24 --sort \
                      expiry"
    )]
    List {
        #[command(flatten)]
        which: Which,
    },
    /// Trust all that a file names
    #[command(
        after_help = "Example: sipward trust import customers.txt --note customers\n\nA line of text is an address or a \
                      prefix, and then, if it is known, until when and a note:\n  192.0.2.0/24  until \
                      2026-11-20T18:00:00Z  # lab\nIf a line is wrong, nothing is imported. Trust never becomes shorter \
                      by it."
    )]
    Import {
        #[command(flatten)]
        file: ImportFile,
    },
    /// Write who is trusted, until when and why, as `import` reads it
    #[command(
        after_help = "Examples: sipward trust export customers.txt\n          sipward trust export --json | ssh other \
                      sipward trust import -"
    )]
    Export {
        #[command(flatten)]
        file: ExportFile,
    },
    /// Lock down: only the trusted reach the SIP ports
    #[command(
        after_help = "Examples: sipward trust only on --confirm 60s\n          sipward trust only confirm\n          \
                      sipward trust only off\n\nWith --confirm it is taken back after that time unless you confirm it. \
                      The daemon must run for that."
    )]
    Only {
        /// The lock-down
        switch: Switch,
        /// Even if nobody is trusted, or you are not
        #[arg(long)]
        force: bool,
        /// Take it back after this time unless it is confirmed: 60s, 5m
        #[arg(long, value_name = "TIME")]
        confirm: Option<Lifetime>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Switch {
    On,
    Off,
    /// Keep it on
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
                    "no daemon runs, so nobody would take it back: `systemctl start sipward` first, or leave --confirm out"
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

/// Whether somebody sits there who wants it all the same.
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
        "Only the trusted reach the SIP ports."
    } else {
        "Everybody reaches the SIP ports again, as the rules allow."
    })?;
    if reverts_in.is_some() {
        let time = time_left(reverts_in);
        output.say(format_args!("That is taken back in {time}, unless: `sipward trust only confirm`"))?;
    }
    Ok(())
}
