//! The cost of one packet in the kernel: BPF_PROG_TEST_RUN per case, as a ratio to a program that drops
//! everything, measured in the same run and in turn with it.
//!
//! `cargo bench -p sipward-tests --bench kernel`, as root. It prints and never asserts: absolute times are
//! those of the machine, and the ratios those of the filter.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use sipward_engine::policy::Config;
use sipward_kernel::{Filter, LoadOptions, SuspensionEntry, SuspensionTarget, Tapping, Taps};
use sipward_tests::{
    cpu::measure_here,
    dispatched,
    frame::{tcp, udp},
    limits, message,
    raw_program::RawProgram,
    report::{self, Bound, Report, Unit},
    signatures,
    stack::Loaded,
    turns::Turns,
};
use sipward_types::time::KernelTime;
use sipward_types::{
    account::Account,
    flow::{Flow, Transport},
};
use xdp_prog::abi::{FOREVER, SourceEntry, kind};

const TURNS: Turns = Turns { rounds: 7, each: 3 };
/// Nanoseconds of one turn. A first measurement gives the number of runs.
const TURN: f64 = 15e6;
const FIRST_LOOK: u32 = 10_000;

/// The configuration of the filter in a case.
#[derive(Clone, Copy)]
struct Setting {
    signatures: usize,
    bans: u32,
    limits: bool,
    suspended: Suspended,
    known: Known,
    tap: Tap,
}

/// The entries for the sender, beside the flows of others.
#[derive(Clone, Copy, PartialEq)]
enum Known {
    Nothing,
    Source,
    /// Its port, too.
    Flow,
}

/// Whose accounts are suspended.
#[derive(Clone, Copy)]
enum Suspended {
    Nobody,
    /// Of a thousand other sources.
    Others,
    /// Another account of the same source, so that the message is looked into.
    Neighbour,
    /// The account itself.
    Own,
    /// Another account, everywhere.
    Lock,
}

/// The reader of the tap rings.
#[derive(Clone, Copy, PartialEq)]
enum Tap {
    Off,
    /// A reader is fast enough.
    Drained,
    /// Without a reader: the ring is full.
    Full,
    /// A stranger's packets are over their budget.
    OverBudget,
}

/// Which of the programs runs.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    In,
    Out,
}

struct Case {
    name: &'static str,
    setting: Setting,
    frame: Vec<u8>,
    drops: bool,
    way: Way,
}

const SIGNATURES_64: Setting = Setting {
    signatures: 64,
    bans: 1_000,
    limits: true,
    suspended: Suspended::Nobody,
    known: Known::Nothing,
    tap: Tap::Off,
};

fn cases() -> Vec<Case> {
    let case = |name, setting, frame: sipward_tests::frame::Frame, drops| Case {
        name,
        setting,
        frame: frame.build(),
        drops,
        way: Way::In,
    };
    let whole = |name, setting, frame| Case { frame, ..case(name, setting, udp(), false) };
    let out = |name, tap, frame| {
        let setting = Setting { tap, ..SIGNATURES_64 };
        Case { way: Way::Out, ..case(name, setting, frame, false) }
    };
    let tapping = |tap| Setting { tap, limits: false, ..SIGNATURES_64 };
    let suspending = |suspended| Setting { suspended, limits: false, ..SIGNATURES_64 };
    let knowing = |known| Setting { known, limits: false, ..SIGNATURES_64 };
    let refusal = message::answer_to_our_options("401 Unauthorized");
    let answer = || udp().from("203.0.113.1:5060").to("198.51.100.7:40000").carrying(&refusal);
    let with = |signatures| Setting { signatures, ..SIGNATURES_64 };
    let banned = |bans| Setting { bans, ..SIGNATURES_64 };
    let register = || udp().carrying(message::register_of(500));
    let invite = |length| udp().carrying(message::invite_of(length));
    let over_rate = Setting { limits: true, ..SIGNATURES_64 };
    let unlimited = |setting| Setting { limits: false, ..setting };
    vec![
        case("other port, IPv4", SIGNATURES_64, udp().to_port(10_000).carrying([0x80; 172]), false),
        case(
            "other port, VLAN",
            SIGNATURES_64,
            udp().vlan(0x8100).to_port(10_000).carrying([0x80; 172]),
            false,
        ),
        case("other port, IPv6", SIGNATURES_64, udp().v6().to_port(10_000).carrying([0x80; 172]), false),
        case("banned, 1 k bans", banned(1_000), register().from("10.0.0.7"), true),
        case("banned, 100 k bans", banned(100_000), register().from("10.0.0.7"), true),
        case("banned, 1 M bans", banned(1_000_000), register().from("10.0.0.7"), true),
        case("banned prefix", SIGNATURES_64, register().from("10.255.0.7"), true),
        whole(
            "first fragment of a REGISTER",
            unlimited(SIGNATURES_64),
            register().fragments(7, 400).remove(0),
        ),
        whole("a later fragment", SIGNATURES_64, register().fragments(7, 400).remove(1)),
        case("OPTIONS of a stranger", SIGNATURES_64, udp().carrying(message::clean("OPTIONS")), true),
        case("REGISTER over its rate", over_rate, register(), true),
        case("clean REGISTER, 500 bytes, 8 signatures", unlimited(with(8)), register(), false),
        case("clean REGISTER, 500 bytes, 64 signatures", unlimited(with(64)), register(), false),
        case("clean REGISTER, 500 bytes, 512 signatures", unlimited(with(512)), register(), false),
        case(
            "clean REGISTER, 1,400 bytes, 64 signatures",
            unlimited(with(64)),
            udp().carrying(message::register_of(1400)),
            false,
        ),
        case(
            "clean REGISTER, 300 bytes, 64 signatures",
            unlimited(with(64)),
            udp().carrying(message::short_register()),
            false,
        ),
        case("clean INVITE, 700 bytes, 8 signatures", unlimited(with(8)), invite(700), false),
        case("clean INVITE, 700 bytes, 512 signatures", unlimited(with(512)), invite(700), false),
        case("clean INVITE, 1,400 bytes, 64 signatures", unlimited(with(64)), invite(1400), false),
        case("clean REGISTER, IPv6, 64 signatures", unlimited(with(64)), register().v6(), false),
        case(
            "clean REGISTER, TCP, 64 signatures",
            unlimited(with(64)),
            tcp().carrying(message::register_of(500)),
            false,
        ),
        case("clean REGISTER of a known source", knowing(Known::Source), register(), false),
        case("clean REGISTER of a known flow", knowing(Known::Flow), register(), false),
        case(
            "clean REGISTER of a known flow, 300 bytes",
            knowing(Known::Flow),
            udp().carrying(message::short_register()),
            false,
        ),
        case("clean REGISTER, tapped", tapping(Tap::Drained), register(), false),
        case("clean REGISTER, tapped, ring full", tapping(Tap::Full), register(), false),
        case("clean REGISTER, tapped, over the budget", tapping(Tap::OverBudget), register(), false),
        case(
            "clean REGISTER, TCP, tapped",
            tapping(Tap::Drained),
            tcp().carrying(message::register_of(500)),
            false,
        ),
        case(
            "banned, tap on",
            Setting { tap: Tap::Drained, ..SIGNATURES_64 },
            register().from("10.0.0.7"),
            true,
        ),
        case(
            "OPTIONS of a stranger, tap on",
            Setting { tap: Tap::Drained, ..SIGNATURES_64 },
            udp().carrying(message::clean("OPTIONS")),
            true,
        ),
        case(
            "REGISTER over its rate, tap on",
            Setting { tap: Tap::Drained, ..SIGNATURES_64 },
            register(),
            true,
        ),
        case("clean REGISTER, others suspended", suspending(Suspended::Others), register(), false),
        case("clean REGISTER, neighbour suspended", suspending(Suspended::Neighbour), register(), false),
        case("clean REGISTER, another account locked", suspending(Suspended::Lock), register(), false),
        case("suspended REGISTER", suspending(Suspended::Own), register(), true),
        out("leaving: 401, tap off", Tap::Off, answer()),
        out("leaving: 401, tapped", Tap::Drained, answer()),
        out("leaving: 401, ring full", Tap::Full, answer()),
        out("leaving: RTP, tap on", Tap::Drained, answer().source_port(10_000).carrying([0x80; 172])),
        case(
            "signature found",
            unlimited(with(64)),
            udp().carrying(message::request("REGISTER", "friendly-scanner")),
            true,
        ),
        case(
            "hostile: trips the prefilter, 500 bytes",
            unlimited(with(64)),
            udp().carrying(hostile(500)),
            false,
        ),
        case(
            "hostile: trips the prefilter, 1,400 bytes",
            unlimited(with(64)),
            udp().carrying(hostile(1400)),
            false,
        ),
    ]
}

/// A message that looks as if a signature were everywhere, and has none.
fn hostile(length: usize) -> String {
    let filler: String = "friendly-scanne_".chars().cycle().take(length - 60).collect();
    format!("REGISTER sip:a SIP/2.0\r\nSubject: {filler}\r\nUser-Agent: x\r\n\r\n")
}

fn filter(setting: Setting) -> anyhow::Result<Filter> {
    let mut filter = Filter::load(&LoadOptions::default())?;
    let mut policy = Config::default().resolve()?.policy;
    policy.enforce = 1;
    if !setting.limits {
        limits::out_of_reach(&mut policy);
    }
    filter.set_policy(&policy)?;
    filter.set_signatures(&signatures::many(setting.signatures).compile()?.tables)?;
    let ban = SourceEntry { expires: FOREVER, kind: kind::BANNED, ..SourceEntry::default() };
    let address = |index| IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + index));
    filter.sources()?.put_all((0..setting.bans).map(|index| (address(index), ban)))?;
    filter.prefixes()?.put("10.255.0.0/16".parse()?, ban)?;
    suspend(&mut filter, setting.suspended)?;
    know(&mut filter, setting.known)?;
    filter.set_tapping(match setting.tap {
        Tap::Off => None,
        Tap::Drained | Tap::Full => Some(Tapping { strangers_per_second: u32::MAX }),
        Tap::OverBudget => Some(Tapping { strangers_per_second: 0 }),
    })?;
    Ok(filter)
}

/// The sender of most packets here.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));

fn know(filter: &mut Filter, known: Known) -> anyhow::Result<()> {
    if known == Known::Nothing {
        return Ok(());
    }
    filter.sources()?.put_known(HERE, 1, KernelTime::FOREVER)?;
    let mut flows = filter.known_flows()?;
    let flow = |port| Flow { port, transport: Transport::Udp };
    for index in 0..20_000 {
        flows.put(
            IpAddr::V4(Ipv4Addr::from_bits(0x0b00_0000 + index)),
            flow(5060),
            1,
            KernelTime::FOREVER,
        )?;
    }
    if known == Known::Flow {
        flows.put(HERE, flow(40_000), 1, KernelTime::FOREVER)?;
        // A flow is known because an account has worked there.
        let account = Account::new(b"201").expect("a name");
        filter.worked()?.put(HERE, &account, KernelTime::FOREVER)?;
    }
    Ok(())
}

fn suspend(filter: &mut Filter, suspended: Suspended) -> anyhow::Result<()> {
    let mut suspensions = filter.suspensions()?;
    let mut put = |source: Option<IpAddr>, name: &str| {
        let account = Account::new(name.as_bytes()).expect("a name");
        let suspension_entry =
            SuspensionEntry { until: KernelTime::FOREVER, exempt_known: false, unsaved: false };
        suspensions.put(SuspensionTarget::account(source, &account), suspension_entry)
    };
    match suspended {
        Suspended::Nobody => {}
        Suspended::Others => {
            for index in 0..1_000 {
                put(Some(IpAddr::V4(Ipv4Addr::from_bits(0x0b00_0000 + index))), "201")?;
            }
        }
        Suspended::Neighbour => put(Some(HERE), "202")?,
        Suspended::Own => put(Some(HERE), "201")?,
        Suspended::Lock => put(None, "202")?,
    }
    Ok(())
}

/// The mean time of one run in nanoseconds.
fn run(filter: &mut Filter, taps: &mut Taps, case: &Case, repeat: u32) -> anyhow::Result<f64> {
    if case.setting.tap == Tap::Drained && !case.drops {
        return run_and_drain(filter, taps, case);
    }
    let start = Instant::now();
    run_once(filter, case, repeat)?;
    Ok(start.elapsed().as_secs_f64() * 1e9 / f64::from(repeat))
}

/// So many runs make a turn.
fn in_a_turn(a_run: f64) -> u32 {
    (TURN / a_run) as u32
}

/// Without the time of reading what was handed over. The kernel measures each round by itself, coarsely; they are many.
fn run_and_drain(filter: &mut Filter, taps: &mut Taps, case: &Case) -> anyhow::Result<f64> {
    /// So many fit into a ring.
    const ROUND: u32 = 3_500;
    const ROUNDS: u32 = 30;
    let mut spent = Duration::ZERO;
    for _ in 0..ROUNDS {
        spent += run_once(filter, case, ROUND)?;
        taps.drain(KernelTime::FOREVER, usize::MAX, |_| {});
    }
    Ok(spent.as_secs_f64() * 1e9 / f64::from(ROUNDS))
}

fn run_once(filter: &mut Filter, case: &Case, repeat: u32) -> anyhow::Result<Duration> {
    let (goes_on, spent) = match case.way {
        Way::In => {
            let (action, spent) = filter.test_run(&case.frame, repeat)?;
            (action == XDP_PASS, spent)
        }
        Way::Out => {
            let (next, spent) = filter.test_run_egress(&case.frame, repeat)?;
            (next == NEXT, spent)
        }
    };
    anyhow::ensure!(goes_on != case.drops, "{}: it went another way", case.name);
    Ok(spent)
}

const HOSTILE: &str = "hostile";
const XDP_PASS: u32 = 2;
const NEXT: u32 = u32::MAX;

fn main() -> anyhow::Result<()> {
    let mut report = Report::new("kernel");
    measure_here();
    let trivial = RawProgram::drop_all()?;
    let _trivial_is_on = dispatched::program(&trivial)?;
    let trivially = in_a_turn(trivial.run(&udp().build(), FIRST_LOOK)?);
    report.section("a packet, to a trivial XDP_DROP", "");
    for case in cases() {
        if !report.wants(case.name) {
            continue;
        }
        let mut filter = filter(case.setting)?;
        let _filter_is_on = dispatched::filter(&mut filter)?;
        let mut taps = filter.taps()?;
        let repeat = in_a_turn(run(&mut filter, &mut taps, &case, FIRST_LOOK)?);
        // Both have their turns in the same rounds.
        let rounds = TURNS.take(&mut [true, false], |is_base| {
            if *is_base {
                Ok(trivial.run(&case.frame, trivially)?)
            } else {
                run(&mut filter, &mut taps, &case, repeat)
            }
        })?;
        let figures = |name, rounds: &[f64]| report::Case::of(name, Unit::Nanoseconds, rounds);
        report.case(&figures(case.name, &rounds[1]), &figures("XDP_DROP", &rounds[0]));
    }
    if report.wants(HOSTILE) {
        hostile_to_clean(&mut report)?;
    }
    costs(&mut report)?;
    report.end()
}

/// The worst of messages, to an ordinary one of the same length.
fn hostile_to_clean(report: &mut Report) -> anyhow::Result<()> {
    const REPEAT: u32 = 20_000;
    let mut filter = filter(Setting { limits: false, ..SIGNATURES_64 })?;
    let _filter_is_on = dispatched::filter(&mut filter)?;
    let mut frames = [hostile(500), message::register_of(500)].map(|message| udp().carrying(message).build());
    let rounds = TURNS.take(&mut frames, |frame| {
        let start = Instant::now();
        let (action, _) = filter.test_run(frame, REPEAT)?;
        anyhow::ensure!(action == XDP_PASS, "it did not pass");
        Ok(start.elapsed().as_secs_f64() * 1e9 / f64::from(REPEAT))
    })?;
    let case = |name, rounds: &[f64]| report::Case::of(name, Unit::Nanoseconds, rounds);
    let (hostile, clean) = (case("hostile", &rounds[0]), case("clean", &rounds[1]));
    let ratio = hostile.ratio(&clean).map(|ratio| ratio.figure);
    report.goal("hostile payload to a clean one, 500 bytes", Bound::AtMost(4.0), ratio);
    Ok(())
}

/// Adds the verifier's figures for both programs.
fn costs(report: &mut Report) -> anyhow::Result<()> {
    for fixed in Loaded::both()? {
        report.note(&fixed.to_string());
    }
    Ok(())
}
