//! Puts the eBPF object where `kernel` includes it.

use std::{env, fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use xtask::ebpf::{self, Origin};

#[expect(clippy::print_stderr, reason = "this is what cargo shows of a build script that fails")]
fn main() -> ExitCode {
    match object() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn object() -> Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").context("OUT_DIR: run this through cargo")?);
    println!("cargo::rerun-if-env-changed={}", ebpf::PREBUILT);
    let object = match ebpf::find()? {
        Origin::Prebuilt(path) => {
            println!("cargo::rerun-if-changed={}", path.display());
            path
        }
        Origin::Toolchain(toolchain) => {
            for source in ["xdp-prog/src", "xdp-prog/Cargo.toml", "Cargo.toml", "Cargo.lock"] {
                println!("cargo::rerun-if-changed={}", ebpf::workspace_root().join(source).display());
            }
            // Beside the profiles, so that all of them share one build of `core`.
            let target = out.ancestors().nth(4).context("OUT_DIR is not inside a target directory")?;
            ebpf::compile(&toolchain, &target.join("ebpf"))?
        }
    };
    let copy = out.join("sipward.bpf.o");
    fs::copy(&object, &copy)
        .with_context(|| format!("cannot copy {} to {}", object.display(), copy.display()))?;
    Ok(())
}
