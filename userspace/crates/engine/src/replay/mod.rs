//! A capture through the packet path: what the filter would have done, with the capture's own clock.
//!
//! Each packet gets the verdict that enforcing the policy would give it, whatever the configured mode.
//! Packets that the capture marks as sent by the host itself are not judged: the filter sees only what
//! arrives. What a capture left out of a packet counts as zero, and the report says so of each such packet.

mod capture;
mod error;
mod guesses;
mod lru_map;
mod memory;
mod report;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    path::Path,
    time::Duration,
};

use self::{
    capture::Capture,
    report::{JudgedPacket, Report, Why},
};
pub use self::{capture::CaptureError, error::ReplayError, guesses::Guesses, memory::Memory, report::Format};
use crate::policy::Resolved;
use sipward_types::time::KernelTime;

/// Judges the packets of the file `capture` and writes the report as it goes. A capture that breaks is
/// reported up to there, and is an error.
pub fn run(
    capture: &Path,
    resolved: &Resolved,
    output: &mut dyn Write,
    format: Format,
) -> Result<(), ReplayError> {
    let broken = |error| ReplayError::Capture { path: capture.to_owned(), error };
    let file = File::open(capture).map_err(|error| ReplayError::Open { path: capture.to_owned(), error })?;
    let compiled = resolved.signatures.compile().map_err(ReplayError::Signatures)?;
    let mut memory = Memory::new(resolved.policy.clone(), compiled.tables);
    resolved.entries().for_each(|(net, entry)| memory.insert(net, entry));

    let capture = Capture::open(BufReader::new(file)).map_err(broken)?;
    let report = Report::new(BufWriter::new(output), format, &compiled.names);
    match replay(capture, &memory, report) {
        Ok(None) => Ok(()),
        Ok(Some(error)) => Err(broken(error)),
        // Whoever read has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(ReplayError::Write(error)),
    }
}

/// Reports every packet up to the end of the capture, or to where it breaks.
fn replay(
    capture: Capture<impl Read>,
    memory: &Memory,
    mut report: Report<impl Write>,
) -> io::Result<Option<CaptureError>> {
    let mut broken = None;
    let mut at = Duration::ZERO;
    for (packet, number) in capture.zip(1..) {
        match packet {
            Ok(packet) => {
                // A packet without a time comes right after the one before it.
                at = packet.at.unwrap_or(at);
                report.packet(&judge(memory, &packet, number, at))?;
            }
            Err(error) => broken = Some(error),
        }
    }
    report.finish(memory.has_judged_guesses())?;
    Ok(broken)
}

fn judge(memory: &Memory, packet: &capture::CapturePacket, number: u64, at: Duration) -> JudgedPacket {
    memory.set_now(KernelTime::START + at);
    let frame = packet.frame();
    memory.sent(&frame);
    let (why, headers) = if packet.outgoing {
        let headers = memory.headers(&frame);
        memory.follow_answer(&headers);
        (Why::Outgoing, headers)
    } else {
        let (verdict, headers) = memory.judge(&frame);
        memory.follow(&headers, &verdict);
        (Why::of(verdict), headers)
    };
    JudgedPacket { number, at, packet: headers, why, truncated: packet.truncated() }
}
