//! `cargo xtask bench`: the benchmarks of `sipward-tests`, as root because they load programs into the kernel.

use std::ffi::OsStr;

use anyhow::{Context, Result};
use xtask::command;

use crate::{
    cargo::programs,
    root::{as_root, mount_bpffs},
    setup::{self, Purpose},
};

pub(crate) fn run(name: &str) -> Result<()> {
    setup::run(Purpose::Build)?;
    let built = programs(&["bench", "--locked", "--package", "sipward-tests", "--bench", name, "--no-run"])?;
    let bench =
        built.into_iter().find(|artifact| artifact.name == name).context("cargo built no such benchmark")?;
    let built = programs(&["build", "--locked", "--release", "--package", "sipward"])?;
    let sipward =
        built.into_iter().find(|artifact| artifact.name == "sipward").context("cargo built no sipward")?;
    mount_bpffs()?;
    let variables = [("RUST_BACKTRACE", OsStr::new("1")), ("SIPWARD", sipward.executable.as_os_str())];
    command::run(as_root(&bench.executable, &variables)?.arg("--bench").current_dir(&bench.package))
}
