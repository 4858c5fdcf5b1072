//! `cargo xtask test`: runs all parts, also after one has failed, and prints a summary with a line for each.

mod lane;
mod part;
mod skipped;

use std::{ffi::OsStr, panic::resume_unwind, process::Command, thread};

use anyhow::{Result, bail};
use xtask::command::{self, at_lowest_priority, output};

use crate::{
    asterisk,
    cargo::{Artifact, cargo, programs},
    root::{as_root, mount_bpffs},
    setup::{self, Purpose},
    vm,
};
use part::{Outcome, Part, part};
use skipped::run_counting_skipped;

/// The kernel series of Debian 12, and the oldest that every run covers.
const VM_KERNEL: &str = "6.1";
/// The integration tests of this package need root. All other tests run as the user.
const KERNEL_PACKAGE: &str = "tests";

/// Names a directory with the messages of RFC 4475, which this repository does not contain.
const TORTURE: &str = "SIPWARD_RFC4475";
/// Selects the long form of tests.
const LONG: (&str, &str) = ("SIPWARD_LONG", "1");

/// The selection of tests, and their form.
pub(crate) struct Wanted {
    /// Only tests whose name contains this.
    pub(crate) filter: Option<String>,
    pub(crate) long: bool,
}

impl Wanted {
    fn filter(&self) -> Option<&str> {
        self.filter.as_deref()
    }

    fn variable(&self) -> Option<(&'static str, &'static str)> {
        self.long.then_some(LONG)
    }
}

pub(crate) fn run(wanted: &Wanted) -> Result<()> {
    setup::run(Purpose::Test)?;
    let mut parts = vec![unless_filtered("format", wanted, format)];
    let mut built = Built::default();
    parts.push(part("build", || {
        built = build()?;
        Ok(Outcome::Passed)
    }));
    if parts.iter().any(|part| part.name == "build" && !part.failed()) {
        mount_bpffs()?;
        parts.extend(side_by_side(&built, wanted));
    } else {
        parts.push(unless_filtered("lints", wanted, clippy));
    }
    part::summarize(&parts)
}

/// Most tests with a kernel wait for others. Everything that only computes runs beside them, at the lowest priority.
fn side_by_side(built: &Built, wanted: &Wanted) -> Vec<Part> {
    thread::scope(|scope| {
        let machine = scope.spawn(|| {
            let name = format!("vm {VM_KERNEL}");
            vec![unless_filtered(&name, wanted, || virtual_machine(built))]
        });
        let computing = scope.spawn(|| {
            vec![
                part("host tests", || host_tests(built, wanted)),
                unless_filtered("lints", wanted, clippy),
                part("doc tests", || doc_tests(wanted.filter())),
            ]
        });
        let lanes =
            lane::WAITING.map(|lane| scope.spawn(move || vec![part(lane.name, || lane.run(built, wanted))]));
        let rest = part("kernel tests", || lane::rest(built, wanted));
        let others = [computing].into_iter().chain(lanes).chain([machine]);
        let others = others.flat_map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        [rest].into_iter().chain(others).collect()
    })
}

/// A filter selects tests, so whatever is no test is left out.
fn unless_filtered(name: &str, wanted: &Wanted, action: impl FnOnce() -> Result<Outcome>) -> Part {
    match wanted.filter {
        None => part(name, action),
        Some(_) => Part::skipped(name, "a filter was given"),
    }
}

/// The test programs, and `sipward` for the tests that start it.
#[derive(Default)]
struct Built {
    host: Vec<Artifact>,
    kernel: Vec<Artifact>,
    sipward: Option<Artifact>,
}

fn format() -> Result<Outcome> {
    cargo_tool(&["fmt", "--all", "--check"])
}

fn clippy() -> Result<Outcome> {
    cargo_tool(&["clippy", "--locked", "--workspace", "--all-targets", "--", "--deny", "warnings"])
}

fn cargo_tool(arguments: &[&str]) -> Result<Outcome> {
    if output(cargo().args([arguments[0], "--version"])).is_none() {
        return Ok(Outcome::Skipped(format!("this toolchain has no cargo {}", arguments[0])));
    }
    command::run_beside(arguments[0], &mut at_lowest_priority(cargo().args(arguments)))?;
    Ok(Outcome::Passed)
}

/// Builds all in one cargo command. Tests enable features of dependencies, so a second command would build these twice.
fn build() -> Result<Built> {
    let mut built = Built::default();
    for program in programs(&["build", "--locked", "--workspace", "--bins", "--tests"])? {
        match (program.is_test, program.name.as_str()) {
            (true, _) if is_kernel_test(&program) => built.kernel.push(program),
            (true, _) => built.host.push(program),
            (false, "sipward") => built.sipward = Some(program),
            (false, _) => {}
        }
    }
    Ok(built)
}

/// The unit tests of the package need no root.
fn is_kernel_test(test: &Artifact) -> bool {
    test.package.ends_with(KERNEL_PACKAGE) && test.source.starts_with("tests")
}

fn host_tests(built: &Built, wanted: &Wanted) -> Result<Outcome> {
    run_counting_skipped("host tests", built.host.iter(), |test, (variable, file)| {
        let mut command = Command::new(&test.executable);
        command.args(wanted.filter()).envs(wanted.variable()).env(variable, file).current_dir(&test.package);
        command::run_beside(&test.name, &mut at_lowest_priority(&command))
    })
}

fn kernel_test(test: &Artifact, built: &Built, wanted: &Wanted, more: &[(&str, &OsStr)]) -> Result<Command> {
    let mut variables = vec![("RUST_BACKTRACE", OsStr::new("1"))];
    let torture = std::env::var_os(TORTURE);
    variables.extend(torture.as_deref().map(|directory| (TORTURE, directory)));
    variables.extend(wanted.variable().map(|(name, value)| (name, OsStr::new(value))));
    let asterisk = asterisk::root();
    variables.extend(asterisk.as_deref().map(|root| (asterisk::VARIABLE, root.as_os_str())));
    if let Some(sipward) = &built.sipward {
        variables.push(("SIPWARD", sipward.executable.as_os_str()));
    }
    variables.extend(more);
    let mut command = as_root(&test.executable, &variables)?;
    command.args(wanted.filter()).current_dir(&test.package);
    Ok(command)
}

fn doc_tests(filter: Option<&str>) -> Result<Outcome> {
    let mut command = cargo();
    command.args(["test", "--locked", "--workspace", "--doc", "--"]).args(filter);
    command::run_beside("doc", &mut at_lowest_priority(&command))?;
    Ok(Outcome::Passed)
}

/// Runs test programs one after the other. The error names those that failed.
fn run_all<'a>(
    tests: impl Iterator<Item = &'a Artifact>,
    run: impl Fn(&Artifact) -> Result<()>,
) -> Result<Outcome> {
    let mut tests = tests.peekable();
    if tests.peek().is_none() {
        return Ok(Outcome::Skipped("there are none".into()));
    }
    let mut failed = Vec::new();
    for test in tests {
        if let Err(error) = run(test) {
            println!("{error:#}");
            failed.push(test.package.join(&test.source).display().to_string());
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(Outcome::Passed)
}

fn virtual_machine(built: &Built) -> Result<Outcome> {
    if let Some(reason) = vm::unavailable() {
        return Ok(Outcome::Skipped(reason));
    }
    let Some(test) = built.kernel.iter().find(|test| test.name == vm::TEST) else {
        bail!("there is no test called {}", vm::TEST);
    };
    vm::boot_for_every_run(VM_KERNEL, &test.executable)?;
    Ok(Outcome::Passed)
}
