//! The cost of a million bans: import, memory, look-up, listing, and the start of the daemon.
//!
//! `cargo bench -p sipward-tests --bench lists`, as root, with `sipward` built in release mode beside it. It prints and
//! never asserts a time, because times depend on the machine.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::{IpAddr, Ipv4Addr},
    os::fd::{AsFd as _, AsRawFd as _},
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use aya::maps::MapData;
use sipward::{
    control::{Client, ClientError},
    paths,
};
use sipward_api::Call;
use sipward_engine::policy::Config;
use sipward_kernel::{Filter, LoadOptions, Pins, Tables};
use sipward_tests::{
    command::Sipward, daemon::Daemon, figures::median, frame::udp, message, namespace::Lan, scratch::Scratch,
};
use xdp_prog::abi::{FOREVER, SourceEntry, VERSION, kind, map};

const BANS: u32 = 1_000_000;
const FEW: u32 = 1_000;
const XDP_DROP: u32 = 1;

/// The bans, spread over an eighth of IPv4 and in no order: an odd factor meets every number once.
fn address(index: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x2000_0000 + (index.wrapping_mul(0x9e37_79b1) & 0x1fff_ffff))
}

fn main() -> anyhow::Result<()> {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let scratch = Scratch::new(pbx);
    let config = scratch.file("sipward.toml", "interface = 'eth0'\nmode = 'enforce'\n");
    for (name, line) in [
        ("bare addresses", (|index| format!("{}\n", address(index))) as fn(u32) -> String),
        ("addresses with an end and a note, each its own", line_with_all),
    ] {
        println!("{BANS} bans, {name}");
        let list = scratch.file("list.txt", &(0..BANS).map(line).collect::<String>());
        let sipward = Sipward::new(pbx);
        let daemon = Daemon::start(&sipward, &config);
        import(&sipward, &daemon, &list)?;
        read(&sipward)?;
        start_again(&sipward, daemon, &config)?;
        sipward.ok("detach");
        println!();
    }
    look_up()
}

/// Ends in the order of nothing, so that each is put somewhere else in the index of what runs out.
fn line_with_all(index: u32) -> String {
    let day = 1 + index.wrapping_mul(0x9e37_79b1) / 7 % 28;
    let time = format!("2033-05-{day:02}T{:02}:{:02}:{:02}Z", index / 7 % 24, index / 11 % 60, index % 60);
    format!("{} until {time} # scanner {index}\n", address(index))
}

fn row(what: &str, value: impl std::fmt::Display) {
    println!("  {what:<44} {value}");
}

fn import(sipward: &Sipward<'_>, daemon: &Daemon, list: &str) -> anyhow::Result<()> {
    let before = (memory(daemon.pid(), "VmRSS"), kernel_memory(sipward)?);
    let (said, time, waits) = while_asking(sipward, || Ok(sipward.ok(&format!("ban import {list}"))))?;
    anyhow::ensure!(said == "1,000,000 banned\n", "{said}");
    let after = (memory(daemon.pid(), "VmRSS"), kernel_memory(sipward)?);
    let rate = f64::from(BANS) / time.as_secs_f64();
    row("import", format!("{:.1} s, {rate:.0} a second", time.as_secs_f64()));
    row("a `status` meanwhile", waits);
    row("memory of the daemon, before and after", format!("{} and {} MiB", before.0 >> 20, after.0 >> 20));
    row(
        "memory of the kernel's map, before and after",
        format!("{} and {} MiB", before.1 >> 20, after.1 >> 20),
    );
    row(
        "the store on disk",
        format!("{} MiB", fs::metadata(sipward.state().join("sipward.db"))?.len() >> 20),
    );
    Ok(())
}

fn read(sipward: &Sipward<'_>) -> anyhow::Result<()> {
    let ((first, memory), time, waits) = while_asking(sipward, || {
        let begun = Instant::now();
        let mut list = sipward.command("ban list").stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(list.stdout.take().expect("piped")).lines();
        let _names = lines.next().transpose()?;
        let _first = lines.next().transpose()?;
        let first = begun.elapsed();
        // Near the end, where the command is still there to be looked at.
        let near = lines.by_ref().take(BANS as usize - 5_000).count();
        let most = memory(list.id(), "VmHWM");
        let rest = lines.count();
        anyhow::ensure!(1 + near + rest == BANS as usize, "{} lines", 1 + near + rest);
        anyhow::ensure!(list.wait()?.success(), "the list failed");
        Ok((first, most))
    })?;
    row("`ban list`, first line", format!("{:.0} ms", milliseconds(first)));
    row("`ban list`, all", format!("{:.1} s", time.as_secs_f64()));
    row("memory of `ban list` at most", format!("{} MiB", memory >> 20));
    row("a `status` meanwhile", waits);
    Ok(())
}

fn start_again(sipward: &Sipward<'_>, daemon: Daemon, config: &str) -> anyhow::Result<()> {
    daemon.terminate();
    let begun = Instant::now();
    let daemon = Daemon::start(sipward, config);
    row("start with what is in the kernel already", format!("{:.1} s", begun.elapsed().as_secs_f64()));
    let ask = ask_status(&mut connect(sipward)?)?;
    row("the first `status` after it", format!("{:.1} ms", milliseconds(ask)));
    row("memory of the daemon at most", format!("{} MiB", memory(daemon.pid(), "VmHWM") >> 20));
    daemon.terminate();
    // As after a reboot.
    fs::remove_dir_all(sipward.pins())?;
    let begun = Instant::now();
    let daemon = Daemon::start(sipward, config);
    row("start with an empty kernel", format!("{:.1} s", begun.elapsed().as_secs_f64()));
    let there = Tables::open(&Pins::at(sipward.pins()))?.sources()?.iter().count();
    anyhow::ensure!(there == BANS as usize, "{there} in the kernel");
    row("memory of the daemon at most", format!("{} MiB", memory(daemon.pid(), "VmHWM") >> 20));
    Ok(())
}

/// The cost of a packet from a banned source, with few bans and with many.
fn look_up() -> anyhow::Result<()> {
    const ROUNDS: usize = 5;
    println!("a banned packet, in the kernel");
    let mut filters = [filter(FEW)?, filter(BANS)?];
    let (mut same, mut others) = ([vec![], vec![]], [vec![], vec![]]);
    for _ in 0..ROUNDS {
        for (index, (filter, bans)) in filters.iter_mut().zip([FEW, BANS]).enumerate() {
            same[index].push(cost_of_one_source(filter)?);
            others[index].push(cost_of_all_sources(filter, bans)?);
        }
    }
    let [few, many] = same.map(median);
    row("always the same source, 1 k bans", format!("{few:.0} ns"));
    row("always the same source, 1 M bans", format!("{many:.0} ns, {:.2} times as much", many / few));
    let [few, many] = others.map(median);
    row("another source each time, 1 M bans", format!("{:.0} ns more than with 1 k", many - few));
    Ok(())
}

fn filter(bans: u32) -> anyhow::Result<Filter> {
    let mut filter = Filter::load(&LoadOptions::default())?;
    let mut policy = Config::default().resolve()?.policy;
    policy.enforce = 1;
    filter.set_policy(&policy)?;
    let ban = SourceEntry { expires: FOREVER, kind: kind::BANNED, ..SourceEntry::default() };
    filter.sources()?.put_all((0..bans).map(|index| (IpAddr::V4(address(index)), ban)))?;
    Ok(filter)
}

fn cost_of_one_source(filter: &mut Filter) -> anyhow::Result<f64> {
    const REPEAT: u32 = 5_000_000;
    let frame = udp().from(&address(7).to_string()).carrying(message::register_of(500)).build();
    let begun = Instant::now();
    let (action, _) = filter.test_run(&frame, REPEAT)?;
    anyhow::ensure!(action == XDP_DROP, "action {action}");
    Ok(begun.elapsed().as_secs_f64() * 1e9 / f64::from(REPEAT))
}

/// Most of it is the cost of asking the kernel, which is the same however many bans there are.
fn cost_of_all_sources(filter: &mut Filter, bans: u32) -> anyhow::Result<f64> {
    const PACKETS: u32 = 300_000;
    let mut frame = udp().from("192.0.2.1").carrying(message::register_of(500)).build();
    /// Of the source in an IPv4 frame without VLAN tags.
    const SOURCE: std::ops::Range<usize> = 26..30;
    let begun = Instant::now();
    for packet in 0..PACKETS {
        // Not in the order in which they were put in.
        frame[SOURCE].copy_from_slice(&address(packet.wrapping_mul(7_919) % bans).octets());
        let (action, _) = filter.test_run(&frame, 1)?;
        anyhow::ensure!(action == XDP_DROP, "action {action}");
    }
    Ok(begun.elapsed().as_secs_f64() * 1e9 / f64::from(PACKETS))
}

/// The times that other commands take while one is at work.
struct Waits(Vec<Duration>);

impl std::fmt::Display for Waits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let longest = self.0.iter().max().copied().unwrap_or_default();
        let usual = median(self.0.iter().map(|wait| milliseconds(*wait)).collect());
        write!(f, "{usual:.1} ms, the longest of {} {:.0} ms", self.0.len(), milliseconds(longest))
    }
}

/// Does some work. Returns its result, its duration, and the durations of `status` meanwhile.
fn while_asking<T>(
    sipward: &Sipward<'_>,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<(T, Duration, Waits)> {
    const PAUSE: Duration = Duration::from_millis(5);
    let mut client = connect(sipward)?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut waits = Vec::new();
            while !over.load(Ordering::Relaxed) {
                waits.push(ask_status(&mut client)?);
                thread::sleep(PAUSE);
            }
            anyhow::Ok(Waits(waits))
        });
        let begun = Instant::now();
        let done = work();
        let time = begun.elapsed();
        over.store(true, Ordering::Relaxed);
        let waits = asking.join().expect("it asks")?;
        Ok((done?, time, waits))
    })
}

fn connect(sipward: &Sipward<'_>) -> anyhow::Result<Client> {
    let client = Client::connect(&paths::socket(&sipward.runtime()))?;
    client.ok_or_else(|| anyhow::anyhow!("no daemon listens"))
}

fn ask_status(client: &mut Client) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    client.ask::<ClientError>(&Call::Status, |_| Ok(()))??;
    Ok(begun.elapsed())
}

/// Bytes, by the name that the kernel gives them.
fn memory(process: u32, name: &str) -> u64 {
    value(Path::new(&format!("/proc/{process}/status")), name) * 1_024
}

/// Bytes of the map of single addresses.
fn kernel_memory(sipward: &Sipward<'_>) -> anyhow::Result<u64> {
    let pin = sipward.pins().join(format!("v{VERSION}/maps/{}", map::SOURCES));
    let map = MapData::from_pin(pin)?;
    let fd = map.fd().as_fd().as_raw_fd();
    Ok(value(Path::new(&format!("/proc/self/fdinfo/{fd}")), "memlock"))
}

fn value(file: &Path, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
