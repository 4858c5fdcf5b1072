//! `sipward edge`.

use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use crate::{
    edge::{self, Options},
    log::Log,
};

/// Authenticate phones and pass their calls on to a PBX: the SIP front, in the foreground
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: sipward edge\n          sipward edge --config my.toml --log json\n\nIts settings are \
                  in the section [edge] of the configuration, its accounts are made by `sipward account add`. It \
                  needs no rights: run it as a user of its own. SIGTERM ends it; registrations and running calls \
                  go on when it is back."
)]
pub(super) struct EdgeCommand {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Format of the log
    #[arg(long, value_enum, default_value_t)]
    log: Log,
}

impl EdgeCommand {
    pub(super) fn run(self) -> Result<(), Failure> {
        Ok(edge::run(&Options { config: self.config, log: self.log })?)
    }
}
