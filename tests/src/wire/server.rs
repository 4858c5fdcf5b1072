//! A host that takes the frames, and what became of them.

use std::{
    net::UdpSocket,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use super::{
    generator::{Generator, PBX},
    receiver::{Installed, Receiver},
};
use crate::namespace::Namespace;
use anyhow::Context as _;

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
        host.ip("link set eth0 up");
        host.ip("route add default dev eth0");
        // Without XDP, this is what makes a veth take frames as a NIC's driver does.
        host.run("ethtool -K eth0 gro on");
        let installed = receiver.install(&host, rates)?;
        Ok(Self { receiver, interface, _installed: installed, _reader: None, host })
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

/// The PBX's part: a socket on the port that somebody reads.
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
            let mut buffer = [0; 2048];
            while !told.load(Ordering::Relaxed) {
                // What arrives is counted by the kernel; an error is the timeout.
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
