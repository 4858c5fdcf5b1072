//! The report for people.

use std::{
    fmt,
    io::{self, Write},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use super::{
    JudgedPacket, Names, Why,
    sums::{ReasonTally, Sums},
};

/// Sources worth a line.
const TOP_SOURCES: usize = 20;

pub(super) fn line(
    output: &mut impl Write,
    judged: &JudgedPacket,
    reason: &str,
    start: Duration,
) -> io::Result<()> {
    if judged.number == 1 {
        writeln!(output, "  packet       seconds  verdict  {:<28} from → to", "reason")?;
    }
    let ports = judged.ports();
    writeln!(
        output,
        "{:>8}  {:>12.6}  {:<7}  {reason:<28} {} → {}{}",
        judged.number,
        judged.at.saturating_sub(start).as_nanos() as f64 / 1e9,
        judged.why.verdict(),
        Endpoint(judged.source(), ports.map(|(source, _)| source)),
        Endpoint(judged.destination(), ports.map(|(_, destination)| destination)),
        if judged.truncated { "  (cut short in the capture)" } else { "" },
    )
}

/// One end of a packet, as far as it is known.
struct Endpoint(Option<IpAddr>, Option<u16>);

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self(Some(address), Some(port)) => write!(f, "{}", SocketAddr::new(address, port)),
            Self(Some(address), None) => write!(f, "{address}"),
            Self(None, _) => f.write_str("?"),
        }
    }
}

pub(super) fn summary(output: &mut impl Write, sums: &Sums, names: &Names, guesses: bool) -> io::Result<()> {
    let ReasonTally { packets, dropped, .. } = sums.all;
    writeln!(output, "\n{packets} packets: {} would pass, {dropped} would be dropped.", sums.all.passed())?;
    if sums.truncated > 0 {
        let count = sums.truncated;
        writeln!(
            output,
            "{count} are not whole in the capture: signatures in the missing part were not seen."
        )?;
    }
    if packets == 0 {
        return Ok(());
    }
    if !guesses {
        writeln!(
            output,
            "Guesses were not limited: no challenge of the PBX is in the capture, and only those say whose nonces \
             are whose."
        )?;
    }
    writeln!(output, "\n packets  verdict  {:<28} meaning", "reason")?;
    for (why, count) in sums.all.by_reason() {
        writeln!(output, "{count:>8}  {:<7}  {:<28} {}", why.verdict(), names.of(why), meaning(why))?;
    }
    sources(output, sums, names)
}

fn sources(output: &mut impl Write, sums: &Sums, names: &Names) -> io::Result<()> {
    let sources = sums.sources();
    writeln!(output, "\n packets     pass     drop  {:<28} source", "mostly")?;
    for (source, tally) in sources.iter().take(TOP_SOURCES) {
        let mostly = tally.by_reason().first().map_or("", |(why, _)| names.of(*why));
        let ReasonTally { packets, dropped, .. } = tally;
        writeln!(output, "{packets:>8} {:>8} {dropped:>8}  {mostly:<28} {source}", tally.passed())?;
    }
    match sources.len().saturating_sub(TOP_SOURCES) {
        0 => Ok(()),
        more => writeln!(output, "and {more} more sources; --json lists them all"),
    }
}

fn meaning(why: Why) -> &'static str {
    match why {
        Why::Reason(reason) => reason.meaning().trim(),
        Why::Signature(_) => "This signature matched.",
        Why::Outgoing => "Sent by the host itself: the filter sees only what arrives.",
    }
}
