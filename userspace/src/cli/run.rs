//! `sipward run`.

use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use crate::{
    daemon::{self, Options},
    log::Log,
};

/// Protect this host: the daemon, in the foreground
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: sipward run\n          sipward run --config my.toml --log json\n\nSIGTERM ends \
                  the daemon; the filter stays in force until `sipward detach`. SIGHUP is `sipward reload`."
)]
pub(super) struct Run {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Format of the log
    #[arg(long, value_enum, default_value_t)]
    log: Log,
}

impl Run {
    pub(super) fn run(self) -> Result<(), Failure> {
        Ok(daemon::run(&Options { config: self.config, log: self.log })?)
    }
}
