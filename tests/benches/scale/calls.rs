//! A customer's calls, while a flood fills the CPU that takes the packets.
//!
//! ```text
//!   the other CPU                                   the measuring CPU
//!   flood, customer ── wire0 ══════════════ eth0 ── its NAPI thread, with the filter
//!   Kamailio, phone ◄── socket ◄───────────────────────┘
//! ```
//!
//! The size of the flood does not depend on the receiver: a receiver that is too slow loses packets of the wire, those of
//! customers and those of others.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use sipward_tests::{
    caller::{CALLS, Caller, Plan},
    cpu::{OTHER, measuring, stay_on},
    frame::udp,
    message,
    pbx::Pbx,
    raw_program::{Load, Sources, addressed_to},
    report::{Bound, Case, Report, Unit},
    wire::{CUSTOMER, Generator, PBX, Receiver, Seen, Server, with_checksum},
};

const PLAN: Plan<'static> = Plan { count: 16, rate: 8, ..CALLS };
const ROUNDS: usize = 3;
const RECEIVERS: [Receiver; 3] = [Receiver::Sipward, Receiver::ScriptLegacy, Receiver::Nothing];
/// Frames a second, when the generator has its CPU for itself: some 4 Gbit/s.
const FLOOD: f64 = 1e6;
const SOURCES: Sources = Sources::Rotating(5_000);

struct Flood {
    name: &'static str,
    message: fn() -> String,
    /// The bound that the filter should keep.
    goal: Option<Bound>,
}

const FLOODS: [Flood; 2] = [
    Flood {
        name: "REGISTERs from 5,000 networks",
        message: || message::register_of(500),
        goal: Some(Bound::AtLeast(100.0)),
    },
    // Each of these sources may make ten calls a second.
    Flood { name: "INVITEs from 5,000 networks", message: || message::clean("INVITE"), goal: None },
];

/// The results of one customer's calls.
struct Outcome {
    completed: f64,
    delay: f64,
    sent: u64,
    seen: Seen,
}

pub(crate) fn measure(report: &mut Report) -> anyhow::Result<()> {
    // So do all that are started here. What is left is for the receiver.
    stay_on(OTHER);
    for flood in FLOODS {
        if report.wants(flood.name) {
            flood.measure(report)?;
        }
    }
    Ok(())
}

impl Flood {
    fn measure(&self, report: &mut Report) -> anyhow::Result<()> {
        let cases = |unit| RECEIVERS.map(|receiver| Case::new(receiver.name(), unit));
        let (mut completed, mut delays) = (cases(Unit::Percent), cases(Unit::Milliseconds));
        for round in 0..ROUNDS {
            for (index, receiver) in RECEIVERS.into_iter().enumerate() {
                report.progress(&format!("calls beside {}, {}", self.name, receiver.name()));
                let outcome = self.beside(receiver)?;
                completed[index].round(round, outcome.completed);
                completed[index].count("flood", outcome.sent);
                completed[index].count("arrived", outcome.seen.arrived);
                completed[index].count("let through", outcome.seen.passed);
                if outcome.completed > 0.0 {
                    delays[index].round(round, outcome.delay);
                }
            }
        }
        let name = format!("beside {}", self.name);
        report.section("calls of a customer that are completed", &name);
        report.cases(&completed, Receiver::Sipward.name());
        report.section("from the INVITE to the answer", &name);
        report.cases(&delays, Receiver::Sipward.name());
        if let Some(bound) = self.goal {
            report.goal(&format!("calls completed {name}, %"), bound, Ok(completed[0].figure()));
        }
        Ok(())
    }

    fn beside(&self, receiver: Receiver) -> anyhow::Result<Outcome> {
        let generator = Generator::default();
        let server = Server::without_reader(&generator, receiver, true)?;
        server.take_packets_on(measuring())?;
        generator.live_at(CUSTOMER);
        let frame = udp().from("0.0.7.7").to(&format!("{PBX}:5060")).carrying((self.message)());
        let frame = addressed_to(server.interface, with_checksum(frame.build(), SOURCES));
        let load = thinned(&generator, &frame)?;
        let flood = generator.nozzle(load)?;
        let _pbx = Pbx::start(server.host());
        let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
        let (tally, delay) = thread::scope(|scope| {
            let flooding = scope.spawn(|| {
                generator.host().enter(|| {
                    while !over.load(Ordering::Relaxed) {
                        const PART: u32 = 500_000;
                        flood.send(&frame, PART)?;
                        sent.fetch_add(u64::from(PART) / u64::from(load.one_in), Ordering::Relaxed);
                    }
                    anyhow::Ok(())
                })
            });
            let result = Caller::at(generator.host(), CUSTOMER, PBX).run_timed(&PLAN);
            over.store(true, Ordering::Relaxed);
            flooding.join().expect("it floods").map(|()| result)
        })?;
        let completed = 100.0 * f64::from(tally.successful) / f64::from(tally.successful + tally.failed);
        Ok(Outcome { completed, delay, sent: sent.into_inner(), seen: server.seen()? })
    }
}

/// So many frames are left out that as many are sent as the flood is to have.
fn thinned(generator: &Generator, frame: &[u8]) -> anyhow::Result<Load> {
    const TRIAL: Load = Load { sources: SOURCES, one_in: 1_000 };
    let nozzle = generator.nozzle(TRIAL)?;
    let a_frame = generator.host().enter(|| nozzle.send(frame, 1_000_000))?;
    Ok(Load { one_in: (1e9 / FLOOD / a_frame).ceil() as u16, ..TRIAL })
}
