//! Test programs of the kernel tests that run one after the other, and the lanes that run beside each other.

use std::{ffi::OsStr, fs, path::PathBuf};

use anyhow::{Context as _, Result};
use xtask::{command, ebpf::workspace_root};

use super::{Built, Wanted, kernel_test, part::Outcome, run_all};
use crate::cargo::Artifact;

/// Names the file in which tests leave a line that cannot run on this machine.
const SKIPPED: &str = "SIPWARD_SKIPPED";

pub(super) struct Lane {
    pub(super) name: &'static str,
    /// In this order, and each that is there.
    programs: &'static [&'static str],
}

/// Their tests wait for the times of others much more than they work: several at once on few cores, beside the rest.
pub(super) const WAITING: [Lane; 2] = [
    Lane { name: "guard tests", programs: &["guard", "faults"] },
    Lane { name: "attack tests", programs: &["attacks", "campaign"] },
];

impl Lane {
    pub(super) fn run(&self, built: &Built, wanted: &Wanted) -> Result<Outcome> {
        let threads = ("RUST_TEST_THREADS", OsStr::new("4"));
        let tests =
            self.programs.iter().flat_map(|name| built.kernel.iter().filter(move |test| test.name == *name));
        counting_skipped(self.name, tests, |test, skipped| {
            command::run_beside(&test.name, &mut kernel_test(test, built, wanted, &[threads, skipped])?)
        })
    }
}

/// All that is in no other lane.
pub(super) fn rest(built: &Built, wanted: &Wanted) -> Result<Outcome> {
    let waits = |test: &Artifact| WAITING.iter().any(|lane| lane.programs.contains(&test.name.as_str()));
    counting_skipped("kernel tests", built.kernel.iter().filter(|test| !waits(test)), |test, skipped| {
        command::run(&mut kernel_test(test, built, wanted, &[skipped])?)
    })
}

/// Runs test programs, and says of which tests they said that these cannot run here.
fn counting_skipped<'a>(
    name: &str,
    tests: impl Iterator<Item = &'a Artifact>,
    run: impl Fn(&Artifact, (&str, &OsStr)) -> Result<()>,
) -> Result<Outcome> {
    let file = skipped_file(name)?;
    let outcome = run_all(tests, |test| run(test, (SKIPPED, file.as_os_str())))?;
    let lines = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let tests: Vec<_> = lines.lines().map(str::to_owned).collect();
    Ok(if outcome == Outcome::Passed && !tests.is_empty() { Outcome::Without(tests) } else { outcome })
}

/// An empty one: root only adds to it.
fn skipped_file(name: &str) -> Result<PathBuf> {
    let directory = workspace_root().join("target/skipped");
    let file = directory.join(name.replace(' ', "-"));
    fs::create_dir_all(&directory)
        .and_then(|()| fs::write(&file, ""))
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}
