//! sipp as a phone, or as an attacker.

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

/// One run of sipp.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// A file in `scenarios`.
    pub scenario: &'a str,
    pub count: u32,
    /// Calls a second.
    pub rate: u32,
    pub way: Way,
    pub agent: &'a str,
    /// Bytes by which the first message is larger.
    pub padding: usize,
    /// The accounts, which have turns. Some scenarios need them.
    pub logins: &'a [Login],
    /// Each from a port of its own, as phones behind one address.
    pub own_ports: bool,
}

/// An account and the password it is tried with.
#[derive(Clone, Debug)]
pub struct Login {
    pub account: String,
    pub password: String,
}

/// Calls well within the limits for a stranger.
pub const CALLS: Plan<'static> = Plan {
    scenario: "call",
    count: 2,
    rate: 8,
    way: Way::Udp,
    agent: PHONE,
    padding: 0,
    logins: &[],
    own_ports: false,
};
/// Registrations, each with two requests.
pub const REGISTRATIONS: Plan<'static> = Plan { scenario: "register", ..CALLS };

/// The result of a run.
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
    place: Place<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Place<'a> {
    /// A host's number on the LAN whose first host is the PBX.
    Lan(usize),
    /// The addresses of both.
    Wire { own: &'a str, pbx: &'a str },
}

impl<'a> Caller<'a> {
    /// The host with that number on its LAN.
    pub fn new(host: &'a Namespace, number: usize) -> Self {
        Self { host, place: Place::Lan(number) }
    }

    /// A host with that address on a wire to the PBX.
    pub fn at(host: &'a Namespace, own: &'a str, pbx: &'a str) -> Self {
        Self { host, place: Place::Wire { own, pbx } }
    }

    pub fn run(&self, plan: &Plan<'_>) -> Tally {
        self.run_timed(plan).0
    }

    /// With the mean time from the first message of a call to the answer, in milliseconds; of no answer, zero.
    pub fn run_timed(&self, plan: &Plan<'_>) -> (Tally, f64) {
        let directory = Scratch::new(self.host);
        let done = Done::of(&mut self.command(plan, &directory));
        let statistics = fs::read_to_string(directory.0.join("statistics"));
        let statistics = statistics.unwrap_or_else(|error| panic!("sipp's statistics: {error}\n{done}"));
        let tally = tally(&statistics).unwrap_or_else(|| panic!("sipp's statistics have no totals\n{done}"));
        (tally, delay(&statistics).unwrap_or_default())
    }

    fn command(&self, plan: &Plan<'_>, directory: &Scratch) -> Command {
        let Plan { scenario, count, rate, way, agent, padding, logins, own_ports } = *plan;
        let transport = match way {
            Way::Tcp => "t1",
            Way::Udp | Way::UdpV6 if own_ports => "un",
            Way::Udp | Way::UdpV6 => "u1",
        };
        let mut command = self.host.command(tool("sipp"));
        let scenario = format!("{}/scenarios/{scenario}.xml", env!("CARGO_MANIFEST_DIR"));
        let (own, pbx) = match self.place {
            Place::Lan(number) => (way.address(number), way.address(1)),
            Place::Wire { own, pbx } => (own.to_owned(), pbx.to_owned()),
        };
        command
            .args(["-sf", &scenario, "-i", &own])
            .arg(if way == Way::UdpV6 { format!("[{pbx}]:5060") } else { format!("{pbx}:5060") })
            .args(["-t", transport])
            .args(["-r", &rate.to_string(), "-m", &count.to_string()])
            .args(["-key", "agent", agent, "-key", "padding", &"0".repeat(padding)])
            // Without an answer, sipp gives up after three seconds, and sends neither CANCEL nor BYE.
            .args(["-recv_timeout", "3000", "-default_behaviors", "none"])
            .args(["-timeout", "60", "-timeout_error", "-nostdin", "-skip_rlimit"])
            .args(["-trace_stat", "-stf", "statistics"])
            .current_dir(&directory.0);
        if !logins.is_empty() {
            command.args(["-inf", &directory.file("logins", &injection(logins))]);
            // Its default is more than a process may have open.
            command.args(["-max_socket", "1000"]);
        }
        command
    }
}

/// sipp takes one line after the other, and begins again after the last.
fn injection(logins: &[Login]) -> String {
    let line = |Login { account, password }: &Login| {
        format!("{account};[authentication username={account} password={password}]\n")
    };
    logins.iter().map(line).fold("SEQUENTIAL\n".to_owned(), |lines, line| lines + &line)
}

/// The totals of the last line; the first one names the columns.
fn tally(statistics: &str) -> Option<Tally> {
    let total = |name| total(statistics, name)?.parse().ok();
    Some(Tally { successful: total("SuccessfulCall(C)")?, failed: total("FailedCall(C)")? })
}

/// Hours, minutes, seconds and microseconds.
fn delay(statistics: &str) -> Option<f64> {
    let mut parts = total(statistics, "ResponseTime1(C)")?.split(':').map(str::parse::<f64>);
    let [hours, minutes, seconds, micros] = std::array::from_fn(|_| parts.next()?.ok());
    Some(((hours? * 60.0 + minutes?) * 60.0 + seconds?) * 1e3 + micros? / 1e3)
}

/// The value of a column in the last line. The first line names the columns.
fn total<'a>(statistics: &'a str, name: &str) -> Option<&'a str> {
    let (names, totals) = (statistics.lines().next()?, statistics.lines().last()?);
    let column = names.split(';').position(|column| column == name)?;
    totals.split(';').nth(column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_read_to_the_microsecond() {
        assert_eq!(delay("Time;ResponseTime1(C);\n1;00:00:01:002500;\n"), Some(1002.5));
        assert_eq!(delay("Time;\n1;\n"), None);
    }

    #[test]
    fn the_totals_are_those_of_the_last_line() {
        let statistics = "Time;SuccessfulCall(P);SuccessfulCall(C);FailedCall(C);\n1;1;1;0;\n2;1;2;3;\n";
        assert_eq!(tally(statistics), Some(Tally { successful: 2, failed: 3 }));
        assert_eq!(tally(""), None);
        assert_eq!(tally("Time;SuccessfulCall(C);\n1;1;\n"), None);
    }
}
