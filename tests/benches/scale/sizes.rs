//! One packet, with little and with much of something in the tables.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    time::Instant,
};

use ipnet::{IpNet, Ipv4Net};
use sipward::{
    guard::Account,
    kernel::{Filter, LoadOptions, Sentence, Suspect},
    policy::Config,
};
use sipward_tests::{
    frame::{Frame, udp},
    limits, message,
    report::{Case, Report},
    signatures,
};
use xdp_prog::abi::{FOREVER, SourceEntry, kind};

const ROUNDS: usize = 5;
const REPEAT: u32 = 1_000_000;

/// Something that there can be much of.
struct Matter {
    name: &'static str,
    sizes: [u32; 3],
    fill: fn(&mut Filter, u32) -> anyhow::Result<()>,
    /// The packet that has to find its way through it.
    frame: fn() -> Frame,
    /// Limits are looked at and never reached.
    unlimited: bool,
}

const MATTERS: [Matter; 6] = [
    Matter {
        name: "bans, a banned source",
        sizes: [1_000, 100_000, 1_000_000],
        fill: bans,
        frame: || register().from("10.0.0.7"),
        unlimited: false,
    },
    Matter {
        name: "banned prefixes, a stranger's OPTIONS",
        sizes: [10, 1_000, 60_000],
        fill: prefixes,
        frame: || udp().carrying(message::clean("OPTIONS")),
        unlimited: false,
    },
    Matter {
        name: "signatures, a clean REGISTER",
        sizes: [8, 64, 512],
        fill: |filter, size| Ok(filter.set_signatures(&signatures::many(size as usize).compile()?.tables)?),
        frame: register,
        unlimited: true,
    },
    Matter {
        name: "suspensions of others, a clean REGISTER",
        sizes: [1, 1_000, 30_000],
        fill: suspensions,
        frame: register,
        unlimited: true,
    },
    Matter {
        name: "known sources, a known one's REGISTER",
        sizes: [1_000, 100_000, 1_000_000],
        fill: known,
        frame: || register().from("10.0.0.7"),
        unlimited: true,
    },
    Matter {
        name: "sources with a rate, one that is over its own",
        sizes: [1, 1_000, 60_000],
        fill: strangers,
        frame: register,
        unlimited: false,
    },
];

fn register() -> Frame {
    udp().carrying(message::register_of(500))
}

pub(crate) fn measure(report: &mut Report) -> anyhow::Result<()> {
    for matter in MATTERS {
        report.section(matter.name);
        let frame = (matter.frame)().build();
        let mut filled = Vec::new();
        for size in matter.sizes {
            filled.push(fill(&matter, size)?);
        }
        for round in 0..ROUNDS {
            for (filter, case) in &mut filled {
                let start = Instant::now();
                filter.test_run(&frame, REPEAT)?;
                case.round(round, start.elapsed().as_secs_f64() * 1e9 / f64::from(REPEAT));
            }
        }
        let cases: Vec<_> = filled.into_iter().map(|(_, case)| case).collect();
        let base = matter.sizes[0].to_string();
        report.cases(&cases, &base);
    }
    Ok(())
}

fn fill(matter: &Matter, size: u32) -> anyhow::Result<(Filter, Case)> {
    let mut filter = Filter::load(&LoadOptions::default())?;
    let mut policy = Config::default().resolve()?.policy;
    policy.enforce = 1;
    if matter.unlimited {
        limits::out_of_reach(&mut policy);
    }
    filter.set_policy(&policy)?;
    filter.set_signatures(&signatures::many(64).compile()?.tables)?;
    let mut case = Case::new(size.to_string());
    let (before, start) = (memory()?, Instant::now());
    (matter.fill)(&mut filter, size)?;
    case.count("filled in ms", u64::try_from(start.elapsed().as_millis())?);
    case.count("KiB more", memory()?.saturating_sub(before) / 1024);
    Ok((filter, case))
}

/// What the kernel holds in the maps of this process.
fn memory() -> anyhow::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir("/proc/self/fdinfo")? {
        // The directory's own descriptor is gone by now.
        let Ok(text) = fs::read_to_string(entry?.path()) else { continue };
        let bytes = text.lines().find_map(|line| line.strip_prefix("memlock:")?.trim().parse::<u64>().ok());
        sum += bytes.unwrap_or_default();
    }
    Ok(sum)
}

fn address(index: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0007 + index).into()
}

fn bans(filter: &mut Filter, size: u32) -> anyhow::Result<()> {
    let ban = SourceEntry { expires: FOREVER, shadowed_until: 0, kind: kind::BANNED, budget: 0 };
    Ok(filter.sources()?.put_all((0..size).map(|index| (address(index), ban)))?)
}

fn known(filter: &mut Filter, size: u32) -> anyhow::Result<()> {
    let known = SourceEntry { expires: FOREVER, shadowed_until: 0, kind: kind::KNOWN, budget: 1 };
    Ok(filter.sources()?.put_all((0..size).map(|index| (address(index), known)))?)
}

fn prefixes(filter: &mut Filter, size: u32) -> anyhow::Result<()> {
    let ban = SourceEntry { expires: FOREVER, shadowed_until: 0, kind: kind::BANNED, budget: 0 };
    for index in 0..size {
        let net = Ipv4Net::new_assert(Ipv4Addr::from_bits(0x0a00_0000 + index * 256), 24);
        filter.prefixes()?.put(IpNet::V4(net), ban)?;
    }
    Ok(())
}

fn suspensions(filter: &mut Filter, size: u32) -> anyhow::Result<()> {
    let account = Account::new(b"201").expect("a name");
    let sentence = Sentence { until: FOREVER, exempt_known: false, unsaved: false };
    let mut suspensions = filter.suspensions()?;
    for index in 0..size {
        suspensions.put(Suspect::account(Some(address(index)), &account), sentence)?;
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
