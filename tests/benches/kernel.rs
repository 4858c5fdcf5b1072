//! What one packet costs in the kernel: BPF_PROG_TEST_RUN per case, as a ratio to a program that drops
//! everything, measured in the same run and in turn with it.
//!
//! `cargo bench -p sipward-tests --bench kernel`, as root. It prints and never asserts: absolute times are
//! the machine's, the ratios are ours.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    time::Instant,
};

use sipward::{
    kernel::{Filter, LoadOptions},
    policy::Config,
    signature::SignatureSet,
};
use sipward_tests::{
    figures::median,
    frame::{tcp, udp},
    message,
};
use xdp_prog::abi::{FOREVER, SourceEntry, kind};

const ROUNDS: usize = 5;

/// `r0 = XDP_DROP; exit`.
struct Trivial(OwnedFd);

impl Trivial {
    fn load() -> io::Result<Self> {
        const MOVE: u8 = 0xb7;
        const EXIT: u8 = 0x95;
        let program: [u8; 16] = [MOVE, 0, 0, 0, 1, 0, 0, 0, EXIT, 0, 0, 0, 0, 0, 0, 0];
        #[repr(C)]
        struct Attributes {
            kind: u32,
            instructions: u32,
            program: u64,
            license: u64,
        }
        const PROG_LOAD: i32 = 5;
        const XDP: u32 = 6;
        let attributes = Attributes {
            kind: XDP,
            instructions: 2,
            program: program.as_ptr() as u64,
            license: c"GPL".as_ptr() as u64,
        };
        // SAFETY: the attributes and what they point to live through the call.
        let fd = unsafe { libc::syscall(libc::SYS_bpf, PROG_LOAD, &attributes, size_of::<Attributes>()) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a new descriptor that nobody else has.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).expect("a descriptor")) }))
    }

    fn run(&self, frame: &[u8], repeat: u32) -> io::Result<f64> {
        #[repr(C)]
        struct Attributes {
            program: u32,
            verdict: u32,
            length: u32,
            room: u32,
            frame: u64,
            out: u64,
            repeat: u32,
            duration: u32,
            rest: [u64; 4],
        }
        const TEST_RUN: i32 = 10;
        let mut attributes = Attributes {
            program: u32::try_from(self.0.as_raw_fd()).expect("a descriptor"),
            verdict: 0,
            length: u32::try_from(frame.len()).expect("a frame"),
            room: 0,
            frame: frame.as_ptr() as u64,
            out: 0,
            repeat,
            duration: 0,
            rest: [0; 4],
        };
        let start = Instant::now();
        // SAFETY: as above.
        let result =
            unsafe { libc::syscall(libc::SYS_bpf, TEST_RUN, &mut attributes, size_of::<Attributes>()) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(start.elapsed().as_secs_f64() * 1e9 / f64::from(repeat))
    }
}

/// How the filter is set up for a case.
#[derive(Clone, Copy)]
struct Setting {
    signatures: usize,
    bans: u32,
    limits: bool,
}

struct Case {
    name: &'static str,
    setting: Setting,
    frame: Vec<u8>,
    drops: bool,
}

const SIGNATURES_64: Setting = Setting { signatures: 64, bans: 1_000, limits: true };

fn cases() -> Vec<Case> {
    let case = |name, setting, frame: sipward_tests::frame::Frame, drops| Case {
        name,
        setting,
        frame: frame.build(),
        drops,
    };
    let with = |signatures| Setting { signatures, ..SIGNATURES_64 };
    let banned = |bans| Setting { bans, ..SIGNATURES_64 };
    let register = || udp().carrying(message::register_of(500));
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
        case("clean REGISTER, IPv6, 64 signatures", unlimited(with(64)), register().v6(), false),
        case(
            "clean REGISTER, TCP, 64 signatures",
            unlimited(with(64)),
            tcp().carrying(message::register_of(500)),
            false,
        ),
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

/// The shipped set's most wanted, and as many more as it takes.
fn signatures(count: usize) -> SignatureSet {
    let mut text = String::new();
    for index in 0..count {
        let word = match index {
            0 => "friendly-scanner".to_owned(),
            1 => "sipvicious".to_owned(),
            _ => format!("scanner-{:06x}", index.wrapping_mul(0x9e_3779) & 0xff_ffff),
        };
        text += &format!(
            "[[signature]]\nname = \"s{index}\"\nin = \"User-Agent\"\ncontains = \"{word}\"\nnote = \"bench\"\n"
        );
    }
    SignatureSet::parse(&text, "the benchmark").expect("a valid set")
}

fn filter(setting: Setting) -> anyhow::Result<Filter> {
    let mut filter = Filter::load(&LoadOptions::default())?;
    let mut policy = Config::default().resolve()?.policy;
    policy.enforce = 1;
    if !setting.limits {
        // The limits stay on the path; they are only never reached.
        for limit in policy.stranger.iter_mut().chain(&mut policy.prefix) {
            if limit.interval != 0 {
                limit.interval = 1;
                limit.tolerance = u64::MAX / 2;
            }
            if limit.window != 0 {
                limit.window = 1;
                limit.window_max = 60_000;
            }
        }
    }
    filter.set_policy(&policy)?;
    filter.set_signatures(&signatures(setting.signatures).compile()?.tables)?;
    let ban = SourceEntry { expires: FOREVER, shadowed_until: 0, kind: kind::BANNED, budget: 0 };
    let address = |index| IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + index));
    filter.sources()?.put_all((0..setting.bans).map(|index| (address(index), ban)))?;
    Ok(filter)
}

fn main() -> anyhow::Result<()> {
    let json = std::env::args().any(|argument| argument == "--json");
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let trivial = Trivial::load()?;
    if !json {
        println!("{:<44} {:>8} {:>8}  of a trivial XDP_DROP", "case", "ns", "ratio");
    }
    for case in cases() {
        if only.as_ref().is_some_and(|only| !case.name.contains(only.as_str())) {
            continue;
        }
        let mut filter = filter(case.setting)?;
        let (mut ours, mut ratios) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let repeat = if case.frame.len() > 300 { 2_000_000 } else { 5_000_000 };
            let base = trivial.run(&case.frame, 10_000_000)?;
            let start = Instant::now();
            let (action, _) = filter.test_run(&case.frame, repeat)?;
            let nanoseconds = start.elapsed().as_secs_f64() * 1e9 / f64::from(repeat);
            anyhow::ensure!((action == 1) == case.drops, "{}: action {action}", case.name);
            ours.push(nanoseconds);
            ratios.push(nanoseconds / base);
        }
        let (nanoseconds, ratio) = (median(ours), median(ratios));
        if json {
            println!("{}", serde_json::json!({ "case": case.name, "ns": nanoseconds, "ratio": ratio }));
        } else {
            println!("{:<44} {nanoseconds:>8.1} {ratio:>8.1}", case.name);
        }
    }
    Ok(())
}
