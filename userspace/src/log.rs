//! The log of what runs for long: the daemon, and the edge.

use std::io;

use clap::ValueEnum;
use tracing_subscriber::{filter::LevelFilter, fmt};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Log {
    /// Lines for people; without a time where the journal has it
    #[default]
    Human,
    /// One JSON object a line
    Json,
}

pub(crate) fn start(log: Log) {
    let builder = fmt().with_writer(io::stderr).with_max_level(LevelFilter::INFO).with_target(false);
    let in_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    match log {
        Log::Json => builder.json().flatten_event(true).init(),
        Log::Human if in_journal => builder.without_time().with_ansi(false).init(),
        Log::Human => builder.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).init(),
    }
}
