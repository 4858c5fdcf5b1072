//! A host that receives the frames, and its counters.

use std::{
    collections::BTreeSet,
    net::UdpSocket,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::Context as _;

use super::{
    generator::{GATEWAY, GATEWAY_MAC, Generator, PBX},
    receiver::{Installed, Receiver},
};
use crate::{
    command::Done,
    cpu::{OTHER, stay_on},
    namespace::{Namespace, v6},
};

/// The filter goes before its interface does.
#[derive(Debug)]
pub struct Server {
    pub receiver: Receiver,
    /// The generator's end of the wire.
    pub interface: u32,
    _installed: Installed,
    /// Kept for its drop.
    _reader: Option<Reader>,
    host: Namespace,
}

/// Since the host was made.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// At its interface.
    pub arrived: u64,
    /// To its socket, those included that found it full.
    pub passed: u64,
}

impl Server {
    /// With a socket on the port that is read. `rates`: sources are held to theirs.
    pub fn start(generator: &Generator, receiver: Receiver, rates: bool) -> anyhow::Result<Self> {
        let mut server = Self::without_reader(generator, receiver, rates)?;
        server._reader = Some(Reader::start(&server.host)?);
        Ok(server)
    }

    pub fn without_reader(generator: &Generator, receiver: Receiver, rates: bool) -> anyhow::Result<Self> {
        let host = Namespace::new("server");
        let interface = generator.wire_to(&host);
        host.ip(&format!("address add {PBX}/24 dev eth0"));
        // As on the tests' LAN, so that its PBX can be here.
        host.ip(&format!("address add {}/64 dev eth0 nodad", v6(1)));
        host.ip("link set eth0 up");
        host.ip(&format!("neighbour add {GATEWAY} lladdr {GATEWAY_MAC} dev eth0"));
        host.ip(&format!("route add default via {GATEWAY}"));
        // Without XDP, this is what makes a veth take frames as a NIC's driver does.
        host.run("ethtool -K eth0 gro on");
        let installed = receiver.install(&host, rates)?;
        Ok(Self { receiver, interface, _installed: installed, _reader: None, host })
    }

    /// Moves the processing of received packets to a NAPI thread on that CPU, away from the sender.
    pub fn take_packets_on(&self, cpu: usize) -> anyhow::Result<()> {
        let others = takers()?;
        // Of `ip netns exec`, which shows the host's own /sys.
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.host.name(), "sh", "-c"]);
        let done = Done::of(command.arg("echo 1 > /sys/class/net/eth0/threaded"));
        anyhow::ensure!(done.code == Some(0), "{done}");
        for thread in takers()?.difference(&others) {
            let cpu = cpu.to_string();
            // Before all programs, as an interrupt of a NIC is.
            for line in [["taskset", "-p", "-c", &cpu, thread], ["chrt", "-f", "-p", "1", thread]] {
                let done = Done::of(Command::new(line[0]).args(&line[1..]));
                anyhow::ensure!(done.code == Some(0), "{done}");
            }
        }
        Ok(())
    }

    pub const fn host(&self) -> &Namespace {
        &self.host
    }

    pub fn seen(&self) -> anyhow::Result<Seen> {
        self.host.enter(|| {
            let arrived = std::fs::read_to_string("/proc/thread-self/net/dev").context("net/dev")?;
            let arrived = arrived.lines().find_map(|line| line.trim().strip_prefix("eth0:"));
            let arrived = arrived.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
            let snmp = std::fs::read_to_string("/proc/thread-self/net/snmp").context("net/snmp")?;
            Ok(Seen { arrived: arrived.context("eth0")?, passed: datagrams(&snmp).context("Udp")? })
        })
    }
}

/// The kernel's threads that take packets of an `eth0`.
fn takers() -> anyhow::Result<BTreeSet<String>> {
    let mut takers = BTreeSet::new();
    for process in std::fs::read_dir("/proc")? {
        let process = process?;
        // Others end meanwhile.
        let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        if name.starts_with("napi/eth0-") {
            takers.insert(process.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(takers)
}

/// Those that UDP took, and those for which there was no room.
fn datagrams(snmp: &str) -> Option<u64> {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = (lines.next()?.split_whitespace(), lines.next()?.split_whitespace());
    let wanted = |(name, value): (&str, &str)| match name {
        "InDatagrams" | "RcvbufErrors" => value.parse::<u64>().ok(),
        _ => None,
    };
    Some(names.zip(values).filter_map(wanted).sum())
}

/// The PBX: a socket on the port, and a thread that reads it.
#[derive(Debug)]
struct Reader {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    fn start(host: &Namespace) -> anyhow::Result<Self> {
        let socket = host.enter(|| UdpSocket::bind("0.0.0.0:5060"))?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let work = move || {
            // Not on the CPU that is measured: a PBX has others, too.
            stay_on(OTHER);
            let mut buffer = [0; 2048];
            while !told.load(Ordering::Relaxed) {
                // The kernel counts the datagrams. An error is the timeout.
                let _ = socket.recv(&mut buffer);
            }
        };
        Ok(Self { stop, thread: Some(std::thread::spawn(work)) })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It panics only if this does.
            let _ = thread.join();
        }
    }
}
