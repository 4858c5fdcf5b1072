//! `sipward trust`.

use clap::{Subcommand, ValueEnum};
use serde::Serialize;

use super::{
    failure::Failure,
    output::{Align, Output, Table},
    target::{Target, show},
};
use crate::{
    kernel::{self, Error, Pins, Tables, expiry, remaining},
    precedence::Standing,
    roster::{Listed, Roster, Trusting},
    time::Lifetime,
};

/// Addresses and prefixes that may do anything
#[derive(Debug, Subcommand)]
pub(super) enum Trust {
    /// Let addresses or prefixes do anything
    #[command(
        after_help = "Examples: sipward trust add 192.0.2.1 --note \"our provider\"\n          sipward trust add \
                      2001:db8::/48 --for 8h"
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
    },
    /// No longer trust addresses or prefixes
    #[command(after_help = "Example: sipward trust del 192.0.2.1")]
    Del {
        /// Such as 192.0.2.1 or 2001:db8::/32; several may be given
        #[arg(required = true, value_name = "ADDRESS|PREFIX")]
        targets: Vec<Target>,
    },
    /// Show who is trusted, until when and why
    #[command(after_help = "Example: sipward trust list --json")]
    List,
    /// Lock down: only the trusted reach the SIP ports
    #[command(after_help = "Examples: sipward trust only on\n          sipward trust only off")]
    Only {
        switch: Switch,
        /// Even if nobody is trusted
        #[arg(long)]
        force: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Switch {
    On,
    Off,
}

impl Trust {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let pins = Pins::default();
        // Reading needs no lock, and may take as long as somebody pages through it.
        let _lock = if matches!(self, Self::List) { None } else { Some(pins.lock()?) };
        let mut tables = Tables::open(&pins)?;
        match self {
            Self::List => list(&mut tables, Standing::Trusted, output),
            Self::Add { targets, lasts, note } => add(&mut tables, targets, *lasts, note.as_deref(), output),
            Self::Del { targets } => del(&mut tables, targets, Standing::Trusted, output),
            Self::Only { switch, force } => only(&mut tables, *switch, *force, output),
        }
    }
}

#[derive(Serialize)]
struct Added {
    trusted: String,
    expires_in: Option<u64>,
    /// A ban on the very same address or prefix ended.
    lifted_ban: bool,
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
    for Target(net) in targets {
        let Trusting { lifted } = roster.trust(*net, expiry(now, lasts))?;
        let ban = lifted
            .map_or_else(String::new, |until| format!("; its ban ({}) is lifted", remaining(now, until)));
        output.say(format_args!("{}: trusted, {lasts}{ban}", show(*net)))?;
        output.object(&Added {
            trusted: show(*net),
            expires_in: seconds(lasts),
            lifted_ban: lifted.is_some(),
        })?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Deleted {
    deleted: String,
}

/// Takes each of the targets off its list. The others are done even if one is not there.
pub(super) fn del(
    tables: &mut Tables,
    targets: &[Target],
    standing: Standing,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut roster = Roster::open(tables, kernel::now())?;
    let mut missing = Vec::new();
    for Target(net) in targets {
        if roster.remove(*net, standing)? {
            output.say(format_args!("{}: no longer {}", show(*net), standing.name()))?;
            output.object(&Deleted { deleted: show(*net) })?;
        } else {
            missing.push(show(*net));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let command = match standing {
        Standing::Trusted => "trust",
        Standing::Banned => "ban",
    };
    let missing = missing.join(", ");
    Err(Failure::No(format!("{missing}: not {} by itself: see `sipward {command} list`", standing.name())))
}

#[derive(Serialize)]
struct Line<'a> {
    source: String,
    expires_in: Option<u64>,
    /// Of a ban that a trusted prefix keeps from having effect: for how long; null is for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    shadowed_for: Option<Option<u64>>,
    note: Option<&'a str>,
}

/// Shows a list as it is read: it may have a million lines.
pub(super) fn list(tables: &mut Tables, standing: Standing, output: &mut Output) -> Result<(), Failure> {
    let now = kernel::now();
    let mut table = Table::new([("source", Align::Left), ("time left", Align::Right), ("note", Align::Left)]);
    Roster::open(tables, now)?.list(standing, |listed: Listed| {
        let Listed { net, until, shadowed_until } = listed;
        let note: Option<String> = None;
        let lasts = remaining(now, until);
        let shadow = (shadowed_until > now).then(|| remaining(now, shadowed_until));
        if output.is_json() {
            let (source, expires_in, shadowed_for) = (show(net), seconds(lasts), shadow.map(seconds));
            output.object(&Line { source, expires_in, shadowed_for, note: note.as_deref() })?;
            return Ok(());
        }
        let shadow = shadow.map(|lasts| format!("(no effect: inside a trusted prefix, {lasts})"));
        let note = [note, shadow].into_iter().flatten().collect::<Vec<_>>().join(" ");
        table.row([show(net), lasts.to_string(), note]);
        Ok::<_, Failure>(())
    })?;
    if table.is_empty() {
        output.say(format_args!("Nobody is {}.", standing.name()))?;
    } else {
        output.table(&table)?;
    }
    Ok(())
}

#[derive(Serialize)]
struct OnlyLine {
    trusted_only: bool,
}

fn only(tables: &mut Tables, switch: Switch, force: bool, output: &mut Output) -> Result<(), Failure> {
    let on = switch == Switch::On;
    if on && !force && !Roster::open(tables, kernel::now())?.trusts_somebody()? {
        return Err(Failure::No(
            "nobody is trusted, so nobody could call: `sipward trust add` first, or --force".to_owned(),
        ));
    }
    let mut policy = tables.policy()?.ok_or(Error::NothingAttached)?;
    policy.trusted_only = u8::from(on);
    tables.set_policy(&policy)?;
    output.say(if on {
        "Only the trusted reach the SIP ports."
    } else {
        "Everybody reaches the SIP ports again, as the rules allow."
    })?;
    output.object(&OnlyLine { trusted_only: on })?;
    Ok(())
}

/// How much time is left, for programs; `None` is for ever.
pub(super) fn seconds(lasts: Lifetime) -> Option<u64> {
    match lasts {
        Lifetime::For(duration) => Some(duration.as_secs()),
        Lifetime::Forever => None,
    }
}
