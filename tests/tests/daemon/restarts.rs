//! Daemons start and end under a flood, without an effect on the packets.

use std::{
    collections::BTreeMap,
    iter,
    net::UdpSocket,
    sync::atomic::AtomicBool,
    thread,
    time::{Duration, Instant},
};

use sipward_kernel::{Pins, Tables};
use sipward_tests::{
    command::Sipward,
    daemon::Daemon,
    flood::{Jet, flood},
    length::is_long,
    message::{clean, request},
    namespace::Namespace,
    rng::Rng,
    scratch::Scratch,
};
use xdp_prog::abi::VERSION;

use crate::{
    calls::{Ear, talk},
    lists::{in_the_kernel, lists, same},
    lost::Lost,
    over::Over,
    site::{PBX, SIP, Site, Wire, config},
};

const SEED: u64 = 5060;
/// In the long form.
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

/// Which build starts next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Build {
    Same,
    /// With the same maps.
    OtherProgram,
    OtherLayout,
}

/// The turns of each build.
const BUILDS: [Build; 8] = {
    use Build::{OtherLayout, OtherProgram, Same};
    [Same, Same, Same, Same, Same, Same, OtherProgram, OtherLayout]
};

/// The end of a daemon.
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
    let config = directory.file("sipward.toml", &config("'eth0', 'eth1'"));
    let daemon = Daemon::start(&sipward, &config);
    fill_the_lists(&sipward);
    let before = lists(&sipward);

    let ear = Ear::open(&site.pbx);
    let (jets, phones) = (hostile(&site.attacker), trusted(&site.phone));
    let addresses: Vec<_> = phones.iter().map(|phone| phone.local_addr().unwrap().ip()).collect();
    let (silent, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let (daemon, heard, said, flooded) = thread::scope(|scope| {
        let is_over = Over(&over);
        let ear = scope.spawn(|| ear.hear(&addresses, &over));
        let flood = scope.spawn(|| flood(&jets, FLOOD, &silent));
        let phone = scope.spawn(|| talk(&phones, &silent));
        let daemon = {
            let _silent = Over(&silent);
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
    let (some, others) = (heard.others.first(), heard.others.len());
    assert_eq!(others, 0, "hostile packets reached the PBX, such as {some:?}");
    assert_eq!((lost.of_the_call, lost.by_the_socket), (0, 0), "this machine is too slow to tell");
    let missing: Vec<u64> = (0..said).filter(|number| !heard.calls.contains(number)).collect();
    assert!(missing.is_empty(), "{} packets of the call were lost to the filter", missing.len());

    let log = daemon.log();
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
    let (mut rng, begun) = (Rng::fixed(SEED), Instant::now());
    let plan = plan(&mut rng);
    let rounds = plan.len();
    let mut counts = BTreeMap::new();
    let mut layout = VERSION;
    let mut run = Run { daemon, build: Build::Same, layout, begun };
    let mut end = End::Terminated;
    for (build, next_end) in plan.into_iter().chain(iter::once((Build::Same, End::Terminated))) {
        *counts.entry((run.build, end)).or_insert(0) += 1;
        run.end(end, sipward, &mut rng);
        end = next_end;
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
    let log = run.daemon.log();
    for fate in ["in force and stays", "another build was replaced\n", "was replaced, and so were its maps"] {
        assert!(log.contains(fate), "no filter {fate:?}\n{log}");
    }
    run.daemon
}

/// Which builds are started one after the other, and how each ends: two hundred by chance, or every combination once.
fn plan(rng: &mut Rng) -> Vec<(Build, End)> {
    if is_long() {
        let mut one = || {
            let build = *rng.pick(&BUILDS);
            (build, *rng.pick(build.ends()))
        };
        return (0..ROUNDS).map(|_| one()).collect();
    }
    let builds = [Build::Same, Build::OtherProgram, Build::OtherLayout];
    let mut all: Vec<_> =
        builds.into_iter().flat_map(|build| build.ends().iter().map(move |end| (build, *end))).collect();
    all.sort_unstable();
    all.dedup();
    rng.shuffle(&mut all);
    all
}

struct Run {
    daemon: Daemon,
    build: Build,
    layout: u32,
    begun: Instant,
}

impl Run {
    fn end(mut self, end: End, sipward: &Sipward<'_>, rng: &mut Rng) {
        match end {
            End::Terminated => {
                self.daemon.wait_until_ready();
                return self.daemon.terminate();
            }
            End::Killed => self.daemon.wait_until_ready(),
            End::KilledWhileItTookOver => {
                self.wait_until_it_takes_over(sipward);
                thread::sleep(Duration::from_micros(rng.below(5_000) as u64));
            }
            End::KilledWhileItStarted => {
                let moment = Duration::from_millis(rng.below(600) as u64);
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
