//! `sipward ban`.

use clap::Subcommand;

use super::{
    backend::ask,
    export::ExportFile,
    failure::Failure,
    import::ImportFile,
    lists::{Targets, Terms, Which, del, time_left},
    output::Output,
};
use crate::ban_safety;
use sipward_api::{self as protocol, Call, item};
use sipward_types::list_entry::ListKind;

/// The banned addresses and prefixes
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples: sipward ban list\n          sipward ban add 198.51.100.7 --for 2h")]
pub(super) enum Ban {
    /// Ban addresses or prefixes: all their packets to SIP ports drop
    #[command(after_help = "Examples: sipward ban add 198.51.100.7 --for 2h\n          sipward ban add \
                      2001:db8:bad::/48 --note \"scans since May\"\n\nTrusted beats banned. An existing ban \
                      never becomes shorter: delete it first.")]
    Add {
        #[command(flatten)]
        targets: Targets,
        #[command(flatten)]
        terms: Terms,
        /// Ban even this host, its gateway, its resolvers, your own session, or a very short prefix
        #[arg(long)]
        force: bool,
    },
    /// Lift bans of addresses or prefixes
    #[command(after_help = "Example: sipward ban del 198.51.100.7")]
    Del {
        #[command(flatten)]
        targets: Targets,
    },
    /// Show the bans, with their ends and notes
    #[command(
        after_help = "Examples: sipward ban list\n          sipward ban list --within 192.0.2.0/24 --sort \
                      expiry"
    )]
    List {
        #[command(flatten)]
        which: Which,
    },
    /// Ban the entries of a file
    #[command(
        after_help = "Examples: sipward ban import blocklist.txt --for 1d --note blocklist\n          \
                      sipward ban import - < bans.json\n\nA line of text is an address or a prefix, and \
                      then, if it is known, until when and a note:\n  198.51.100.7  until \
                      2026-11-20T18:00:00Z  # scans\nIf a line is wrong, nothing is imported. An import \
                      shortens no ban and bans no trusted source."
    )]
    Import {
        #[command(flatten)]
        file: ImportFile,
        /// Ban even this host, its gateway, its resolvers, your own session, or a very short prefix
        #[arg(long)]
        force: bool,
    },
    /// Write the bans to a file that `import` reads
    #[command(
        after_help = "Examples: sipward ban export bans.txt\n          sipward ban export --json | ssh \
                      other sipward ban import -"
    )]
    Export {
        #[command(flatten)]
        file: ExportFile,
    },
}

impl Ban {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        match self {
            Self::Add { targets, terms, force } => add(targets, terms, *force, output),
            Self::Del { targets } => del(ListKind::Banned, targets, output),
            Self::List { which } => which.show(ListKind::Banned, output),
            Self::Import { file, force } => file.run(ListKind::Banned, *force, output),
            Self::Export { file } => file.run(ListKind::Banned, output),
        }
    }
}

fn add(targets: &Targets, terms: &Terms, force: bool, output: &mut Output) -> Result<(), Failure> {
    let call = Call::Ban(protocol::Add {
        sources: targets.nets(),
        lasts: terms.seconds(),
        note: terms.note.clone(),
        force,
        session: ban_safety::session(),
    });
    ask(&call, output, |banned: item::Banned, output| {
        let longer = if banned.longer { " (as it was)" } else { "" };
        output.say(format_args!("{}: banned, {}{longer}", banned.banned, time_left(banned.expires_in)))?;
        if let Some(around) = &banned.shadowed_by {
            let time = time_left(banned.shadowed_for.flatten());
            output
                .say(format_args!("  without effect: it is inside the trusted prefix {around} ({time})"))?;
        }
        Ok(())
    })
}
