//! `cargo xtask vm`: the packet table on another kernel, in a virtual machine that needs no disk and no network.

mod cpio;
mod initramfs;
mod kernel;
pub(crate) mod qemu;

use std::{env::consts::ARCH, fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};
use xtask::{
    command::{locate, output},
    ebpf::workspace_root,
};

use crate::{
    apt::Apt,
    cargo::programs,
    setup::{self, Purpose},
};

/// The test program of `sipward-tests` that needs nothing but a kernel.
pub(crate) const TEST: &str = "packet_table";

/// The tests of every run: for each kind of map, clock and hook of the kernel one that depends on it. Under emulation, every
/// test takes a quarter of a minute to load the filter. `cargo xtask vm` runs all of them.
const EVERY_RUN: [&str; 9] = [
    "events::an_event_says_what_was_dropped",
    "guesses::guesses_are_few_whatever_the_method_and_the_nonce",
    "headers::fragments_follow_their_first_one",
    "limits::each_source_has_its_rate_and_its_neighbour_has_its_own",
    "lists::entries_end_by_themselves",
    "load::both_programs_are_loaded_with_room_to_spare",
    "messages::legitimate_traffic_passes",
    "taps::a_packet_that_leaves_goes_on_wherever_it_is_cut",
    "taps::both_lanes_are_read_in_the_order_of_time_and_strangers_have_a_budget",
];

pub(crate) fn run(version: &str, filter: Option<&str>) -> Result<()> {
    setup::run(Purpose::Test)?;
    if let Some(reason) = unavailable() {
        bail!("no virtual machine: {reason}");
    }
    let built = programs(&["build", "--locked", "--workspace", "--test", TEST])?;
    let test =
        built.into_iter().find(|artifact| artifact.name == TEST).context("cargo built no packet table")?;
    boot(version, &test.executable, filter.as_slice())
}

/// The reason why this machine cannot boot another kernel, if there is one.
pub(crate) fn unavailable() -> Option<String> {
    if ARCH != "x86_64" {
        return Some(format!("it boots x86_64 kernels, and this is {ARCH}"));
    }
    if qemu::command().is_none() {
        return Some(format!("there is no {}", qemu::PROGRAM));
    }
    ["apt-get", "dpkg", "busybox"]
        .into_iter()
        .find(|program| locate(program).is_none())
        .map(|program| format!("there is no {program}"))
}

/// Boots the kernel series for the tests of [`EVERY_RUN`].
pub(crate) fn boot_for_every_run(version: &str, test: &Path) -> Result<()> {
    let arguments: Vec<_> = ["--exact"].into_iter().chain(EVERY_RUN).collect();
    let list = output(Command::new(test).arg("--list").args(&arguments)).unwrap_or_default();
    let found = list.lines().filter(|line| line.ends_with(": test")).count();
    if found != EVERY_RUN.len() {
        bail!("of the tests that xtask/src/vm.rs names for every run, {TEST} has only {found}:\n{list}");
    }
    boot(version, test, &arguments)
}

/// Boots the kernel series with the test as its only job. Fails if the test fails or does not end.
fn boot(version: &str, test: &Path, arguments: &[&str]) -> Result<()> {
    let directory = workspace_root().join("target/vm");
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let apt = Apt::find().context("Debian's kernels come through apt, which is not here")?;
    let kernel = kernel::fetch(&apt, version, &directory)?;
    let initramfs = directory.join("initramfs.cpio");
    let image = initramfs::build(test, arguments)?;
    fs::write(&initramfs, image).with_context(|| format!("cannot write {}", initramfs.display()))?;
    qemu::boot(&kernel, &initramfs)
}
