//! The cost of a packet on a wire, beside the tools that operators use today. Frames arrive through a veth, and
//! the receiver behind it takes them. The figures are given with the cost of sending, and net of it.
//!
//! `cargo bench -p sipward-tests --bench wire`, as root. It prints and never asserts: times depend on the machine, and the
//! results are the ratios, measured in turn in one run.

use sipward_tests::{
    frame::udp,
    message,
    raw_program::{Sources, addressed_to},
    report::{Bound, Case, Report, Unit},
    turns::Turns,
    wire::{
        BANNED, Generator, Nozzle, PBX,
        Receiver::{self, *},
        Seen, Server, with_checksum,
    },
};

const TURNS: Turns = Turns { rounds: 9, each: 7 };
/// Nanoseconds of one turn. A first measurement of the receiver gives the number of frames.
const TURN: f64 = 12e6;
const FIRST_LOOK: u32 = 20_000;

/// The frames that arrive, and the sockets that receive them.
struct Profile {
    name: &'static str,
    sources: Sources,
    /// The receiver limits the rate of each source. Otherwise the filter's limits are checked, and never reached.
    rates: bool,
    receivers: &'static [Receiver],
    message: fn() -> String,
    from: &'static str,
    /// Every tool that protects a PBX drops it.
    hostile: bool,
    goals: &'static [Goal],
}

/// A ratio of net costs.
struct Goal(Receiver, Receiver, Bound);

const STRANGER: &str = "198.51.100.7";
const ROTATING: u16 = 5_000;

const OPTIONS: Profile = Profile {
    name: "OPTIONS flood",
    sources: Sources::One,
    rates: true,
    receivers: &[Sipward, Trivial, ScriptLegacy, ScriptNft, Nothing],
    message: || message::clean("OPTIONS"),
    from: STRANGER,
    hostile: true,
    goals: &[Goal(ScriptLegacy, Sipward, Bound::AtLeast(12.0))],
};

const PROFILES: [Profile; 6] = [
    OPTIONS,
    Profile {
        name: "scanner's REGISTER",
        rates: false,
        message: || message::request("REGISTER", "friendly-scanner"),
        goals: &[Goal(ScriptLegacy, Sipward, Bound::AtLeast(6.0))],
        ..OPTIONS
    },
    Profile {
        name: "clean REGISTER over its rate",
        message: || message::register_of(500),
        goals: &[Goal(ScriptLegacy, Sipward, Bound::AtLeast(40.0))],
        ..OPTIONS
    },
    Profile {
        name: "banned source",
        receivers: &[
            Sipward,
            Trivial,
            LookAtPort,
            LookUp,
            ScriptLegacy,
            ScriptNft,
            NftSet,
            IpSet,
            XdpFilter,
            Nothing,
        ],
        message: || message::register_of(500),
        from: BANNED,
        goals: &[
            Goal(Sipward, Trivial, Bound::AtMost(1.5)),
            Goal(ScriptLegacy, Sipward, Bound::AtLeast(60.0)),
            Goal(NftSet, Sipward, Bound::AtLeast(4.0)),
        ],
        ..OPTIONS
    },
    Profile {
        name: "clean REGISTER from 5,000 networks in turn",
        sources: Sources::Rotating(ROTATING),
        message: || message::register_of(500),
        from: "0.0.7.7",
        goals: &[],
        ..OPTIONS
    },
    Profile {
        name: PASSES,
        rates: false,
        receivers: &[Sipward, Nothing, ScriptLegacy, ScriptNft],
        message: || message::register_of(500),
        hostile: false,
        goals: &[],
        ..OPTIONS
    },
];

const PASSES: &str = "clean REGISTER that passes";

/// The cases of a profile: with the cost of sending a frame, and without.
struct Measured {
    gross: Vec<Case>,
    net: Vec<Case>,
    let_through: Vec<Case>,
}

fn main() -> anyhow::Result<()> {
    let mut report = Report::new("wire");
    for profile in PROFILES {
        if report.wants(profile.name) {
            report.progress(profile.name);
            let measured = profile.measure(&mut report)?;
            profile.report_to(&mut report, &measured);
        }
    }
    report.end()
}

impl Profile {
    fn measure(&self, report: &mut Report) -> anyhow::Result<Measured> {
        let generator = Generator::default();
        let mut servers = Vec::new();
        for receiver in self.receivers {
            match Server::start(&generator, *receiver, self.rates) {
                Ok(server) => servers.push(server),
                Err(error) => report.note(&format!("{}: not measured: {error:#}", receiver.name())),
            }
        }
        let interfaces: Vec<_> =
            [generator.nowhere()].into_iter().chain(servers.iter().map(|server| server.interface)).collect();
        let nozzle = generator.nozzle(self.sources.into())?;
        let (lanes, rounds) = generator.on_its_cpu(|| {
            let lane = |interface: &u32| Lane::new(&nozzle, *interface, self.frame());
            let mut lanes = interfaces.iter().map(lane).collect::<anyhow::Result<Vec<_>>>()?;
            let rounds = TURNS.take(&mut lanes, |lane| lane.take_a_turn(&nozzle))?;
            anyhow::Ok((lanes, rounds))
        })?;
        let mut measured = Measured { gross: Vec::new(), net: Vec::new(), let_through: Vec::new() };
        let sending = Case::of("sending", Unit::Nanoseconds, &rounds[0]);
        for ((server, lane), rounds) in servers.iter().zip(&lanes[1..]).zip(&rounds[1..]) {
            let mut gross = Case::of(server.receiver.name(), Unit::Nanoseconds, rounds);
            measured.net.push(gross.above(&sending));
            let Seen { arrived, passed } = server.seen()?;
            gross.count("sent", lane.sent);
            gross.count("arrived", arrived);
            gross.count("let through", passed);
            measured.gross.push(gross);
            let part = 100.0 * passed as f64 / arrived as f64;
            measured.let_through.push(Case::of(server.receiver.name(), Unit::Percent, &[part]));
        }
        measured.gross.push(sending);
        Ok(measured)
    }

    fn frame(&self) -> Vec<u8> {
        with_checksum(
            udp().from(self.from).to(&format!("{PBX}:5060")).carrying((self.message)()).build(),
            self.sources,
        )
    }

    fn report_to(&self, report: &mut Report, measured: &Measured) {
        report.section("a frame, with the cost of sending it", self.name);
        report.cases(&measured.gross, Sipward.name());
        report.section("a frame, net of sending it", self.name);
        report.cases(&measured.net, Sipward.name());
        if self.hostile {
            report.section("part of what arrived that reached the socket", self.name);
            report.cases(&measured.let_through, "");
        }
        for Goal(of, to, bound) in self.goals {
            compare(report, self.name, &measured.net, [*of, *to], *bound);
        }
        if self.name == PASSES {
            extra(report, &measured.gross);
        }
    }
}

/// The cost that a filter adds to the host's own work for a packet.
fn extra(report: &mut Report, gross: &[Case]) {
    let Some(unfiltered) = named(gross, Nothing) else { return };
    let filters = [Sipward, ScriptLegacy, ScriptNft].into_iter().filter_map(|filter| named(gross, filter));
    let extra: Vec<_> = filters.map(|case| case.above(unfiltered)).collect();
    const WHAT: &str = "clean REGISTER that passes, above no filter";
    report.section("what a filter adds to a packet that passes", WHAT);
    report.cases(&extra, Sipward.name());
    compare(report, WHAT, &extra, [ScriptLegacy, Sipward], Bound::AtLeast(15.0));
}

fn compare(report: &mut Report, what: &str, cases: &[Case], [of, to]: [Receiver; 2], bound: Bound) {
    if let (Some(numerator), Some(base)) = (named(cases, of), named(cases, to)) {
        let found = numerator.ratio(base).map(|ratio| ratio.figure);
        report.goal(&format!("{what}, {} : {}", of.name(), to.name()), bound, found);
    }
}

fn named(cases: &[Case], receiver: Receiver) -> Option<&Case> {
    cases.iter().find(|case| case.name() == receiver.name())
}

/// The way to one receiver.
struct Lane {
    frame: Vec<u8>,
    /// In one turn.
    count: u32,
    sent: u64,
}

impl Lane {
    fn new(nozzle: &Nozzle, interface: u32, frame: Vec<u8>) -> anyhow::Result<Self> {
        let frame = addressed_to(interface, frame);
        let once = nozzle.send(&frame, FIRST_LOOK)?;
        Ok(Self { frame, count: (TURN / once) as u32, sent: FIRST_LOOK.into() })
    }

    fn take_a_turn(&mut self, nozzle: &Nozzle) -> anyhow::Result<f64> {
        self.sent += u64::from(self.count);
        Ok(nozzle.send(&self.frame, self.count)?)
    }
}
