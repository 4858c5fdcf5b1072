//! Daemons come and go under a flood, and nobody on the wire notices.

use std::{
    collections::BTreeMap,
    env, fs,
    net::UdpSocket,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use sipward::{
    address::show,
    kernel::{Pins, Tables},
    precedence::{Claim, Standing},
    roster::{Found, Roster},
    wall::Clock,
};
use sipward_tests::{
    command::Sipward,
    daemon::Daemon,
    dice::Dice,
    flood::{Jet, flood},
    message::{clean, request},
    namespace::Namespace,
    scratch::Scratch,
};
use xdp_prog::abi::{FOREVER, VERSION};

use crate::{
    calls::{Ear, talk},
    site::{PBX, SIP, Site, Wire},
};

const SEED: u64 = 5060;
const ROUNDS: usize = 200;
/// Packets a second.
const FLOOD: u32 = 50_000;
/// A build whose maps have another layout than this one's.
const OTHER_LAYOUT: u32 = VERSION + 1;

/// Hosts of the attacker's.
const STRANGER: u32 = 10;
const BANNED: u32 = 20;
/// In a banned prefix.
const NEIGHBOUR: u32 = 33;
const PHONE: u32 = 2;

/// Limits would hide what the signatures do.
const CONFIG: &str = "interface = ['eth0', 'eth1']\nmode = 'enforce'\n\
    [rate]\nregister = 'off'\n[prefix_rate]\nregister = 'off'\n[flows]\nper_source = 'off'\nper_prefix = 'off'\n";

/// Which build starts next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Build {
    Same,
    /// With the same maps.
    OtherProgram,
    OtherLayout,
}

const BUILDS: [Build; 8] = {
    use Build::{OtherLayout, OtherProgram, Same};
    [Same, Same, Same, Same, Same, Same, OtherProgram, OtherLayout]
};

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Terminated,
    Killed,
    KilledWhileItStarted,
    KilledWhileItTookOver,
}

impl Build {
    /// Only another build has something to take over.
    const fn ends(self) -> &'static [End] {
        use End::{Killed, KilledWhileItStarted, KilledWhileItTookOver, Terminated};
        match self {
            Self::Same => &[Terminated, Terminated, Killed, KilledWhileItStarted],
            Self::OtherProgram | Self::OtherLayout => {
                &[Terminated, Killed, KilledWhileItStarted, KilledWhileItTookOver, KilledWhileItTookOver]
            }
        }
    }
}

#[test]
fn no_restart_kill_or_upgrade_is_noticed_on_the_wire() {
    let site = Site::new(&[STRANGER, BANNED, NEIGHBOUR], &[PHONE]);
    let sipward = Sipward::new(&site.pbx);
    let directory = Scratch::new(&site.pbx);
    let config = directory.file("sipward.toml", CONFIG);
    let daemon = Daemon::start(&sipward, &config);
    fill_the_lists(&sipward);
    let before = lists(&sipward);

    let ear = Ear::open(&site.pbx);
    let (jets, phones) = (hostile(&site.attacker), trusted(&site.phone));
    let addresses: Vec<_> = phones.iter().map(|phone| phone.local_addr().unwrap().ip()).collect();
    let (silent, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let (daemon, heard, said, flooded) = thread::scope(|scope| {
        let is_over = Set(&over);
        let ear = scope.spawn(|| ear.hear(&addresses, &over));
        let flood = scope.spawn(|| flood(&jets, FLOOD, &silent));
        let phone = scope.spawn(|| talk(&phones, &silent));
        let daemon = {
            let _silent = Set(&silent);
            come_and_go(daemon, &sipward, &config)
        };
        let (flooded, said) = (flood.join().unwrap(), phone.join().unwrap());
        drop(is_over);
        (daemon, ear.join().unwrap(), said, flooded)
    });

    let lost = Lost::on_the_way(&site);
    println!(
        "{} hostile packets, {:.0} a second, of which {} did not fit into queues; {said} of the call",
        flooded.packets,
        flooded.rate(),
        lost.of_the_flood
    );
    assert_eq!(heard.others, [], "hostile packets reached the PBX");
    assert_eq!((lost.of_the_call, lost.by_the_socket), (0, 0), "this machine is too slow to tell");
    let missing: Vec<u64> = (0..said).filter(|number| !heard.calls.contains(number)).collect();
    assert!(missing.is_empty(), "{} packets of the call were lost to the filter", missing.len());

    let log = daemon.log();
    for fate in ["goes on", "another build was replaced\n", "was replaced, and so were its maps"] {
        assert!(log.contains(fate), "no filter {fate:?}\n{log}");
    }
    let complaints: Vec<_> = log.lines().filter(|line| !line.contains(" INFO ")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}\n{log}");
    same(&before, &lists(&sipward));
    same(&before, &in_the_kernel(&sipward));

    // The hostile packets do arrive where nothing stops them.
    sipward.ok("detach");
    for jet in &jets {
        jet.socket.send(jet.message.as_bytes()).unwrap();
    }
    assert_eq!(ear.hear(&addresses, &over).others.len(), jets.len());
}

/// Set when it goes, by a panic too.
struct Set<'a>(&'a AtomicBool);

impl Drop for Set<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Both families: OPTIONS and a scanner's REGISTER from a stranger, and what would pass if it came from one who is not
/// banned.
fn hostile(attacker: &Namespace) -> Vec<Jet> {
    let kinds = [
        (STRANGER, clean("OPTIONS")),
        (STRANGER, request("REGISTER", "friendly-scanner")),
        (BANNED, clean("REGISTER")),
        (NEIGHBOUR, clean("REGISTER")),
    ];
    let jet = |(host, message): (u32, String)| {
        [Wire::v4, Wire::v6].map(|address| {
            let message = message.clone();
            Jet { socket: connected(attacker, Wire::Attacker, address, host), message }
        })
    };
    kinds.into_iter().flat_map(jet).collect()
}

fn trusted(phone: &Namespace) -> [UdpSocket; 2] {
    [Wire::v4, Wire::v6].map(|address| connected(phone, Wire::Phone, address, PHONE))
}

fn connected(from: &Namespace, wire: Wire, address: fn(Wire, u32) -> String, host: u32) -> UdpSocket {
    let at = |host, port| {
        let address = address(wire, host);
        if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
    };
    let socket = from.udp(&at(host, 0));
    socket.connect(at(PBX, SIP)).unwrap();
    socket
}

/// Ends the daemon and starts another, again and again; the last one takes calls.
fn come_and_go(daemon: Daemon, sipward: &Sipward<'_>, config: &str) -> Daemon {
    let rounds = env::var("SIPWARD_RESTARTS").map_or(ROUNDS, |rounds| rounds.parse().expect("a number"));
    let (mut dice, begun) = (Dice::loaded(SEED), Instant::now());
    let mut counts = BTreeMap::new();
    let mut layout = VERSION;
    let mut run = Run { daemon, build: Build::Same, layout, begun };
    for _ in 0..rounds {
        let end = *dice.pick(run.build.ends());
        *counts.entry((run.build, end)).or_insert(0) += 1;
        run.end(end, sipward, &mut dice);
        let build = *dice.pick(&BUILDS);
        match build {
            Build::Same => {}
            Build::OtherProgram => pretend_another_build(sipward, layout),
            Build::OtherLayout => layout = VERSION + OTHER_LAYOUT - layout,
        }
        let daemon = Daemon::spawn(sipward, config, layout);
        run = Run { daemon, build, layout, begun: Instant::now() };
    }
    run.daemon.wait_until_ready();
    println!("{rounds} times in {:?}:", begun.elapsed());
    counts.into_iter().for_each(|((build, end), count)| println!("{count:5} {build:?} {end:?}"));
    run.daemon
}

struct Run {
    daemon: Daemon,
    build: Build,
    layout: u32,
    begun: Instant,
}

impl Run {
    fn end(mut self, end: End, sipward: &Sipward<'_>, dice: &mut Dice) {
        match end {
            End::Terminated => {
                self.daemon.wait_until_ready();
                return self.daemon.terminate();
            }
            End::Killed => self.daemon.wait_until_ready(),
            End::KilledWhileItTookOver => {
                self.wait_until_it_takes_over(sipward);
                thread::sleep(Duration::from_micros(dice.below(5_000) as u64));
            }
            End::KilledWhileItStarted => {
                let moment = Duration::from_millis(dice.below(600) as u64);
                thread::sleep(moment.saturating_sub(self.begun.elapsed()));
            }
        }
        self.daemon.kill();
    }

    /// That is a matter of a few milliseconds, which no timer would meet.
    fn wait_until_it_takes_over(&self, sipward: &Sipward<'_>) {
        let directory = sipward.pins().join(format!("v{}", self.layout));
        let program = match self.build {
            Build::OtherLayout => directory.join("program"),
            Build::Same | Build::OtherProgram => directory.join("program-next"),
        };
        while !program.exists() && !self.daemon.is_ready() {
            assert!(self.begun.elapsed() < Duration::from_secs(60), "{}", self.daemon.log());
        }
    }
}

/// Makes the program in force one that the next daemon does not know.
fn pretend_another_build(sipward: &Sipward<'_>, layout: u32) {
    let pins = pins(sipward, layout);
    let _lock = pins.lock().unwrap();
    // Not there: the one before was killed while it made it.
    if pins.is_there().unwrap() {
        Tables::open(&pins).unwrap().set_build(Some([7; 32])).unwrap();
    }
}

fn pins(sipward: &Sipward<'_>, layout: u32) -> Pins {
    let pins = Pins::at(sipward.pins());
    if layout == VERSION {
        return pins;
    }
    let other = pins.others().unwrap().into_iter().find(|other| other.version() == layout);
    other.unwrap_or(pins)
}

/// Some hundred entries of all kinds, besides those that decide about the packets here.
fn fill_the_lists(sipward: &Sipward<'_>) {
    let phone = Wire::Phone;
    sipward.ok(&format!("trust add {} --for 3h", phone.v4(PHONE)));
    sipward.ok(&format!("trust add {}/120", phone.v6(0)));
    let attacker = Wire::Attacker;
    sipward.ok(&format!("ban add {} {} --for 2h", attacker.v4(BANNED), attacker.v6(BANNED)));
    sipward.ok(&format!("ban add {}/28 {}/124 --for 1d", attacker.v4(32), attacker.v6(30)));
    for (index, lasts) in ["1h", "90m", "5h", "1d", "30d", "forever"].into_iter().enumerate() {
        let batch = |second: usize| {
            let v4 = (0..20).map(move |host| format!("192.{second}.{index}.{host}"));
            let v6 = (0..20).map(move |host| format!("2001:db8:{second}:{index}::{host}"));
            let nets = (0..5).map(move |net| format!("198.{second}.{index}{net}.0/24"));
            let nets6 = (0..5).map(move |net| format!("2001:db8:{second}:1{index}{net}::/64"));
            v4.chain(v6).chain(nets).chain(nets6).collect::<Vec<_>>().join(" ")
        };
        sipward.ok(&format!("trust add {} --for {lasts}", batch(10)));
        sipward.ok(&format!("ban add {} --for {lasts}", batch(20)));
    }
}

/// Who is on which list, and until when in seconds since 1970. Nobody is on both.
type Lists = BTreeMap<String, (Standing, Option<u64>)>;

fn lists(sipward: &Sipward<'_>) -> Lists {
    let list = |command: &str, standing| {
        let listed = sipward.json(&format!("{command} list"));
        listed.into_iter().map(move |listed| {
            (listed["source"].as_str().expect("a source").to_owned(), (standing, listed["until"].as_u64()))
        })
    };
    list("ban", Standing::Banned).chain(list("trust", Standing::Trusted)).collect()
}

fn in_the_kernel(sipward: &Sipward<'_>) -> Lists {
    let ours = Pins::at(sipward.pins());
    let others = ours.others().unwrap();
    let mut there = [ours].into_iter().chain(others).filter(|pins| pins.is_there().unwrap());
    let mut tables = Tables::open(&there.next().expect("a filter")).unwrap();
    assert!(there.next().is_none(), "a filter of another build is left");
    let clock = Clock::read();
    let found = Roster::open(&mut tables, clock.kernel).unwrap().found(|_| true).unwrap();
    let line = |found: Found| {
        assert!(!found.unsaved, "{found:?}");
        let Claim { standing, until } = found.claim.unwrap_or_else(|| panic!("{found:?}"));
        let until = (until != FOREVER).then(|| (clock.wall_ms + (until - clock.kernel) / 1_000_000) / 1_000);
        (show(found.net), (standing, until))
    };
    found.into_iter().map(line).collect()
}

/// The same lines, each with the same end; it is rounded to seconds.
fn same(before: &Lists, after: &Lists) {
    assert!(before.keys().eq(after.keys()), "{before:?}\nand then\n{after:?}");
    for (source, before) in before {
        let after = after[source];
        let apart = before.1.zip(after.1).map_or(0, |(before, after)| before.abs_diff(after));
        let same = before.0 == after.0 && before.1.is_some() == after.1.is_some() && apart <= 1;
        assert!(same, "{source}: {before:?}, and then {after:?}");
    }
}

/// Packets that never came so far as the filter, or that it let pass.
#[derive(Debug)]
struct Lost {
    of_the_flood: u64,
    of_the_call: u64,
    by_the_socket: u64,
}

impl Lost {
    fn on_the_way(site: &Site) -> Self {
        Self {
            of_the_flood: sent_in_vain(&site.attacker) + received_in_vain(&site.pbx, "eth0"),
            of_the_call: sent_in_vain(&site.phone) + received_in_vain(&site.pbx, "eth1"),
            by_the_socket: dropped_by_the_socket(&site.pbx),
        }
    }
}

/// Columns of the kernel's table of interfaces, after the name.
const RECEIVE_DROPS: usize = 3;
const SEND_DROPS: usize = 11;

fn sent_in_vain(host: &Namespace) -> u64 {
    drops(host, "eth0", SEND_DROPS)
}

fn received_in_vain(host: &Namespace, interface: &str) -> u64 {
    drops(host, interface, RECEIVE_DROPS)
}

fn drops(host: &Namespace, interface: &str, column: usize) -> u64 {
    let table = host.enter(|| fs::read_to_string("/proc/thread-self/net/dev").expect("interfaces"));
    let line = table.lines().find_map(|line| line.trim().strip_prefix(interface)?.strip_prefix(':'));
    let columns = line.unwrap_or_else(|| panic!("no {interface}\n{table}"));
    columns.split_whitespace().nth(column).and_then(|drops| drops.parse().ok()).expect("a number")
}

/// What came while its buffer was full.
fn dropped_by_the_socket(host: &Namespace) -> u64 {
    let table = host.enter(|| fs::read_to_string("/proc/thread-self/net/udp6").expect("sockets"));
    let port = format!(":{SIP:04X}");
    let line =
        table.lines().find(|line| line.split_whitespace().nth(1).is_some_and(|at| at.ends_with(&port)));
    let last = line.and_then(|line| line.split_whitespace().last()).expect("the PBX's socket");
    last.parse().expect("a number")
}
