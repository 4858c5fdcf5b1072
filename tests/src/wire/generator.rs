//! Where the frames come from.

use std::{
    io,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{
    namespace::Namespace,
    raw_program::{RawProgram, Sources},
};

/// The address of every server.
pub const PBX: &str = "203.0.113.1";
const FIRST_WIRE: &str = "wire0";

/// A host with a wire to each of the others.
#[derive(Debug)]
pub struct Generator {
    host: Namespace,
    wires: AtomicU32,
}

impl Default for Generator {
    fn default() -> Self {
        Self { host: Namespace::new("generator"), wires: AtomicU32::default() }
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
        // One queue: what is sent on one core is received there.
        self.host.ip(&format!(
            "link add {here} numtxqueues 1 numrxqueues 1 type veth peer name {other} numtxqueues 1 numrxqueues 1 \
             address 02:00:00:00:00:02 netns {host}"
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

    /// Nanoseconds a frame.
    pub fn send(&self, interface: u32, frame: &[u8], sources: Sources, count: u32) -> io::Result<f64> {
        self.host.enter(|| {
            on_one_core();
            RawProgram::redirect(interface, sources)?.send(frame, count)
        })
    }
}

pub(super) fn index(interface: &str) -> u32 {
    let name = std::ffi::CString::new(interface).expect("a name without NUL");
    // SAFETY: a C string that outlives the call.
    unsafe { libc::if_nametoindex(name.as_ptr()) }
}

/// What is sent is received on the same core, and nothing else is to be on it.
fn on_one_core() {
    // SAFETY: an empty set is all zero; it is written and read only here.
    unsafe {
        let mut cores = std::mem::zeroed::<libc::cpu_set_t>();
        libc::CPU_SET(1, &mut cores);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const cores);
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
