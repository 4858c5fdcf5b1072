//! Runs programs without a network, at their speed on one.
//!
//! Before each run of an XDP program that is on no interface, and after it, the kernel builds its dispatcher anew and waits
//! for all CPUs (bpf_prog_change_xdp in bpf_prog_test_run_xdp): milliseconds, which a million runs share. A program on an
//! interface is in the dispatcher already.

use std::os::fd::OwnedFd;

use sipward_kernel::{Filter, XdpChoice};

use crate::{
    namespace::Namespace,
    raw_program::{self, RawProgram},
};

const INTERFACE: &str = "eth0";

/// A host with an interface without traffic.
fn host() -> Namespace {
    let host = Namespace::new("still");
    host.ip(&format!("link add {INTERFACE} type veth peer name other"));
    host
}

/// The filter is in the dispatcher as long as this is there.
pub fn filter(filter: &mut Filter) -> anyhow::Result<Namespace> {
    let host = host();
    host.enter(|| filter.attach(INTERFACE, XdpChoice::Native))?;
    Ok(host)
}

/// The program is in the dispatcher as long as these are there.
pub fn program(program: &RawProgram) -> anyhow::Result<(Namespace, OwnedFd)> {
    let host = host();
    let link = host.enter(|| program.attach(raw_program::index(INTERFACE)))?;
    Ok((host, link))
}
