//! The scene of the transcript: a host with a daemon, to which a phone, a provider and two scanners have just
//! sent packets.

use std::{env, ffi::OsString, net::UdpSocket, os::unix::fs::symlink, time::Duration};

use sipward_tests::{
    command::{Done, Sipward, binary},
    daemon::Daemon,
    message::{clean, request},
    namespace::Namespace,
    scratch::Scratch,
    wait::wait_until,
};

const PBX: &str = "192.0.2.10";
const PBX_MAC: &str = "02:00:00:00:00:10";
const PHONE: &str = "192.0.2.20";
const PROVIDER: &str = "203.0.113.7";
const SCANNERS: [&str; 2] = ["198.51.100.7", "192.0.2.66"];

/// A host and the rest of the world.
///
/// ```text
///   pbx            world
///   192.0.2.10     everybody else
///   eth0 ————————— eth0
/// ```
pub(crate) struct Wire {
    pbx: Namespace,
    world: Namespace,
}

impl Wire {
    pub(crate) fn new() -> Self {
        let (pbx, world) = (Namespace::new("pbx"), Namespace::new("world"));
        let there = world.name();
        pbx.ip(&format!("link add eth0 address {PBX_MAC} type veth peer name eth0 netns {there}"));
        for host in [&pbx, &world] {
            // Nothing is sent that no test sends, so that every packet that is counted is one of these.
            host.ip("link set eth0 addrgenmode none");
        }
        pbx.ip(&format!("address add {PBX}/24 dev eth0"));
        for address in [PHONE, PROVIDER, SCANNERS[0], SCANNERS[1]] {
            world.ip(&format!("address add {address}/24 dev eth0"));
        }
        for host in [&pbx, &world] {
            host.ip("link set eth0 up");
        }
        world.ip(&format!("neighbour add {PBX} lladdr {PBX_MAC} dev eth0"));
        Self { pbx, world }
    }
}

pub(crate) struct Scene<'a> {
    _daemon: Daemon,
    /// The receiver of the packets. Without it, the host would answer with "port unreachable".
    _server: UdpSocket,
    wire: &'a Wire,
    sipward: Sipward<'a>,
    scratch: Scratch,
}

impl<'a> Scene<'a> {
    pub(crate) fn open(wire: &'a Wire, configuration: &str) -> Self {
        let (sipward, scratch) = (Sipward::new(&wire.pbx), Scratch::new(&wire.pbx));
        symlink(binary(), scratch.0.join("sipward")).expect("a link in a new directory");
        let file = scratch.file("sipward.toml", configuration);
        let server = wire.pbx.udp(&format!("{PBX}:5060"));
        let daemon = Daemon::start(&sipward, &file);
        let scene = Self { _daemon: daemon, _server: server, wire, sipward, scratch };
        scene.traffic();
        scene
    }

    fn traffic(&self) {
        let [scanner, other] = SCANNERS;
        self.send(PHONE, &clean("REGISTER"));
        self.send(PHONE, &clean("INVITE"));
        self.send(PROVIDER, &clean("OPTIONS"));
        self.send(scanner, &request("REGISTER", "friendly-scanner"));
        self.send(other, &clean("OPTIONS"));
        wait_until("all is counted, measured and proved", Duration::from_secs(30), || {
            let status = self.sipward.json("status").remove(0);
            let reasons = status["reasons"].as_array().expect("a list of reasons");
            let packets = |name| reasons.iter().find(|row| row["reason"] == name).map(|row| &row["packets"]);
            let measured = reasons.iter().all(|row| row["rate"] == 0);
            let proved = status["daemon"]["proved"].is_u64();
            measured && proved && packets("options-stranger").is_some_and(|packets| *packets == 1)
        });
    }

    fn send(&self, from: &str, message: &str) {
        let socket = self.wire.world.udp(&format!("{from}:5060"));
        let sent = socket.send_to(message.as_bytes(), format!("{PBX}:5060"));
        sent.unwrap_or_else(|error| panic!("{from}: {error}"));
    }

    /// Types a line on the host: what the terminal shows.
    pub(crate) fn types(&self, line: &str) -> String {
        let mut path = OsString::from(&self.scratch.0);
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or_default());
        let mut command = self.wire.pbx.command("sh");
        let shell = format!("exec 2>&1\n{line}");
        command.args(["-c", &shell]).env("PATH", path);
        let environment = self.sipward.command("");
        command.envs(environment.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Done::of(&mut command).stdout
    }
}
