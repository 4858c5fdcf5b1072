//! `sipward ban`.

use clap::Subcommand;
use serde::Serialize;

use super::{
    failure::Failure,
    output::Output,
    target::{Target, show},
    trust::{del, list, seconds},
};
use crate::{
    kernel::{self, Pins, Tables, expiry, remaining},
    lifeline,
    precedence::Standing,
    roster::{Banning, Roster},
    time::Lifetime,
};

/// Addresses and prefixes that are dropped
#[derive(Debug, Subcommand)]
pub(super) enum Ban {
    /// Drop what addresses or prefixes send to the SIP ports
    #[command(
        after_help = "Examples: sipward ban add 198.51.100.7 --for 2h\n          sipward ban add 2001:db8:bad::/48 \
                      --note \"scans since May\"\n\nTrusted beats banned. A ban that is there already is never made \
                      shorter: delete it first."
    )]
    Add {
        /// Such as 192.0.2.1 or 2001:db8::/32; several may be given
        #[arg(required = true, value_name = "ADDRESS|PREFIX")]
        targets: Vec<Target>,
        /// How long: 90s, 10m, 2h, 1d, forever
        #[arg(long = "for", value_name = "TIME", default_value = "forever")]
        lasts: Lifetime,
        /// Why, for whoever reads the list
        #[arg(long)]
        note: Option<String>,
        /// Even this host, its gateway, its resolvers, your own session, or a very short prefix
        #[arg(long)]
        force: bool,
    },
    /// No longer ban addresses or prefixes
    #[command(after_help = "Example: sipward ban del 198.51.100.7")]
    Del {
        /// Such as 192.0.2.1 or 2001:db8::/32; several may be given
        #[arg(required = true, value_name = "ADDRESS|PREFIX")]
        targets: Vec<Target>,
    },
    /// Show who is banned, until when and why
    #[command(after_help = "Example: sipward ban list")]
    List,
}

impl Ban {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let pins = Pins::default();
        // Reading needs no lock, and may take as long as somebody pages through it.
        let _lock = if matches!(self, Self::List) { None } else { Some(pins.lock()?) };
        let mut tables = Tables::open(&pins)?;
        match self {
            Self::List => list(&mut tables, Standing::Banned, output),
            Self::Add { targets, lasts, note, force } => {
                if !force {
                    let lifelines = lifeline::all(lifeline::session());
                    let check = |Target(net): &Target| lifeline::harmless(*net, &lifelines);
                    targets.iter().try_for_each(check).map_err(Failure::No)?;
                }
                add(&mut tables, targets, *lasts, note.as_deref(), output)
            }
            Self::Del { targets } => del(&mut tables, targets, Standing::Banned, output),
        }
    }
}

#[derive(Serialize)]
struct Added {
    banned: String,
    expires_in: Option<u64>,
    /// The trusted prefix around it, in which it has no effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    shadowed_by: Option<String>,
}

fn add(
    tables: &mut Tables,
    targets: &[Target],
    lasts: Lifetime,
    _note: Option<&str>,
    output: &mut Output,
) -> Result<(), Failure> {
    let now = kernel::now();
    let mut roster = Roster::open(tables, now)?;
    let mut trusted = Vec::new();
    for Target(net) in targets {
        let name = show(*net);
        let Banning::Done { until, shadow } = roster.ban(*net, expiry(now, lasts))? else {
            trusted.push(name);
            continue;
        };
        let really = remaining(now, until);
        let longer = if really == lasts { "" } else { " (as it was)" };
        output.say(format_args!("{name}: banned, {really}{longer}"))?;
        if let Some((around, until)) = shadow {
            let time = remaining(now, until);
            output.say(format_args!("  without effect: the trusted prefix {around} ({time}) holds it"))?;
        }
        let shadowed_by = shadow.map(|(around, _)| around.to_string());
        output.object(&Added { banned: name, expires_in: seconds(really), shadowed_by })?;
    }
    if trusted.is_empty() {
        return Ok(());
    }
    let trusted = trusted.join(", ");
    Err(Failure::No(format!("{trusted}: trusted, and so not banned: `sipward trust del` first")))
}
