//! `cargo xtask build`: the program, with the eBPF object inside.

use anyhow::{Context, Result};

use crate::{
    cargo::{Artifact, programs},
    setup::{self, Purpose},
};

pub(crate) fn run(debug: bool) -> Result<()> {
    setup::run(Purpose::Build)?;
    let sipward = sipward(debug)?;
    println!("built {}", sipward.executable.display());
    Ok(())
}

pub(crate) fn sipward(debug: bool) -> Result<Artifact> {
    let mut arguments = vec!["build", "--locked", "--package", "sipward", "--bin", "sipward"];
    if !debug {
        arguments.push("--release");
    }
    programs(&arguments)?.into_iter().next().context("cargo built no program called sipward")
}
