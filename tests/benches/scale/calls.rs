//! A customer's calls, while a flood fills the core that takes the packets.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use sipward_tests::{
    caller::{CALLS, Caller, Plan},
    frame::udp,
    message,
    raw_program::Sources,
    report::{Case, Report},
    scratch::Scratch,
    tool::{Running, tool},
    wire::{CUSTOMER, Generator, PBX, Receiver, Seen, Server, with_checksum},
};

const PLAN: Plan<'static> = Plan { count: 24, rate: 8, ..CALLS };
const ROUNDS: usize = 3;

/// A flood that a rate for each source stops, and one that it does not.
const FLOODS: [(&str, Sources, &str); 2] = [
    ("calls beside REGISTERs of one source", Sources::One, "198.51.100.7"),
    ("calls beside REGISTERs of 5,000 networks", Sources::Rotating(5_000), "0.0.7.7"),
];

pub(crate) fn measure(report: &mut Report) -> anyhow::Result<()> {
    for (name, sources, from) in FLOODS {
        report.section(name);
        let frame = with_checksum(udp().from(from).carrying(message::register_of(500)).build(), sources);
        let mut cases = Vec::new();
        for receiver in [Receiver::Sipward, Receiver::ScriptLegacy, Receiver::Nothing] {
            let mut case = Case::in_unit(receiver.name(), "ms");
            for round in 0..ROUNDS {
                let generator = Generator::default();
                let server = Server::without_reader(&generator, receiver, true)?;
                one_round(&generator, &server, &frame, sources, round, &mut case)?;
            }
            cases.push(case);
        }
        report.cases(&cases, Receiver::Sipward.name());
    }
    Ok(())
}

/// The time is from the INVITE to the answer.
fn one_round(
    generator: &Generator,
    server: &Server,
    frame: &[u8],
    sources: Sources,
    round: usize,
    case: &mut Case,
) -> anyhow::Result<()> {
    let scratch = Scratch::new(server.host());
    let mut pbx = server.host().command(tool("sipp"));
    pbx.args(["-sn", "uas", "-i", PBX, "-p", "5060", "-nostdin", "-skip_rlimit"]);
    let _pbx = Running::start(&mut pbx, &scratch.0.join("pbx"));
    generator.live_at(CUSTOMER);
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let (tally, delay) = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                const PART: u32 = 50_000;
                if generator.send(server.interface, frame, sources, PART).is_err() {
                    break;
                }
                sent.fetch_add(PART.into(), Ordering::Relaxed);
            }
        });
        let result = Caller::at(generator.host(), CUSTOMER, PBX).run_timed(&PLAN);
        over.store(true, Ordering::Relaxed);
        result
    });
    case.round(round, delay);
    case.count("calls", tally.successful.into());
    case.count("calls lost", tally.failed.into());
    case.count("flood", sent.into_inner());
    let Seen { passed, .. } = server.seen()?;
    case.count("let through", passed);
    Ok(())
}
