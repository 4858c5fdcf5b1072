//! One packet, with little and with much of something in the tables.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    time::Instant,
};

use ipnet::{IpNet, Ipv4Net};
use sipward_engine::policy::Config;
use sipward_kernel::{Filter, LoadOptions, SuspensionEntry, SuspensionTarget};
use sipward_tests::{
    cpu::measure_here,
    dispatched,
    frame::{Frame, udp},
    limits, message,
    report::{Bound, Case, Report, Unit},
    signatures,
    turns::Turns,
};
use sipward_types::time::KernelTime;
use sipward_types::{
    account::Account,
    flow::{Flow, Transport},
};
use xdp_prog::abi::{FOREVER, SourceEntry, kind};

const TURNS: Turns = Turns { rounds: 7, each: 3 };
/// In one turn.
const REPEAT: u32 = 100_000;
const PACKET: &str = "a packet";
const MEMORY: &str = "the kernel's memory for it";
/// The sizes of a matter, in the columns of a table.
const SIZES: [&str; 3] = ["few", "more", "many"];

/// Something that there can be much of.
struct Matter {
    name: &'static str,
    sizes: [u32; 3],
    fill: fn(&mut Filter, u32) -> anyhow::Result<()>,
    /// The packet that has to find its way through it.
    frame: fn() -> Frame,
    /// Limits are looked at and never reached.
    unlimited: bool,
    /// Of much, to little.
    goal: Option<Bound>,
}

const MATTERS: [Matter; 7] = [
    Matter {
        name: "bans, a banned source",
        sizes: [1_000, 100_000, 1_000_000],
        fill: bans,
        frame: || register().from("10.0.0.7"),
        unlimited: false,
        goal: None,
    },
    Matter {
        name: "banned prefixes, a stranger's OPTIONS",
        sizes: [10, 1_000, 60_000],
        fill: prefixes,
        frame: || udp().carrying(message::clean("OPTIONS")),
        unlimited: false,
        goal: None,
    },
    Matter {
        name: "signatures, a clean REGISTER",
        sizes: [8, 64, 512],
        fill: |filter, size| Ok(filter.set_signatures(&signatures::many(size as usize).compile()?.tables)?),
        frame: register,
        unlimited: true,
        goal: Some(Bound::AtMost(1.1)),
    },
    Matter {
        name: "suspensions of others, a clean REGISTER",
        sizes: [1, 1_000, 30_000],
        fill: suspensions,
        frame: register,
        unlimited: true,
        goal: None,
    },
    Matter {
        name: "known sources, a known one's REGISTER",
        sizes: [1_000, 100_000, 1_000_000],
        fill: known,
        frame: || register().from("10.0.0.7"),
        unlimited: true,
        goal: None,
    },
    Matter {
        name: "known flows, a known one's REGISTER",
        sizes: [1, 1_000, 60_000],
        fill: known_flows,
        frame: || register().from("10.0.0.7").source_port(FLOW.port),
        unlimited: true,
        goal: None,
    },
    Matter {
        name: "sources with a rate, one that is over its own",
        sizes: [1, 1_000, 60_000],
        fill: strangers,
        frame: register,
        unlimited: false,
        goal: None,
    },
];

fn register() -> Frame {
    udp().carrying(message::register_of(500))
}

pub(crate) fn measure(report: &mut Report) -> anyhow::Result<()> {
    measure_here();
    for matter in MATTERS {
        if report.wants(matter.name) {
            report.progress(matter.name);
            matter.measure(report)?;
        }
    }
    if report.wants(MILLION) {
        report.progress(MILLION);
        a_million_bans(report)?;
    }
    Ok(())
}

impl Matter {
    fn measure(&self, report: &mut Report) -> anyhow::Result<()> {
        let frame = (self.frame)().build();
        let (mut filters, mut memories) = (Vec::new(), Vec::new());
        for (size, name) in self.sizes.into_iter().zip(SIZES) {
            let (mut filter, memory) = self.filter(size)?;
            let is_on = dispatched::filter(&mut filter)?;
            filters.push((filter, is_on));
            memories.push(Case::of(name, Unit::Mebibytes, &[memory]));
        }
        let rounds = TURNS.take(&mut filters, |(filter, _)| {
            let start = Instant::now();
            filter.test_run(&frame, REPEAT)?;
            anyhow::Ok(start.elapsed().as_secs_f64() * 1e9 / f64::from(REPEAT))
        })?;
        let costs = SIZES.into_iter().zip(&rounds);
        let costs: Vec<_> = costs.map(|(name, rounds)| Case::of(name, Unit::Nanoseconds, rounds)).collect();
        let [few, more, many] = self.sizes;
        let name = format!("{} ({few}, {more}, {many})", self.name);
        report.section(PACKET, &name);
        report.cases(&costs, SIZES[0]);
        report.section(MEMORY, &name);
        report.cases(&memories, SIZES[0]);
        if let Some(bound) = self.goal {
            report.goal(
                &format!("{}, {many} : {few}", self.name),
                bound,
                costs[2].ratio(&costs[0]).map(|ratio| ratio.figure),
            );
        }
        Ok(())
    }

    /// With so much of it, and how many MiB more that is than without.
    fn filter(&self, size: u32) -> anyhow::Result<(Filter, f64)> {
        let mut filter = Filter::load(&LoadOptions::default())?;
        let mut policy = Config::default().resolve()?.policy;
        policy.enforce = 1;
        if self.unlimited {
            limits::out_of_reach(&mut policy);
        }
        filter.set_policy(&policy)?;
        filter.set_signatures(&signatures::many(64).compile()?.tables)?;
        let before = memory()?;
        (self.fill)(&mut filter, size)?;
        Ok((filter, memory()? - before))
    }
}

const MILLION: &str = "a million bans";

/// The time and memory of a million bans, beside those of an empty filter.
fn a_million_bans(report: &mut Report) -> anyhow::Result<()> {
    const LOADS: usize = 3;
    let (mut seconds, mut empty) = (Vec::new(), Vec::new());
    for _ in 0..LOADS {
        let before = memory()?;
        let mut filter = Filter::load(&LoadOptions::default())?;
        empty.push(memory()? - before);
        let start = Instant::now();
        bans(&mut filter, 1_000_000)?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    report.section("a million bans, into the kernel", "");
    report.cases(&[Case::of("all of them", Unit::Seconds, &seconds)], "");
    report.section("the kernel's memory for a filter", "");
    report.cases(&[Case::of("an empty one", Unit::Mebibytes, &empty)], "");
    Ok(())
}

/// The memory of the maps that this process has open, in MiB.
fn memory() -> anyhow::Result<f64> {
    let mut sum = 0;
    for entry in fs::read_dir("/proc/self/fdinfo")? {
        // The directory's own descriptor is gone by now.
        let Ok(text) = fs::read_to_string(entry?.path()) else { continue };
        let bytes = text.lines().find_map(|line| line.strip_prefix("memlock:")?.trim().parse::<u64>().ok());
        sum += bytes.unwrap_or_default();
    }
    Ok(sum as f64 / f64::from(1 << 20))
}

fn address(index: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0007 + index).into()
}

fn bans(filter: &mut Filter, size: u32) -> anyhow::Result<()> {
    let ban = SourceEntry { expires: FOREVER, kind: kind::BANNED, ..SourceEntry::default() };
    Ok(filter.sources()?.put_all((0..size).map(|index| (address(index), ban)))?)
}

fn known(filter: &mut Filter, size: u32) -> anyhow::Result<()> {
    let known = SourceEntry::known(1, FOREVER);
    Ok(filter.sources()?.put_all((0..size).map(|index| (address(index), known)))?)
}

const FLOW: Flow = Flow { port: 40_000, transport: Transport::Udp };

/// One of each source.
fn known_flows(filter: &mut Filter, size: u32) -> anyhow::Result<()> {
    known(filter, size)?;
    let mut flows = filter.known_flows()?;
    for index in 0..size {
        flows.put(address(index), FLOW, 1, KernelTime::FOREVER)?;
    }
    Ok(())
}

fn prefixes(filter: &mut Filter, size: u32) -> anyhow::Result<()> {
    let ban = SourceEntry { expires: FOREVER, kind: kind::BANNED, ..SourceEntry::default() };
    for index in 0..size {
        let net = Ipv4Net::new_assert(Ipv4Addr::from_bits(0x0a00_0000 + index * 256), 24);
        filter.prefixes()?.put(IpNet::V4(net), ban)?;
    }
    Ok(())
}

fn suspensions(filter: &mut Filter, size: u32) -> anyhow::Result<()> {
    let account = Account::new(b"201").expect("a name");
    let suspension_entry =
        SuspensionEntry { until: KernelTime::FOREVER, exempt_known: false, unsaved: false };
    let mut suspensions = filter.suspensions()?;
    for index in 0..size {
        suspensions.put(SuspensionTarget::account(Some(address(index)), &account), suspension_entry)?;
    }
    Ok(())
}

/// Each in a network of its own, so that none of them spends another's rate.
fn strangers(filter: &mut Filter, size: u32) -> anyhow::Result<()> {
    for index in 0..size {
        filter.test_run(&register().stranger(index as usize).build(), 1)?;
    }
    Ok(())
}
