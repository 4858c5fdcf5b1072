//! `sipward replay`.

use std::path::PathBuf;

use clap::Args;

use super::{failure::Failure, output::Output};
use sipward_engine::{
    policy::Config,
    replay::{self, Format},
};

/// Run the filter over the packets of a capture, without touching the network
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: sipward replay friday.pcap\n          sipward replay friday.pcapng --config \
                  sipward.toml --json"
)]
pub(super) struct Replay {
    /// File in pcap or pcapng format
    capture: PathBuf,
    /// Configuration file. Default: the built-in settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Replay {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let config = self.config.as_deref().map(Config::load).transpose()?.unwrap_or_default();
        let format = if output.is_json() { Format::Json } else { Format::Human };
        Ok(replay::run(&self.capture, &config.resolve()?, output.writer(), format)?)
    }
}
