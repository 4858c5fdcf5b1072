//! sipp as people use a phone, or as they abuse one.

use std::{fs, process::Command};

use crate::{
    command::Done,
    namespace::{Namespace, v4, v6},
    scratch::Scratch,
    tool::tool,
};

/// An ordinary phone's User-Agent.
pub const PHONE: &str = "Yealink SIP-T46S 66.86.0.15";
/// SIPVicious's.
pub const SCANNER: &str = "friendly-scanner";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Udp,
    UdpV6,
    Tcp,
}

impl Way {
    pub const ALL: [Self; 3] = [Self::Udp, Self::UdpV6, Self::Tcp];

    /// The address of the host with that number on its LAN.
    pub fn address(self, number: usize) -> String {
        match self {
            Self::Udp | Self::Tcp => v4(number),
            Self::UdpV6 => v6(number),
        }
    }
}

/// What one run of sipp does with the PBX.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// A file in `scenarios`.
    pub scenario: &'a str,
    pub count: u32,
    /// How many a second.
    pub rate: u32,
    pub way: Way,
    pub agent: &'a str,
    /// Bytes by which the first message is larger.
    pub padding: usize,
}

/// Calls well within the limits for a stranger.
pub const CALLS: Plan<'static> =
    Plan { scenario: "call", count: 2, rate: 8, way: Way::Udp, agent: PHONE, padding: 0 };
/// Registrations, each with two requests.
pub const REGISTRATIONS: Plan<'static> = Plan { scenario: "register", ..CALLS };

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    pub successful: u32,
    pub failed: u32,
}

impl Tally {
    pub const fn all(successful: u32) -> Self {
        Self { successful, failed: 0 }
    }

    pub const fn none(failed: u32) -> Self {
        Self { successful: 0, failed }
    }
}

/// A host that calls the PBX.
#[derive(Debug)]
pub struct Caller<'a> {
    host: &'a Namespace,
    number: usize,
}

impl<'a> Caller<'a> {
    /// The host with that number on its LAN.
    pub fn new(host: &'a Namespace, number: usize) -> Self {
        Self { host, number }
    }

    pub fn run(&self, plan: &Plan<'_>) -> Tally {
        let directory = Scratch::new(self.host);
        let done = Done::of(self.command(plan).current_dir(&directory.0));
        let statistics = fs::read_to_string(directory.0.join("statistics"));
        tally(&statistics.unwrap_or_else(|error| panic!("sipp's statistics: {error}\n{done}")))
            .unwrap_or_else(|| panic!("sipp's statistics have no totals\n{done}"))
    }

    fn command(&self, plan: &Plan<'_>) -> Command {
        let Plan { scenario, count, rate, way, agent, padding } = *plan;
        let mut command = self.host.command(tool("sipp"));
        let scenario = format!("{}/scenarios/{scenario}.xml", env!("CARGO_MANIFEST_DIR"));
        let pbx = way.address(1);
        command
            .args(["-sf", &scenario, "-i", &way.address(self.number)])
            .arg(if way == Way::UdpV6 { format!("[{pbx}]:5060") } else { format!("{pbx}:5060") })
            .args(["-t", if way == Way::Tcp { "t1" } else { "u1" }])
            .args(["-r", &rate.to_string(), "-m", &count.to_string()])
            .args(["-key", "agent", agent, "-key", "padding", &"0".repeat(padding)])
            // Who gets no answer gives up soon, and without a last word.
            .args(["-recv_timeout", "3000", "-default_behaviors", "none"])
            .args(["-timeout", "60", "-timeout_error", "-nostdin", "-skip_rlimit"])
            .args(["-trace_stat", "-stf", "statistics"]);
        command
    }
}

/// The totals of the last line; the first one names the columns.
fn tally(statistics: &str) -> Option<Tally> {
    let (names, totals) = (statistics.lines().next()?, statistics.lines().last()?);
    let total = |name| {
        let column = names.split(';').position(|column| column == name)?;
        totals.split(';').nth(column)?.parse().ok()
    };
    Some(Tally { successful: total("SuccessfulCall(C)")?, failed: total("FailedCall(C)")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_totals_are_those_of_the_last_line() {
        let statistics = "Time;SuccessfulCall(P);SuccessfulCall(C);FailedCall(C);\n1;1;1;0;\n2;1;2;3;\n";
        assert_eq!(tally(statistics), Some(Tally { successful: 2, failed: 3 }));
        assert_eq!(tally(""), None);
        assert_eq!(tally("Time;SuccessfulCall(C);\n1;1;\n"), None);
    }
}
