//! The lanes of the kernel tests. The test programs of a lane run one after the other, and the lanes side by side.

use std::ffi::OsStr;

use anyhow::Result;
use xtask::command;

use super::{Built, Wanted, kernel_test, part::Outcome, skipped::run_counting_skipped};
use crate::cargo::Artifact;

pub(super) struct Lane {
    pub(super) name: &'static str,
    /// In the order in which they run.
    programs: &'static [&'static str],
}

/// Tests that mostly wait for timeouts of other programs. Several of them share a core, beside the remaining tests.
pub(super) const WAITING: [Lane; 3] = [
    Lane { name: "guard tests", programs: &["guard", "faults"] },
    Lane { name: "attack tests", programs: &["attacks", "campaign"] },
    Lane { name: "edge tests", programs: &["edge", "phone", "edge_fuzz"] },
];

impl Lane {
    pub(super) fn run(&self, built: &Built, wanted: &Wanted) -> Result<Outcome> {
        let threads = ("RUST_TEST_THREADS", OsStr::new("4"));
        let tests =
            self.programs.iter().flat_map(|name| built.kernel.iter().filter(move |test| test.name == *name));
        run_counting_skipped(self.name, tests, |test, skipped| {
            command::run_beside(&test.name, &mut kernel_test(test, built, wanted, &[threads, skipped])?)
        })
    }
}

/// Runs the programs that belong to no lane.
pub(super) fn rest(built: &Built, wanted: &Wanted) -> Result<Outcome> {
    let waits = |test: &Artifact| WAITING.iter().any(|lane| lane.programs.contains(&test.name.as_str()));
    run_counting_skipped("kernel tests", built.kernel.iter().filter(|test| !waits(test)), |test, skipped| {
        command::run(&mut kernel_test(test, built, wanted, &[skipped])?)
    })
}
