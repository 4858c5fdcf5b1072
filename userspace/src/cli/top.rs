//! `sipward top`.

use clap::Args;

use super::{
    backend::ask,
    failure::Failure,
    lists::time_left,
    output::{Align, Output, Table, grouped},
};
use sipward_api::{Call, item};

/// Show the sources with the most recent drops
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: sipward top\n          watch -n 2 sipward top\n\nThe daemon must run, because \
                  it keeps the figures."
)]
pub(super) struct Top {}

impl Top {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let mut table = Table::new([
            ("source", Align::Left),
            ("lately", Align::Right),
            ("in all", Align::Right),
            ("last", Align::Right),
            ("mostly", Align::Left),
        ]);
        ask(&Call::Top, output, |top: item::Top, _| {
            let last = format!("{} ago", time_left(Some(top.last)));
            table.row([top.source, grouped(top.lately), grouped(top.packets), last, top.mostly]);
            Ok(())
        })?;
        if table.is_empty() {
            return Ok(output.say("No drops since the daemon started.")?);
        }
        Ok(output.table(&table)?)
    }
}
