//! The self-test of the filter: runs the attached program over two made-up packets, one of a banned and one of a trusted
//! source, and checks verdicts and counters.
//!
//! The packets come from 100::/64, the discard prefix of RFC 6666, in which no host has an address. They are counted like
//! any others, and the drop has an event with a source in 100::/64.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    process,
    time::Duration,
};

use xdp_prog::{
    abi::{Policy, SourceEntry, kind},
    reason::{Action, Reason},
};

use sipward_engine::forecast::{Kind, Ports};
use sipward_kernel::{self as kernel, Error, PinnedProgram, Pins, Tables, program_on};
use sipward_types::{probe_address::NOBODY, time::KernelTime};

/// Long enough for two packets on a busy machine. Of a probe that is killed, nothing stays longer.
const LIFETIME: Duration = Duration::from_secs(10);

/// The result of a self-test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The program's id.
    pub program: u32,
    /// The interfaces that it runs on.
    pub interfaces: Vec<String>,
    /// Those that are not there: nothing comes in by them.
    pub absent: Vec<String>,
    /// False: monitor mode let the banned packet pass, and counted it.
    pub enforced: bool,
}

/// The failure of a self-test.
#[derive(Debug)]
pub enum ProbeFailure {
    /// The kernel did not do what the probe needs.
    Kernel(Error),
    /// Without a policy every packet passes.
    NoPolicy,
    /// No port is a SIP port, so that no packet is looked at.
    NoPorts,
    /// A packet of a source met another fate than it should.
    Misjudged { expected: Reason, action: Action },
    /// The fate was the right one, but the filter did not count it as that.
    NotCounted { expected: Reason },
    /// Packets that come in there do not meet this filter.
    Bypassed { interfaces: Vec<Bypass> },
}

/// An interface that does not run the filter, though it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bypass {
    pub interface: String,
    /// The id of the program that runs there instead.
    pub program: Option<u32>,
}

impl From<Error> for ProbeFailure {
    fn from(error: Error) -> Self {
        Self::Kernel(error)
    }
}

impl fmt::Display for ProbeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(error) => write!(f, "the self-test could not run: {error}"),
            Self::NoPolicy => f.write_str(
                "the filter has no policy, so every packet passes: `sipward attach` puts one in force",
            ),
            Self::NoPorts => {
                f.write_str("no port is a SIP port, so nothing is filtered: set ports in the configuration")
            }
            Self::Misjudged { expected, action } => {
                let did = match action {
                    Action::Pass => "let pass",
                    Action::Drop => "dropped",
                };
                write!(f, "the filter {did} a self-test packet that should be {}: {REPLACE}", expected.name())
            }
            Self::NotCounted { expected } => {
                write!(f, "the filter did not count a self-test packet as {}: {REPLACE}", expected.name())
            }
            Self::Bypassed { interfaces } => {
                let interfaces: Vec<_> = interfaces.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "the filter does not run on {}: `sipward attach` puts it there",
                    interfaces.join(", ")
                )
            }
        }
    }
}

const REPLACE: &str = "`sipward detach`, then `sipward attach` reload it";

impl fmt::Display for Bypass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.program {
            Some(id) => write!(f, "{} (program {id} does)", self.interface),
            None => write!(f, "{} (nothing does)", self.interface),
        }
    }
}

impl std::error::Error for ProbeFailure {}

/// Probes the filter that is pinned; `now` in kernel time. For that moment there are two more sources on the lists.
pub fn probe(pins: &Pins, tables: &mut Tables, now: KernelTime) -> Result<Proof, ProbeFailure> {
    let program = PinnedProgram::open(pins)?;
    let policy = tables.policy()?.ok_or(ProbeFailure::NoPolicy)?;
    let sources = [(1, kind::BANNED, Reason::Ban), (2, kind::TRUSTED, Reason::Trusted)];
    for (host, kind, expected) in sources {
        let address = nobody(host);
        let expires = (now + LIFETIME).as_nanos();
        let entry = SourceEntry { expires, kind, ..SourceEntry::default() };
        tables.sources()?.put(address, entry)?;
        let outcome = judged(&program, tables, &policy, address, expected);
        tables.sources()?.remove(address)?;
        outcome?;
    }
    let (interfaces, absent) = interfaces(pins, program.id())?;
    Ok(Proof { program: program.id(), interfaces, absent, enforced: policy.enforce != 0 })
}

/// An address of this process, so that two probes do not meet.
fn nobody(host: u16) -> IpAddr {
    let [a, b, c, d] = NOBODY;
    let process = process::id();
    Ipv6Addr::new(a, b, c, d, 0, (process >> 16) as u16, process as u16, host).into()
}

/// Sends a packet through, and checks its fate.
fn judged(
    program: &PinnedProgram,
    tables: &Tables,
    policy: &Policy,
    address: IpAddr,
    expected: Reason,
) -> Result<(), ProbeFailure> {
    let ports = Ports::of(policy);
    let frame = |kind: Kind| kind.frame(SocketAddr::new(address, 5060), ports);
    let frame = frame(Kind::Register).or_else(|| frame(Kind::ConnectTls)).ok_or(ProbeFailure::NoPorts)?;
    let monitored = policy.enforce == 0 && expected.action() == Action::Drop;
    let before = counted(tables, expected, monitored)?;
    let action = program.test_run(&frame)?;
    if action != if monitored { Action::Pass } else { expected.action() } {
        return Err(ProbeFailure::Misjudged { expected, action });
    }
    // Others may be counted at the same time.
    if counted(tables, expected, monitored)? <= before {
        return Err(ProbeFailure::NotCounted { expected });
    }
    Ok(())
}

/// Packets so far.
fn counted(tables: &Tables, reason: Reason, monitored: bool) -> kernel::Result<u64> {
    let counters = tables.counters()?;
    let count = counters.iter().find(|count| count.reason == reason);
    Ok(count.map_or(0, |count| if monitored { count.monitored.packets } else { count.enforced.packets }))
}

/// The interfaces that the program runs on, and those that no longer exist.
fn interfaces(pins: &Pins, id: u32) -> Result<(Vec<String>, Vec<String>), ProbeFailure> {
    let (mut running, mut absent, mut bypassed) = (Vec::new(), Vec::new(), Vec::new());
    for interface in pins.interfaces()? {
        match program_on(&interface) {
            Ok(Some(program)) if program == id => running.push(interface),
            Ok(program) => bypassed.push(Bypass { interface, program }),
            Err(Error::NoInterface { .. }) => absent.push(interface),
            Err(error) => return Err(error.into()),
        }
    }
    if bypassed.is_empty() {
        Ok((running, absent))
    } else {
        Err(ProbeFailure::Bypassed { interfaces: bypassed })
    }
}
