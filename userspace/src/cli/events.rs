//! `sipward events`.

use std::{io::Write as _, time::Duration};

use clap::Args;
use serde::Serialize;
use xdp_prog::{frame, reason::Reason};

use super::{
    failure::Failure,
    moment::{Wall, local},
    output::{Output, printable},
};
use crate::{
    first_line::first_line,
    kernel::{self, DropEvent, Pins, Tables},
};

/// Show drops as they are told: at most one a second for each source
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: sipward events\n          sipward events --follow --json\n\nWithout --follow: those that \
                  nobody has read yet. Each is shown once, so one reader at a time."
)]
pub(super) struct Follow {
    /// Wait for more until interrupted
    #[arg(short, long)]
    follow: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    /// Seconds since 1970.
    ts: f64,
    src: String,
    sport: u16,
    dst: String,
    dport: u16,
    transport: &'static str,
    interface: Option<&'a str>,
    /// "would-drop" in monitor mode.
    verdict: &'static str,
    reason: &'a str,
    bytes: u32,
    /// As far as it is in the part of the packet that was kept.
    first_line: Option<&'a str>,
}

impl Follow {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let pins = Pins::default();
        let mut tables = Tables::open(&pins)?;
        let _reader = pins.lock_events()?;
        let mut names = tables.signature_names()?;
        let wall = Wall::now();
        loop {
            let events = tables.events()?;
            if self.follow {
                events.wait(Duration::from_secs(1))?;
            }
            let events: Vec<_> = events.collect();
            if events.iter().any(|event| event.signature.is_some()) {
                // They change when a set is loaded.
                names = tables.signature_names()?;
            }
            for event in &events {
                show(event, &names, wall, output)?;
            }
            output.writer().flush()?;
            if !self.follow {
                return Ok(());
            }
        }
    }
}

fn show(event: &DropEvent, names: &[String], wall: Wall, output: &mut Output) -> Result<(), Failure> {
    let at = wall.at(event.at);
    let reason = reason(event, names);
    let line = first_line(&event.head, event.frame_length).map(printable);
    let would = if event.enforced { "" } else { " (passed: monitor mode)" };
    output.say(format_args!(
        "{}  {:<21}  {reason}{would}  {}",
        local(at),
        std::net::SocketAddr::new(event.source, event.source_port).to_string(),
        line.as_deref().unwrap_or("-"),
    ))?;
    output.object(&Line {
        ts: at.as_micros() as f64 / 1e6,
        src: event.source.to_string(),
        sport: event.source_port,
        dst: event.destination.to_string(),
        dport: event.destination_port,
        transport: match event.protocol {
            frame::TCP => "tcp",
            _ => "udp",
        },
        interface: kernel::interface_name(event.interface).as_deref(),
        verdict: if event.enforced { "drop" } else { "would-drop" },
        reason: &reason,
        bytes: event.frame_length,
        first_line: line.as_deref(),
    })?;
    Ok(())
}

fn reason(event: &DropEvent, names: &[String]) -> String {
    let name = event.signature.and_then(|id| names.get(usize::from(id)));
    match name {
        Some(name) => format!("{}:{name}", Reason::Signature.name()),
        None => event.reason.name().to_owned(),
    }
}
