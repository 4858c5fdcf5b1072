//! The report for programs: one JSON object a line.

use std::{
    io::{self, Write},
    net::IpAddr,
    time::Duration,
};

use serde::{Serialize, Serializer};

use super::{
    JudgedPacket, Names,
    sums::{ReasonTally, Sums},
};
use sipward_types::printable::write_json;

#[derive(Serialize)]
struct PacketLine<'a> {
    n: u64,
    ts: f64,
    src: Option<IpAddr>,
    sport: Option<u16>,
    dst: Option<IpAddr>,
    dport: Option<u16>,
    verdict: &'a str,
    reason: &'a str,
    /// Said only of packets that were cut short.
    #[serde(skip_serializing_if = "Option::is_none")]
    truncated: Option<bool>,
}

pub(super) fn line(output: &mut impl Write, judged: &JudgedPacket, reason: &str) -> io::Result<()> {
    let ports = judged.ports();
    let line = PacketLine {
        n: judged.number,
        ts: seconds(judged.at),
        src: judged.source(),
        sport: ports.map(|(source, _)| source),
        dst: judged.destination(),
        dport: ports.map(|(_, destination)| destination),
        verdict: judged.why.verdict(),
        reason,
        truncated: judged.truncated.then_some(true),
    };
    write_line(output, &line)
}

/// In two parts, because nanoseconds since 1970 are more than a float can hold: each microsecond is exact.
fn seconds(at: Duration) -> f64 {
    at.as_secs() as f64 + f64::from(at.subsec_nanos()) / 1e9
}

pub(super) fn summary(
    output: &mut impl Write,
    sums: &Sums,
    names: &Names,
    guesses_judged: bool,
) -> io::Result<()> {
    let total = Total {
        packets: sums.all.packets,
        passed: sums.all.passed(),
        dropped: sums.all.dropped,
        truncated: sums.truncated,
        guesses_judged,
        by_reason: ByReason { tally: &sums.all, names },
        by_source: BySource { sums, names },
    };
    write_line(output, &Summary { summary: total })
}

fn write_line(output: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    write_json(&mut *output, value)?;
    output.write_all(b"\n")
}

#[derive(Serialize)]
struct Summary<'a> {
    summary: Total<'a>,
}

#[derive(Serialize)]
struct Total<'a> {
    packets: u64,
    passed: u64,
    dropped: u64,
    truncated: u64,
    guesses_judged: bool,
    by_reason: ByReason<'a>,
    by_source: BySource<'a>,
}

struct ByReason<'a> {
    tally: &'a ReasonTally,
    names: &'a Names,
}

impl Serialize for ByReason<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let reasons = self.tally.by_reason();
        serializer.collect_map(reasons.iter().map(|(why, count)| (self.names.of(*why), count)))
    }
}

struct BySource<'a> {
    sums: &'a Sums,
    names: &'a Names,
}

#[derive(Serialize)]
struct SourceSums<'a> {
    packets: u64,
    passed: u64,
    dropped: u64,
    by_reason: ByReason<'a>,
}

impl Serialize for BySource<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sources = self.sums.sources();
        serializer.collect_map(sources.into_iter().map(|(source, tally)| {
            let by_reason = ByReason { tally, names: self.names };
            let (packets, passed, dropped) = (tally.packets, tally.passed(), tally.dropped);
            (source, SourceSums { packets, passed, dropped, by_reason })
        }))
    }
}
