//! Installs the programs that are missing. If none is missing, it changes nothing.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};
use xtask::{
    command::{self, locate, output},
    ebpf::{self, Compiler, Inventory, Kind, Version},
};

use crate::{apt::Apt, asterisk, cargo::cargo, vm::qemu};

/// The release of bpf-linker for this workspace.
const BPF_LINKER: &str = "0.13.0";
/// The newest LLVM that this release can be built with.
const NEWEST_LLVM: u32 = 23;

/// The purpose of the setup. Each includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    Build,
    Demo,
    Test,
    Bench,
}

/// A program, the Debian package that has it, and the first purpose that needs it.
struct Tool {
    program: &'static str,
    package: &'static str,
    purpose: Purpose,
}

const TOOLS: [Tool; 13] = [
    Tool { program: "ip", package: "iproute2", purpose: Purpose::Demo },
    Tool { program: "sipp", package: "sip-tester", purpose: Purpose::Demo },
    Tool { program: "svmap", package: "sipvicious", purpose: Purpose::Demo },
    Tool { program: "sipsak", package: "sipsak", purpose: Purpose::Test },
    Tool { program: "kamailio", package: "kamailio", purpose: Purpose::Test },
    Tool { program: "baresip", package: "baresip-core", purpose: Purpose::Test },
    Tool { program: "iptables", package: "iptables", purpose: Purpose::Test },
    Tool { program: "busybox", package: "busybox-static", purpose: Purpose::Test },
    Tool { program: "ethtool", package: "ethtool", purpose: Purpose::Bench },
    Tool { program: "ipset", package: "ipset", purpose: Purpose::Bench },
    Tool { program: "nft", package: "nftables", purpose: Purpose::Bench },
    Tool { program: "xdp-filter", package: "xdp-tools", purpose: Purpose::Bench },
    Tool { program: "fail2ban-server", package: "fail2ban", purpose: Purpose::Bench },
];

pub(crate) fn run(purpose: Purpose) -> Result<()> {
    let apt = Apt::find();
    let results = [tools(apt.as_ref(), purpose), toolchain(apt.as_ref())];
    // Reports both, so that the user sees all remedies at once.
    let errors: Vec<_> =
        results.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    if !errors.is_empty() {
        bail!("{}", errors.join("\n"));
    }
    if purpose == Purpose::Test {
        lints();
        if let Err(error) = qemu::obtain(apt.as_ref()) {
            println!("setup: no virtual machine: {error:#}");
        }
    }
    if purpose >= Purpose::Test
        && let Err(error) = asterisk::obtain(apt.as_ref())
    {
        println!("setup: no Asterisk: {error:#}");
    }
    Ok(())
}

fn tools(apt: Option<&Apt>, purpose: Purpose) -> Result<()> {
    let needed = TOOLS.iter().filter(|tool| tool.purpose <= purpose);
    let missing: Vec<_> = needed.filter(|tool| locate(tool.program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<String> = missing.iter().map(|tool| tool.package.to_owned()).collect();
    println!("setup: installing {}", packages.join(", "));
    let by_hand =
        || format!("cannot install the tools; by hand: sudo apt-get install {}", packages.join(" "));
    let Some(apt) = apt else {
        let programs: Vec<_> = missing.iter().map(|tool| tool.program).collect();
        bail!(
            "{} are missing, and there is no apt to install them: use this system's package manager",
            programs.join(", ")
        );
    };
    apt.install(&packages).with_context(by_hand)
}

/// The ways to complete an eBPF toolchain, from the smallest change to the largest.
#[derive(Clone, Copy)]
enum Change {
    /// A linker, for a compiler that has its sources.
    Nothing,
    Sources,
    Compiler,
}

fn toolchain(apt: Option<&Apt>) -> Result<()> {
    for change in [Change::Nothing, Change::Sources, Change::Compiler] {
        if ebpf::find().is_ok() {
            break;
        }
        if let Err(error) = apply(change, apt).and_then(|()| bpf_linker(apt)) {
            println!("setup: {error:#}");
        }
    }
    println!("setup: the eBPF object comes from {}", ebpf::find()?);
    Ok(())
}

fn apply(change: Change, apt: Option<&Apt>) -> Result<()> {
    match change {
        Change::Nothing => Ok(()),
        Change::Sources => rust_src(),
        Change::Compiler => debian_compiler(apt),
    }
}

/// Adds the sources of `core` to every toolchain of rustup that is recent, best first, until one has them.
fn rust_src() -> Result<()> {
    let inventory = ebpf::survey();
    let mut compilers: Vec<&Compiler> = inventory.compilers.iter().collect();
    compilers.retain(|compiler| compiler.kind != Kind::System && compiler.is_recent() && !compiler.sources);
    compilers.sort_by_key(|compiler| compiler.kind);
    for compiler in compilers {
        println!("setup: adding rust-src to rustup's {}", compiler.name);
        let add = &mut Command::new(ebpf::rustup());
        match command::run(add.args(["component", "add", "rust-src", "--toolchain", &compiler.name])) {
            Ok(()) => return Ok(()),
            Err(error) => println!("setup: {error:#}"),
        }
    }
    bail!("no toolchain of rustup got rust-src")
}

fn debian_compiler(apt: Option<&Apt>) -> Result<()> {
    let apt = apt.context("there is no apt to install a compiler with")?;
    let oldest =
        Version::parse(env!("CARGO_PKG_RUST_VERSION")).context("the manifest names no Rust version")?;
    apt.first(&["rustc-web".to_owned()], |version| version >= oldest)
        .with_context(|| format!("apt offers no rustc-web {oldest} or newer"))?;
    println!("setup: installing Debian's rustc with its sources");
    apt.install(&["rustc-web", "cargo-web", "rust-web-src"].map(str::to_owned))
}

/// An LLVM that fits a usable compiler, and whose development files are installed or can be.
fn obtainable_llvm(inventory: &Inventory, apt: Option<&Apt>) -> Option<u32> {
    let fitting = |compiler: &Compiler| (compiler.linker_llvm()..=NEWEST_LLVM).collect::<Vec<_>>();
    let fitting: Vec<u32> = inventory.usable_compilers().into_iter().flat_map(fitting).collect();
    if let Some(here) = fitting.iter().find(|llvm| has_llvm(**llvm)) {
        return Some(*here);
    }
    let packages: Vec<_> = fitting.iter().map(|llvm| llvm_package(*llvm)).collect();
    if packages.is_empty() {
        return None;
    }
    let offered = apt?.first(&packages, |_| true)?;
    fitting.into_iter().find(|llvm| llvm_package(*llvm) == *offered)
}

/// Builds the linker that a usable compiler lacks, if there is an LLVM for it.
fn bpf_linker(apt: Option<&Apt>) -> Result<()> {
    let inventory = ebpf::survey();
    if inventory.choose().is_some() {
        return Ok(());
    }
    let Some(llvm) = obtainable_llvm(&inventory, apt) else { return Ok(()) };
    if let Some(apt) = apt.filter(|_| !has_llvm(llvm)) {
        println!("setup: installing LLVM {llvm}, which bpf-linker is linked to");
        apt.install(&[llvm_package(llvm)])?;
    }
    println!("setup: building bpf-linker {BPF_LINKER} into {}, about a minute", ebpf::tools_root().display());
    command::run(
        cargo()
            .env("LLVM_PREFIX", llvm_prefix(llvm))
            // LLVM does the work, so the Rust around it is built for a short build, not for speed.
            .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .args(["install", "bpf-linker", "--version", BPF_LINKER, "--locked", "--root"])
            .arg(ebpf::tools_root())
            .args(["--no-default-features", "--features", &format!("llvm-{llvm}")]),
    )
}

fn llvm_prefix(llvm: u32) -> PathBuf {
    format!("/usr/lib/llvm-{llvm}").into()
}

fn llvm_package(llvm: u32) -> String {
    format!("llvm-{llvm}-dev")
}

fn has_llvm(llvm: u32) -> bool {
    // The runtime package has no headers and no llvm-config.
    llvm_prefix(llvm).join("bin/llvm-config").is_file()
}

/// Format and lints are parts of the tests. A minimal toolchain without them can run all other parts.
fn lints() {
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if output(cargo().args([subcommand, "--version"])).is_some() {
            continue;
        }
        if let Err(error) = command::run(Command::new(ebpf::rustup()).args(["component", "add", component])) {
            println!("setup: {error:#}");
        }
    }
}
