//! Runs the inner cargo that compiles `xdp-prog` for the kernel.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::{Toolchain, machine::workspace_root};
use crate::command::shown;

const TARGET: &str = "bpfel-unknown-none";
const PROFILE: &str = "ebpf";
/// Packets are read at any offset. Without the CPU feature, each word becomes single byte loads. Without the last flag,
/// clearing and copying a few words become calls of byte loops, which the verifier follows byte by byte.
const RUSTFLAGS: &str = "-Ctarget-cpu=v3 -Clink-arg=--btf \
    -Clink-arg=--cpu-features=+allows-misaligned-mem-access -Clink-arg=--disable-expand-memcpy-in-order";

/// Compiles the object below `directory`, which must not be the target directory of a running cargo, because
/// that cargo holds its lock.
pub fn compile(toolchain: &Toolchain, directory: &Path) -> Result<PathBuf> {
    let mut command = Command::new(&toolchain.compiler.cargo);
    without_cargo_leaks(&mut command)
        .current_dir(workspace_root())
        .args(["build", "--locked", "--package", "xdp-prog", "--bin", "xdp-prog"])
        .args(["-Zbuild-std=core", "--target", TARGET, "--profile", PROFILE, "--target-dir"])
        .arg(directory)
        .env("RUSTC", &toolchain.compiler.rustc)
        // Only a nightly compiler accepts -Z without this variable.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &toolchain.linker.path)
        .env("RUSTFLAGS", RUSTFLAGS);
    let output =
        command.output().with_context(|| format!("cannot run {}", toolchain.compiler.cargo.display()))?;
    if !output.status.success() {
        bail!(
            "the eBPF object does not build with {toolchain}\n$ {}\n{}",
            shown(&command),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(directory.join(TARGET).join(PROFILE).join("xdp-prog"))
}

/// A cargo inside a build script inherits the variables that the outer cargo has set: another compiler, flags for the host,
/// a job server, a library path. None of them may reach the compiler that is chosen here.
pub(super) fn without_cargo_leaks(command: &mut Command) -> &mut Command {
    for (name, _) in env::vars_os() {
        if is_leak(&name) {
            command.env_remove(&name);
        }
    }
    command
}

fn is_leak(name: &OsStr) -> bool {
    const EXACT: [&str; 12] = [
        "HOST",
        "LD_LIBRARY_PATH",
        "MAKEFLAGS",
        "MFLAGS",
        "NUM_JOBS",
        "OUT_DIR",
        "PROFILE",
        "RUSTDOC",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
        "TARGET",
        "DEBUG",
    ];
    // The user's settings of cargo's registry and output stay.
    const KEPT: [&str; 6] =
        ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_SOURCE_", "CARGO_TERM_"];
    let Some(name) = name.to_str() else { return false };
    let of_cargo = name == "CARGO" || name.starts_with("CARGO_") || name.starts_with("RUSTC");
    EXACT.contains(&name) || of_cargo && !KEPT.iter().any(|kept| name.starts_with(kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_outer_cargo_sets_does_not_reach_the_inner_one() {
        for name in [
            "CARGO",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_MANIFEST_DIR",
            "CARGO_CFG_TARGET_ARCH",
            "CARGO_TARGET_DIR",
            "CARGO_BUILD_TARGET",
            "CARGO_PROFILE_RELEASE_DEBUG",
            "CARGO_MAKEFLAGS",
            "RUSTC",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
            "RUSTFLAGS",
            "RUSTUP_TOOLCHAIN",
            "LD_LIBRARY_PATH",
            "TARGET",
            "OUT_DIR",
        ] {
            assert!(is_leak(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn what_the_user_set_for_every_cargo_stays() {
        for name in [
            "PATH",
            "HOME",
            "CARGO_HOME",
            "RUSTUP_HOME",
            "CARGO_NET_OFFLINE",
            "CARGO_HTTP_PROXY",
            "CARGO_REGISTRIES_CRATES_IO_PROTOCOL",
            "CARGO_TERM_COLOR",
            "https_proxy",
        ] {
            assert!(!is_leak(OsStr::new(name)), "{name}");
        }
    }
}
