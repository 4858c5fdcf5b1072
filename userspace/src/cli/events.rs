//! `sipward events`.

use std::{net::SocketAddr, time::Duration};

use clap::Args;

use super::{
    desk::{ask, connect},
    failure::Failure,
    moment::local,
    output::Output,
};
use crate::{
    control::protocol::{self, Call, item::Dropped},
    dropped::{Offset, dropped},
    kernel::{Pins, Tables},
    printable::printable,
};

/// Show drops as they are told: at most one a second for each source
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: sipward events\n          sipward events --follow --json\n\nWithout --follow: the latest. \
                  Where no daemon runs these are those that nobody has read yet; each is shown once then, so one reader \
                  at a time."
)]
pub(super) struct Follow {
    /// Wait for more until interrupted
    #[arg(short, long)]
    follow: bool,
}

impl Follow {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        if connect()?.is_none() {
            return self.by_oneself(output);
        }
        let follow = self.follow;
        ask(&Call::Events(protocol::Events { follow }), output, |dropped: Dropped, output| {
            show(&dropped, output)?;
            if follow {
                output.flush()?;
            }
            Ok(())
        })
    }

    fn by_oneself(&self, output: &mut Output) -> Result<(), Failure> {
        let pins = Pins::default();
        let tables = Tables::open(&pins)?;
        let _reader = pins.lock_events()?;
        let mut ring = tables.events()?;
        let mut names = tables.signature_names()?;
        loop {
            if self.follow {
                ring.wait(Duration::from_secs(1))?;
            }
            let events: Vec<_> = ring.by_ref().collect();
            if events.iter().any(|event| event.signature.is_some()) {
                // They change when a set is loaded.
                names = tables.signature_names()?;
            }
            for event in &events {
                let dropped = dropped(event, &names, Offset::now());
                output.object(&dropped)?;
                show(&dropped, output)?;
            }
            output.flush()?;
            if !self.follow {
                return Ok(());
            }
        }
    }
}

pub(super) fn show(dropped: &Dropped, output: &mut Output) -> Result<(), Failure> {
    let would = if dropped.verdict == "drop" { "" } else { " (passed: monitor mode)" };
    let source = match dropped.src.parse() {
        Ok(address) => SocketAddr::new(address, dropped.sport).to_string(),
        Err(_) => dropped.src.clone(),
    };
    let line = dropped.first_line.as_ref().map(|line| printable(line.as_bytes()));
    Ok(output.say(format_args!(
        "{}  {source:<21}  {}{would}  {}",
        local(Duration::from_secs_f64(dropped.ts.max(0.0))),
        dropped.reason,
        line.as_deref().unwrap_or("-"),
    ))?)
}
