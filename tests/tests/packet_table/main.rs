//! Every row of the packet's path, through the real kernel and through replay: verdict and counter.
//!
//! Needs root and nothing else, so that it also runs in the virtual machines with older kernels.

mod events;
mod flows;
mod forms;
mod guesses;
mod headers;
mod limits;
mod lists;
mod load;
mod messages;
mod streams;
mod suspensions;
mod taps;

use sipward_tests::{filter_pair::FilterPair, frame::Frame};
use xdp_prog::abi::RateLimit;

const ENFORCE: &str = "mode = \"enforce\"\n";

/// In ticks: longer than any test takes, on any machine.
const HOUR: u32 = 3_433_227;

/// At most so many packets an hour.
const fn an_hour(packets: u32) -> RateLimit {
    RateLimit { window: HOUR, window_max: packets, ..RateLimit::OFF }
}

/// A frame, and the reason that the kernel and replay must give for its verdict.
#[derive(Clone, Debug)]
struct Row<'a> {
    case: &'a str,
    frame: Frame,
    reason: &'a str,
}

/// Judges each frame. Each has a source of its own, so that no limit carries over.
fn table(pair: &mut FilterPair, rows: &[Row<'_>]) {
    let mut wrong = Vec::new();
    for (index, Row { case, frame, reason: expected }) in rows.iter().enumerate() {
        let frame = frame.clone().stranger(index).build();
        let reason = pair.judge(&frame);
        if reason != *expected {
            wrong.push(format!("{case}: {reason}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The same rows over IPv4 and IPv6.
fn both_families(pair: &mut FilterPair, rows: &[Row<'_>]) {
    table(pair, rows);
    let v6: Vec<_> = rows.iter().map(|row| Row { frame: row.frame.clone().v6(), ..row.clone() }).collect();
    table(pair, &v6);
}

fn verdicts(pair: &mut FilterPair, frames: &[Vec<u8>]) -> Vec<String> {
    frames.iter().map(|frame| pair.judge(frame)).collect()
}
