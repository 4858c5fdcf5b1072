//! A part of the test run: its outcome, its duration, its lines in the summary.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    /// Passed, but for these tests, which could not run on this machine: `test: reason`.
    PassedBut(Vec<String>),
    /// The reason.
    Skipped(String),
    /// The error, in a line.
    Failed(String),
}

#[derive(Debug)]
pub(super) struct Part {
    pub name: String,
    pub outcome: Outcome,
    pub took: Duration,
}

/// Runs a part under a heading. An error fails this part and does not end the run.
pub(super) fn part(name: &str, action: impl FnOnce() -> Result<Outcome>) -> Part {
    println!("\n=== {name}");
    let start = Instant::now();
    let outcome = action().unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")));
    let part = Part { name: name.to_owned(), outcome, took: start.elapsed() };
    println!("=== {part}");
    part
}

impl Part {
    pub(super) fn skipped(name: &str, reason: &str) -> Self {
        Self { name: name.to_owned(), outcome: Outcome::Skipped(reason.to_owned()), took: Duration::ZERO }
    }

    fn skipped_tests(&self) -> &[String] {
        match &self.outcome {
            Outcome::PassedBut(skipped) => skipped,
            _ => &[],
        }
    }

    pub(super) fn failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f32();
        match &self.outcome {
            Outcome::Passed => write!(f, "{:<14} ok       {seconds:6.1} s", self.name),
            Outcome::PassedBut(skipped) => {
                write!(f, "{:<14} ok       {seconds:6.1} s  {} skipped", self.name, skipped.len())
            }
            Outcome::Skipped(reason) => write!(f, "{:<14} skipped  {reason}", self.name),
            Outcome::Failed(what) => write!(f, "{:<14} FAILED   {seconds:6.1} s  {what}", self.name),
        }
    }
}

/// Prints a line for each part and for each skipped test. Fails if a part has failed.
pub(super) fn summarize(parts: &[Part]) -> Result<()> {
    println!("\nsummary");
    for part in parts {
        println!("  {part}");
        part.skipped_tests().iter().for_each(|test| println!("    skipped  {test}"));
    }
    let failed: Vec<_> = parts.iter().filter(|part| part.failed()).map(|part| part.name.as_str()).collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_errs_has_failed_and_fails_the_run() {
        let good = part("good", || Ok(Outcome::Passed));
        let bad = part("bad", || bail!("broken"));
        assert_eq!(bad.outcome, Outcome::Failed("broken".into()));
        assert_eq!(summarize(&[good, bad]).unwrap_err().to_string(), "failed: bad");
    }

    #[test]
    fn tests_that_could_not_run_are_counted_and_named() {
        let part = part("kernel", || Ok(Outcome::PassedBut(vec!["a: no PBX".into(), "b: no PBX".into()])));
        assert!(part.to_string().ends_with("s  2 skipped"), "{part}");
        assert_eq!(part.skipped_tests(), ["a: no PBX", "b: no PBX"]);
        assert!(summarize(&[part]).is_ok());
    }

    #[test]
    fn a_skipped_part_says_why_and_does_not_fail_the_run() {
        let skipped = Part::skipped("vm", "no qemu");
        assert!(skipped.to_string().contains("no qemu"));
        assert!(summarize(&[skipped, part("good", || Ok(Outcome::Passed))]).is_ok());
    }
}
