//! The life of a daemon: what it leaves, takes back and refuses, and its treatment of new interfaces.

use std::{
    fs,
    sync::atomic::AtomicBool,
    thread,
    time::{Duration, Instant},
};

use sipward_kernel::program_on;
use sipward_tests::{
    command::{Done, Sipward},
    daemon::Daemon,
    flood::{Jet, flood},
    message::clean,
    namespace::{Lan, Namespace},
    scratch::Scratch,
    wait::wait_until,
};

use crate::{
    calls::Ear,
    lists::in_the_kernel,
    over::Over,
    site::{PBX, SIP, Wire},
};

const CONFIG: &str = "interface = 'eth0'\nmode = 'enforce'\n";
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn there_is_one_daemon() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let (sipward, directory) = (Sipward::new(pbx), Scratch::new(pbx));
    let config = directory.file("sipward.toml", CONFIG);
    let daemon = Daemon::start(&sipward, &config);
    let second = sipward.run(&format!("run --config {config}"));
    assert_eq!(second.code, Some(3), "{second}");
    assert!(
        second.stderr.contains(&format!("another sipward daemon runs (pid {})", daemon.pid())),
        "{second}"
    );
    assert_eq!(sipward.json("status")[0]["daemon"]["pid"], daemon.pid());
    daemon.terminate();
    Daemon::start(&sipward, &config).terminate();
}

#[test]
fn the_filter_outlives_the_daemon_until_it_is_detached() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let (sipward, directory) = (Sipward::new(pbx), Scratch::new(pbx));
    let config = directory.file("sipward.toml", CONFIG);
    let daemon = Daemon::start(&sipward, &config);
    sipward.ok("ban add 192.0.2.1 --for 2h");
    let program = program(pbx).expect("a program");
    daemon.terminate();
    assert_eq!(self::program(pbx), Some(program), "it stays in force");
    assert_eq!(sipward.json("ban list")[0]["source"], "192.0.2.1", "without a daemon");

    let daemon = Daemon::start(&sipward, &config);
    assert_eq!(self::program(pbx), Some(program), "it is taken over");
    sipward.ok("detach");
    assert_eq!(self::program(pbx), None);
    assert!(!sipward.pins().exists(), "nothing of the filter is left");
    pbx.ip("link set eth0 down");
    pbx.ip("link set eth0 up");
    assert_eq!(sipward.json("attach")[0]["xdp"], "native");
    assert!(self::program(pbx).is_some());
    assert!(in_the_kernel(&sipward).contains_key("192.0.2.1"), "the lists are in force again");
    daemon.terminate();
}

#[test]
fn a_lock_down_that_nobody_takes_back_says_so() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let (sipward, directory) = (Sipward::new(pbx), Scratch::new(pbx));
    let config = directory.file("sipward.toml", CONFIG);
    let daemon = Daemon::start(&sipward, &config);
    sipward.ok("trust only on --force --confirm 1h");
    daemon.kill();
    let said = sipward.ok("status");
    assert!(said.contains("only trusted sources; it does not revert while no daemon runs"), "{said}");
    let _daemon = Daemon::start(&sipward, &config);
    assert!(sipward.ok("status").contains("unless confirmed"), "the next one does");
}

#[test]
fn a_daemon_told_to_reload_takes_what_is_valid() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let (sipward, directory) = (Sipward::new(pbx), Scratch::new(pbx));
    let config = directory.file("sipward.toml", CONFIG);
    let daemon = Daemon::start(&sipward, &config);
    let reload = |text: &str, said: &str| {
        fs::write(&config, text).unwrap();
        let before = daemon.log().matches(said).count();
        daemon.signal(libc::SIGHUP);
        wait_until(said, PATIENCE, || daemon.log().matches(said).count() > before);
        sipward.json("status")[0]["mode"].clone()
    };
    let good = "SIGHUP: the configuration is in force";
    assert_eq!(reload(&CONFIG.replace("enforce", "monitor"), good), "monitor");
    let bad = "SIGHUP: the previous configuration stays in force";
    assert_eq!(reload(&CONFIG.replace("mode", "mood"), bad), "monitor");
    assert!(daemon.log().contains("mood"), "{}", daemon.log());
    assert_eq!(reload(CONFIG, good), "enforce");
    daemon.terminate();
}

/// An interface that appears is protected while it is still down. One that appears and is up at the same moment is not:
/// packets that arrive before the kernel has notified the daemon pass.
#[test]
fn an_interface_that_comes_back_is_protected() {
    let (pbx, attacker) = (Namespace::new("pbx"), Namespace::new("attacker"));
    // Wherever a packet for it comes in.
    pbx.ip(&format!("address add {}/128 dev lo nodad", Wire::Attacker.v6(PBX)));
    let (sipward, directory) = (Sipward::new(&pbx), Scratch::new(&pbx));
    let daemon = Daemon::start(&sipward, &directory.file("sipward.toml", CONFIG));
    assert!(daemon.log().contains("eth0: does not exist yet"), "{}", daemon.log());
    let ear = Ear::open(&pbx);

    let socket = plug(&attacker);
    attacker.ip(&format!("link set cable netns {} name eth0", pbx.name()));
    wait_until("it is protected", PATIENCE, || program(&pbx).is_some());
    assert!(is_down(&pbx));
    let jets = [Jet { socket, message: clean("OPTIONS") }];
    pbx.ip("link set eth0 up");
    assert_eq!(passed(&jets, &ear, || thread::sleep(Duration::from_millis(200))), 0);

    pbx.ip("link del eth0");
    let jets = [Jet { socket: plug(&attacker), message: clean("OPTIONS") }];
    let begun = Instant::now();
    let passed_at_first = passed(&jets, &ear, || {
        attacker.ip(&format!("link set cable netns {} name eth0 up", pbx.name()));
        wait_until("it is protected again", PATIENCE, || program(&pbx).is_some());
        println!("up and protected after {:?}", begun.elapsed());
    });
    println!("{passed_at_first} packets at {RATE} a second had passed");
    assert_eq!(passed(&jets, &ear, || thread::sleep(Duration::from_millis(200))), 0);
    daemon.terminate();
}

const RATE: u32 = 20_000;
const ATTACKER: u32 = 2;

/// A wire whose other end is still with the attacker, and up; and the attacker's socket.
fn plug(attacker: &Namespace) -> std::net::UdpSocket {
    let (wire, mac) = (Wire::Attacker, "02:00:00:00:00:01");
    attacker.ip(&format!("link add eth0 type veth peer name cable address {mac}"));
    attacker.ip("link set eth0 up");
    attacker.ip("link set cable up");
    attacker.ip(&format!("address add {}/64 dev eth0 nodad", wire.v6(ATTACKER)));
    attacker.ip(&format!("neighbour add {} lladdr {mac} dev eth0 nud permanent", wire.v6(PBX)));
    let socket = attacker.udp(&format!("[{}]:0", wire.v6(ATTACKER)));
    socket.connect(format!("[{}]:{SIP}", wire.v6(PBX))).unwrap();
    socket
}

/// Floods until `until` returns. Returns the number of packets that reached the PBX.
fn passed(jets: &[Jet], ear: &Ear, until: impl FnOnce()) -> usize {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _over = Over(&over);
        let flood = scope.spawn(|| flood(jets, RATE, &over));
        until();
        drop(Over(&over));
        assert!(flood.join().unwrap().packets > 0);
        ear.hear(&[], &over).others.len()
    })
}

/// The id of the program on the host's interface.
fn program(host: &Namespace) -> Option<u32> {
    host.enter(|| program_on("eth0")).ok().flatten()
}

fn is_down(host: &Namespace) -> bool {
    let done = Done::of(host.command("ip").args(["-br", "link", "show", "dev", "eth0"]));
    !done.stdout.contains("UP")
}
