//! `cargo xtask bench`: the benchmarks of `sipward-tests`, as root because they load programs into the kernel.

mod against;

use std::{ffi::OsStr, fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};
use xtask::{command, ebpf::workspace_root};

use crate::{
    asterisk,
    cargo::{Artifact, cargo, programs_by},
    root::{as_root, mount_bpffs},
    setup::{self, Purpose},
};

/// The parts that run where none is named.
const PARTS: [&str; 4] = ["kernel", "wire", "react", "scale"];

/// `part` is one of the benchmarks, `only` a part of the names of its cases, and `against` a commit to compare with.
pub(crate) fn run(part: Option<&str>, only: Option<&str>, against: Option<&str>) -> Result<()> {
    setup::run(Purpose::Bench)?;
    match (part, against) {
        (_, None) => {}
        (Some("kernel"), Some(commit)) => return against::run(commit, only),
        _ => bail!(
            "only `kernel` is measured against another commit: `cargo xtask bench kernel --against COMMIT`"
        ),
    }
    let results = workspace_root().join("target/bench");
    fs::create_dir_all(&results).with_context(|| format!("cannot create {}", results.display()))?;
    let parts = part.map_or(PARTS.to_vec(), |part| vec![part]);
    let built = build_bench(cargo(), &parts)?;
    let program = |name: &str| {
        let found = built.iter().find(|artifact| artifact.name == name);
        found.with_context(|| format!("cargo built no {name}"))
    };
    let sipward = program("sipward")?;
    mount_bpffs()?;
    let asterisk = asterisk::root();
    let mut variables = variables(asterisk.as_deref());
    variables.push(("SIPWARD", sipward.executable.as_os_str()));
    for part in &parts {
        let bench = program(part)?;
        let file = results.join(format!("{part}.json"));
        let mut bench_command = as_root(&bench.executable, &variables)?;
        bench_command.arg("--bench").arg("--json").arg(&file).args(only).current_dir(&bench.package);
        command::run(&mut bench_command)?;
        println!("bench: {} has the same as JSON\n", file.display());
    }
    println!("bench: put this into {}\n", page(&parts));
    for part in parts {
        // A benchmark without tables writes none.
        print!("{}", fs::read_to_string(results.join(format!("{part}.md"))).unwrap_or_default());
    }
    Ok(())
}

/// The page with these results, and the place on it.
fn page(parts: &[&str]) -> &'static str {
    match parts {
        ["attacks"] => "README.md, between `attacks:begin` and `attacks:end`",
        _ => "tests/benches/RESULTS.md, between `bench:begin` and `bench:end`",
    }
}

fn build_bench(cargo: Command, parts: &[&str]) -> Result<Vec<Artifact>> {
    let wanted = ["--package", "sipward-tests", "--package", "sipward", "--bin", "sipward"];
    let chosen = parts.iter().flat_map(|part| ["--bench", part]);
    let arguments =
        ["build", "--locked", "--profile", profile(parts[0])].into_iter().chain(wanted).chain(chosen);
    programs_by(cargo, &arguments.collect::<Vec<_>>())
}

fn variables(asterisk: Option<&Path>) -> Vec<(&str, &OsStr)> {
    let mut variables = vec![("RUST_BACKTRACE", OsStr::new("1"))];
    variables.extend(asterisk.map(|root| (asterisk::VARIABLE, root.as_os_str())));
    variables
}

/// Of those that measure the filter, and of those that measure the daemon: it is not built as fast as it could be for the
/// former, as building it takes longest.
fn profile(part: &str) -> &'static str {
    if PARTS.contains(&part) || part == "attacks" { "bench-filter" } else { "release" }
}
