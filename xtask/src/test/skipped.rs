//! The tests that report themselves as skipped. Rust's harness counts such a test as passed, so each also appends a line
//! to a file whose path it takes from the environment: `sipward_testkit::skipped`.

use std::{ffi::OsStr, fs, path::PathBuf};

use anyhow::{Context as _, Result};
use xtask::ebpf::workspace_root;

use super::{part::Outcome, run_all};
use crate::cargo::Artifact;

/// Names the file.
const VARIABLE: &str = "SIPWARD_SKIPPED";

/// Runs the test programs of a part one after the other, with the variable that names the file.
pub(super) fn run_counting_skipped<'a>(
    part: &str,
    tests: impl Iterator<Item = &'a Artifact>,
    run: impl Fn(&Artifact, (&'static str, &OsStr)) -> Result<()>,
) -> Result<Outcome> {
    let file = empty_file(part)?;
    let outcome = run_all(tests, |test| run(test, (VARIABLE, file.as_os_str())))?;
    let lines = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut skipped: Vec<_> = lines.lines().map(str::to_owned).collect();
    skipped.sort_unstable();
    Ok(if outcome == Outcome::Passed && !skipped.is_empty() { Outcome::PassedBut(skipped) } else { outcome })
}

/// The user creates the file, and tests that run as root append to it.
fn empty_file(part: &str) -> Result<PathBuf> {
    let directory = workspace_root().join("target/skipped");
    let file = directory.join(part.replace(' ', "-"));
    fs::create_dir_all(&directory)
        .and_then(|()| fs::write(&file, ""))
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}
