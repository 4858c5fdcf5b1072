//! `sipward events`.

use std::{net::SocketAddr, time::Duration};

use clap::Args;

use super::{
    backend::{ask, connect},
    failure::Failure,
    output::Output,
    time::local,
};
use crate::{
    event_reader::EventReader,
    wire::{Offset, dropped},
};
use sipward_api::{
    self as protocol, Call,
    item::{Decided, Dropped, Event, Refused},
    name::{DecisionName, PacketVerdict},
};
use sipward_kernel::Pins;
use sipward_types::{printable::printable, time::format_duration};

/// Show drop events, at most one a second for each source, decisions of the guard and refusals of the edge
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: sipward events\n          sipward events --follow --json\n\nWithout --follow, \
                  it shows the latest events. Without a daemon, it shows the unread events of the kernel, \
                  each once, to one reader at a time."
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
        let mut is_empty = true;
        ask(&Call::Events(protocol::Events { follow }), output, |event: Event, output| {
            is_empty = false;
            match &event {
                Event::Decided(decided) => show_decided(decided, output)?,
                Event::Dropped(dropped) => show(dropped, output)?,
                Event::Refused(refused) => show_refused(refused, output)?,
            }
            if follow {
                output.flush()?;
            }
            Ok(())
        })?;
        if is_empty {
            output.say("No drops, decisions or refusals since the daemon started.")?;
        }
        Ok(())
    }

    fn by_oneself(&self, output: &mut Output) -> Result<(), Failure> {
        let mut reader = EventReader::open(&Pins::default())?;
        loop {
            if self.follow {
                reader.wait(Duration::from_secs(1))?;
            }
            let events = reader.read()?;
            for event in &events {
                let dropped = dropped(event, reader.names(), Offset::now());
                output.object(&dropped)?;
                show(&dropped, output)?;
            }
            output.flush()?;
            if !self.follow {
                if events.is_empty() {
                    output.say("No unread drop events.")?;
                }
                return Ok(());
            }
        }
    }
}

pub(super) fn show(dropped: &Dropped, output: &mut Output) -> Result<(), Failure> {
    let would = if dropped.verdict == PacketVerdict::Drop { "" } else { " (passed: monitor mode)" };
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

fn show_refused(refused: &Refused, output: &mut Output) -> Result<(), Failure> {
    let Refused { account, source, count, status, proven, .. } = refused;
    // It comes last: whoever sent the request chose it.
    let account = account.as_ref().map(|account| format!(", account {}", printable(account.as_bytes())));
    let status = status.map_or_else(|| ", no answer".to_owned(), |status| format!(", with {status}"));
    let times = if *count == 1 { String::new() } else { format!(", {count} times") };
    Ok(output.say(format_args!(
        "{}  {source:<21}  refused: {}{status}{times}{}{}",
        local(Duration::from_secs_f64(refused.ts.max(0.0))),
        refused.refused,
        if *proven { "" } else { ", unproven" },
        account.unwrap_or_default(),
    ))?)
}

fn show_decided(decided: &Decided, output: &mut Output) -> Result<(), Failure> {
    let Decided { account, source, flow, count, seconds, note, .. } = decided;
    if decided.decision == DecisionName::Flagged {
        // The event is about a rule, not about a source.
        return Ok(output.say(format_args!(
            "{}  {:<21}  flagged: {}",
            local(Duration::from_secs_f64(decided.ts.max(0.0))),
            decided.rule,
            note.as_deref().unwrap_or_default(),
        ))?);
    }
    let source = [source.as_deref(), flow.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let account = account.as_ref().map(|account| format!(" account {}", printable(account.as_bytes())));
    let lasts =
        decided.expires_in.map(|seconds| format!(" for {}", format_duration(Duration::from_secs(seconds))));
    let counted = if *count > 0 { format!(", {count} in {seconds}s") } else { String::new() };
    let note = note.as_ref().map(|note| format!(": {note}"));
    Ok(output.say(format_args!(
        "{}  {:<21}  {}{}{} ({}{counted}){}",
        local(Duration::from_secs_f64(decided.ts.max(0.0))),
        if source.is_empty() { "anywhere" } else { &source },
        decided.decision,
        account.unwrap_or_default(),
        lasts.unwrap_or_default(),
        decided.rule,
        note.unwrap_or_default(),
    ))?)
}
