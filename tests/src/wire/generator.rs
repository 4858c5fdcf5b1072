//! The source of the frames.

use std::{
    io,
    os::fd::OwnedFd,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{
    cpu::measure_here,
    namespace::Namespace,
    raw_program::{Load, RawProgram, Sources, index},
};

/// The address of every server.
pub const PBX: &str = "10.90.0.1";
/// The next hop of answers to strangers.
pub(super) const GATEWAY: &str = "10.90.0.254";
pub(super) const GATEWAY_MAC: &str = "02:00:00:00:00:fe";
const FIRST_WIRE: &str = "wire0";
/// An interface that leads nowhere.
const SPARE: &str = "spare";

/// A host with a wire to each of the others.
#[derive(Debug)]
pub struct Generator {
    host: Namespace,
    wires: AtomicU32,
}

impl Default for Generator {
    fn default() -> Self {
        let host = Namespace::new("generator");
        host.ip(&format!("link add {SPARE} type veth peer name {SPARE}-end"));
        Self { host, wires: AtomicU32::default() }
    }
}

impl Generator {
    /// A wire to another host's `eth0`; the interface here.
    pub(super) fn wire_to(&self, host: &Namespace) -> u32 {
        self.wire(host.name(), "eth0")
    }

    /// A wire whose other end takes nothing: to send into it costs what the sending costs.
    pub fn nowhere(&self) -> u32 {
        self.wire(self.host.name(), "nobody")
    }

    fn wire(&self, host: &str, other: &str) -> u32 {
        let here = format!("wire{}", self.wires.fetch_add(1, Ordering::Relaxed));
        // One queue: what is sent on one CPU is received there.
        self.host.ip(&format!(
            "link add {here} address {GATEWAY_MAC} numtxqueues 1 numrxqueues 1 type veth peer name {other} \
             address 02:00:00:00:00:02 numtxqueues 1 numrxqueues 1 netns {host}"
        ));
        self.host.ip(&format!("link set {here} up"));
        self.host.enter(|| index(&here))
    }

    /// Gives it an address on its first wire, from where it can talk with the server.
    pub fn live_at(&self, address: &str) {
        self.host.ip(&format!("address add {address}/32 dev {FIRST_WIRE}"));
        self.host.ip(&format!("route add {PBX}/32 dev {FIRST_WIRE}"));
    }

    pub const fn host(&self) -> &Namespace {
        &self.host
    }

    /// One at a time.
    pub fn nozzle(&self, load: Load) -> io::Result<Nozzle> {
        let program = RawProgram::redirect(load)?;
        // On an interface without traffic: a program that is not on any is built into the kernel's XDP dispatcher and out
        // of it again for each run (bpf_prog_change_xdp in bpf_prog_test_run_xdp), and each time all CPUs are waited for.
        let spare = self.host.enter(|| program.attach(index(SPARE)))?;
        Ok(Nozzle { program, _spare: spare })
    }

    /// Runs `work` where frames are sent, on the CPU that has nothing else to do.
    pub fn on_its_cpu<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.host.enter(|| {
            measure_here();
            work()
        })
    }
}

/// Makes frames of one, and sends them.
#[derive(Debug)]
pub struct Nozzle {
    program: RawProgram,
    /// Kept for its drop.
    _spare: OwnedFd,
}

impl Nozzle {
    /// Sends a frame so many times out of the interface that it is [addressed to](crate::raw_program::addressed_to);
    /// nanoseconds for each. It has to be called where the generator is: see [`Generator::on_its_cpu`].
    pub fn send(&self, frame: &[u8], count: u32) -> io::Result<f64> {
        self.program.send(frame, count)
    }
}

/// The checksum of an IPv4 header: a stack is to take the frame.
pub fn with_checksum(mut frame: Vec<u8>, sources: Sources) -> Vec<u8> {
    const HEADER: usize = 14;
    if sources != Sources::One {
        // See `Sources`: the identification complements the part of the address that changes.
        frame[HEADER + 4..HEADER + 6].copy_from_slice(&[0xff, 0xff]);
    }
    let header = &frame[HEADER..HEADER + 20];
    let sum: u32 = header.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = u16::try_from((folded & 0xffff) + (folded >> 16)).expect("twenty bytes");
    frame[HEADER + 10..HEADER + 12].copy_from_slice(&(!folded).to_be_bytes());
    frame
}
