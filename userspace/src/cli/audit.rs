//! `sipward audit`.

use std::time::Duration;

use clap::Args;

use super::{desk::ask, failure::Failure, moment::local, output::Output, target::Target};
use crate::{
    control::protocol::{self, Call, item},
    printable::printable,
};

/// Show who changed what, and when
#[derive(Debug, Args)]
#[command(
    name = "audit",
    after_help = "Examples: sipward audit\n          sipward audit --about 198.51.100.7 --limit 10\n          sipward audit --account 201"
)]
pub(super) struct Trail {
    /// The latest so many lines
    #[arg(long, default_value_t = 50, value_name = "LINES")]
    limit: u32,
    /// Only what was done to this address or prefix, something in it or something around it
    #[arg(long, value_name = "ADDRESS|PREFIX")]
    about: Option<Target>,
    /// Only what was done about this account
    #[arg(long, value_name = "NAME", conflicts_with = "about")]
    account: Option<String>,
}

impl Trail {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let source = self.about.map(|Target(net)| net);
        let account = self.account.clone();
        let call = Call::Audit(protocol::Audit { limit: self.limit, source, account });
        ask(&call, output, |line: item::Audited, output| show(&line, output))
    }
}

/// What was done to somebody, in what is said of them.
pub(super) fn say_history(lines: &[item::Audited], output: &mut Output) -> Result<(), Failure> {
    if !lines.is_empty() {
        output.say("\nWhat was done, the latest first:")?;
    }
    lines.iter().try_for_each(|line| show(line, output))
}

fn show(line: &item::Audited, output: &mut Output) -> Result<(), Failure> {
    let item::Audited { at, who, what, target, detail } = line;
    let words = [what, target, detail].into_iter().filter(|word| !word.is_empty());
    let text = words.map(|word| printable(word.as_bytes())).collect::<Vec<_>>().join("  ");
    Ok(output.say(format_args!(
        "  {}  {}  {text}",
        local(Duration::from_secs(*at)),
        printable(who.as_bytes())
    ))?)
}
