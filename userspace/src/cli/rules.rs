//! `sipward rules`.

use clap::Args;

use super::{
    backend::ask,
    failure::Failure,
    output::{Align, Output, Table, grouped},
};
use sipward_api::{Call, item::Ruled};

/// Show the drops of each rule, and how many of the sources authenticated within a day
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: sipward rules\n          sipward rules --json | jq 'select(.flagged)'\n\nThe \
                  sources are those of the last day; a ~ marks an estimate from a sample. A rule is flagged \
                  if more of its sources authenticate than [ledger] in the configuration allows: then it \
                  has false positives. Dropped sources cannot authenticate, so monitor mode shows the most."
)]
pub(super) struct Rules {}

impl Rules {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let mut table = Table::new([
            ("rule", Align::Left),
            ("action", Align::Left),
            ("dropped", Align::Right),
            ("would drop", Align::Right),
            ("sources", Align::Right),
            ("authenticated later", Align::Right),
            ("", Align::Left),
        ]);
        ask(&Call::Rules, output, |rule: Ruled, _| {
            table.row(row(&rule));
            Ok(())
        })?;
        if table.is_empty() {
            return Ok(output.say("No rule has dropped anything yet.")?);
        }
        Ok(output.table(&table)?)
    }
}

fn row(ruled: &Ruled) -> [String; 7] {
    let about = if ruled.estimated { "~" } else { "" };
    [
        ruled.rule.clone(),
        ruled.action.to_string(),
        grouped(ruled.dropped),
        ruled.would_drop.map_or_else(String::new, grouped),
        format!("{about}{}", grouped(ruled.sources)),
        format!("{about}{}", grouped(ruled.authenticated)),
        if ruled.flagged { "flagged".to_owned() } else { String::new() },
    ]
}
