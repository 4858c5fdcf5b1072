//! `cargo xtask vm`: the packet table on another kernel, in a virtual machine that needs no disk and no network.

mod cpio;
mod initramfs;
mod kernel;
pub(crate) mod qemu;

use std::{env::consts::ARCH, fs, path::Path};

use anyhow::{Context, Result, bail};
use xtask::{command::locate, ebpf::workspace_root};

use crate::{
    apt::Apt,
    cargo::programs,
    setup::{self, Purpose},
};

/// The test program of `sipward-tests` that needs nothing but a kernel.
pub(crate) const TEST: &str = "packet_table";

pub(crate) fn run(version: &str, filter: Option<&str>) -> Result<()> {
    setup::run(Purpose::Test)?;
    if let Some(reason) = unavailable() {
        bail!("no virtual machine: {reason}");
    }
    let built = programs(&["build", "--locked", "--workspace", "--test", TEST])?;
    let test =
        built.into_iter().find(|artifact| artifact.name == TEST).context("cargo built no packet table")?;
    boot(version, &test.executable, filter)
}

/// Why this machine cannot boot another kernel, if it cannot.
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

/// Boots the kernel series with the test as its only job; an error if the test fails or does not end.
pub(crate) fn boot(version: &str, test: &Path, filter: Option<&str>) -> Result<()> {
    let directory = workspace_root().join("target/vm");
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let apt = Apt::find().context("Debian's kernels come through apt, which is not here")?;
    let kernel = kernel::fetch(&apt, version, &directory)?;
    let initramfs = directory.join("initramfs.cpio");
    let image = initramfs::build(test, filter)?;
    fs::write(&initramfs, image).with_context(|| format!("cannot write {}", initramfs.display()))?;
    qemu::boot(&kernel, &initramfs)
}
