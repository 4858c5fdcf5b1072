//! What a packet costs on a wire, side by side with what operators use today: frames that arrive through a veth, and
//! what is behind it takes them. Net of what it costs to send them.
//!
//! `cargo bench -p sipward-tests --bench wire`, as root. It prints and never asserts: times are the machine's, the
//! ratios, taken in turn in one run, are what counts.

use sipward_tests::{
    frame::udp,
    message,
    raw_program::Sources,
    report::{Case, Report},
    wire::{
        BANNED, Generator,
        Receiver::{self, *},
        Seen, Server, with_checksum,
    },
};

const ROUNDS: usize = 5;
/// Nanoseconds of one measurement; the number of frames follows from what a first look at the receiver says.
const LONG_ENOUGH: f64 = 0.25e9;
const FIRST_LOOK: u32 = 20_000;

/// What arrives, and who is there to take it.
struct Profile {
    name: &'static str,
    sources: Sources,
    /// Whether the sources are held to their rates; otherwise these are looked at and never reached.
    rates: bool,
    receivers: &'static [Receiver],
    /// Whom the others are compared with.
    base: Receiver,
    message: fn() -> String,
    from: &'static str,
}

const STRANGER: &str = "198.51.100.7";
const ROTATING: u16 = 5_000;

const PROFILES: [Profile; 6] = [
    Profile {
        name: "OPTIONS flood",
        sources: Sources::One,
        rates: true,
        receivers: &[Sipward, Trivial, ScriptLegacy, ScriptNft, Nothing],
        base: Sipward,
        message: || message::clean("OPTIONS"),
        from: STRANGER,
    },
    Profile {
        name: "scanner's REGISTER",
        sources: Sources::One,
        rates: false,
        receivers: &[Sipward, Trivial, ScriptLegacy, ScriptNft, Nothing],
        base: Sipward,
        message: || message::request("REGISTER", "friendly-scanner"),
        from: STRANGER,
    },
    Profile {
        name: "clean REGISTER over its rate",
        sources: Sources::One,
        rates: true,
        receivers: &[Sipward, Trivial, ScriptLegacy, ScriptNft, Nothing],
        base: Sipward,
        message: || message::register_of(500),
        from: STRANGER,
    },
    Profile {
        name: "banned source",
        sources: Sources::One,
        rates: true,
        receivers: &[Sipward, Trivial, ScriptLegacy, ScriptNft, NftSet, IpSet, XdpFilter, Nothing],
        base: Sipward,
        message: || message::register_of(500),
        from: BANNED,
    },
    Profile {
        name: "clean REGISTER from 5,000 networks in turn",
        sources: Sources::Rotating(ROTATING),
        rates: true,
        receivers: &[Sipward, Trivial, ScriptLegacy, ScriptNft, Nothing],
        base: Sipward,
        message: || message::register_of(500),
        from: "0.0.7.7",
    },
    Profile {
        name: "clean REGISTER that passes",
        sources: Sources::One,
        rates: false,
        receivers: &[Nothing, Sipward, ScriptLegacy, ScriptNft],
        base: Nothing,
        message: || message::register_of(500),
        from: STRANGER,
    },
];

impl Profile {
    fn frame(&self) -> Vec<u8> {
        with_checksum(udp().from(self.from).carrying((self.message)()).build(), self.sources)
    }
}

fn main() -> anyhow::Result<()> {
    let mut report = Report::new("wire");
    for profile in PROFILES {
        report.section(profile.name);
        let generator = Generator::default();
        let nowhere = generator.nowhere();
        let mut servers = Vec::new();
        for receiver in profile.receivers {
            match Server::start(&generator, *receiver, profile.rates) {
                Ok(server) => servers.push(server),
                Err(error) => report.note(&format!("{}: not measured: {error:#}", receiver.name())),
            }
        }
        let frame = profile.frame();
        let mut cases: Vec<_> = servers.iter().map(|server| Case::new(server.receiver.name())).collect();
        let mut counts = Vec::new();
        for (server, case) in servers.iter().zip(&mut cases) {
            let once = generator.send(server.interface, &frame, profile.sources, FIRST_LOOK)?;
            case.count("sent", FIRST_LOOK.into());
            counts.push((LONG_ENOUGH / once) as u32);
        }
        for round in 0..ROUNDS {
            let sending = generator.send(nowhere, &frame, profile.sources, 1_000_000)?;
            for ((server, case), count) in servers.iter().zip(&mut cases).zip(&counts) {
                let taken = generator.send(server.interface, &frame, profile.sources, *count)?;
                case.round(round, taken - sending);
                case.count("sent", u64::from(*count));
            }
        }
        for (server, case) in servers.iter().zip(&mut cases) {
            let Seen { arrived, passed } = server.seen()?;
            case.count("arrived", arrived);
            case.count("let through", passed);
        }
        report.cases(&cases, profile.base.name());
    }
    report.end()
}
