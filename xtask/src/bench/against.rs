//! `cargo xtask bench kernel --against COMMIT`: the cost of a packet now, relative to the cost at that commit.
//!
//! The benchmark of each commit measures the filter of that commit, so that neither needs to know the other.
//! The two have turns, case by case, and every turn measures a trivial `XDP_DROP` beside the case. The comparison is of the
//! ratios to it, so that a machine that becomes slower meanwhile changes both sides alike.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use xtask::{command, ebpf::workspace_root};

use super::{build_bench, variables};
use crate::{
    cargo::cargo_in,
    root::{as_root, mount_bpffs},
};

/// The number of turns for each case. The true median lies between the least and the most of six with a probability of 31 in 32.
const PAIRS: usize = 6;
const BENCH: &str = "kernel";

/// One side: a commit's benchmark, built.
struct Side {
    executable: PathBuf,
    package: PathBuf,
    /// The file of its report.
    file: PathBuf,
}

pub(super) fn run(commit: &str, only: Option<&str>) -> Result<()> {
    let results = workspace_root().join("target/bench");
    fs::create_dir_all(&results).with_context(|| format!("cannot create {}", results.display()))?;
    let target = workspace_root().join("target");
    let then = side(&worktree(commit)?, &target.join("against/target"), results.join("kernel-then.json"))?;
    let now = side(workspace_root(), &target, results.join("kernel-now.json"))?;
    let read = |side: &Side| fs::read(&side.executable).context("cannot read a benchmark");
    // Two builds differ at least in paths and line numbers, unless cargo took one for the other.
    if read(&then)? == read(&now)? {
        bail!(
            "the benchmarks of both commits are the same program: `cargo clean --profile bench-filter`, and again"
        );
    }
    mount_bpffs()?;
    println!("bench: finding the cases of both, and then {PAIRS} pairs of turns for each");
    let [before, after] = [then.measure(only)?, now.measure(only)?];
    let (common, others): (Vec<_>, Vec<_>) = after.keys().partition(|name| before.contains_key(*name));
    println!("\n{:<44} {:>7}  {:<16} {:>9} {:>9}", "now : then", "ratio", "interval", "then", "now");
    for name in common {
        println!("{}", line(name, &pairs(|pair| take_turns(&then, &now, name, pair))?));
    }
    for name in others {
        println!("{name:<44} is not measured at {commit}");
    }
    println!(
        "\nThen and now are to a trivial XDP_DROP, the median of {PAIRS}; the ratio is the median of {PAIRS} pairs. The \
         interval is from the least to the most of them; where 1 is in it, the difference is unresolved."
    );
    Ok(())
}

/// Takes the pairs. A pair with noise on one side is repeated, within limits.
fn pairs(mut take: impl FnMut(usize) -> Result<Option<(f64, f64)>>) -> Result<Vec<(f64, f64)>> {
    let mut pairs = Vec::new();
    for attempt in 0..2 * PAIRS {
        pairs.extend(take(attempt)?);
        if pairs.len() == PAIRS {
            break;
        }
    }
    Ok(pairs)
}

/// One pair: the case at the commit, and now. Each side goes first every other time.
fn take_turns(then: &Side, now: &Side, name: &str, pair: usize) -> Result<Option<(f64, f64)>> {
    let of = |side: &Side| Ok::<_, anyhow::Error>(side.measure(Some(name))?.remove(name).flatten());
    let (before, after) = if pair.is_multiple_of(2) {
        let before = of(then)?;
        (before, of(now)?)
    } else {
        let after = of(now)?;
        (of(then)?, after)
    };
    Ok(before.zip(after))
}

fn line(name: &str, pairs: &[(f64, f64)]) -> String {
    if pairs.len() < PAIRS {
        return format!("{name:<44} unresolved: of {} pairs only {} were not noise", 2 * PAIRS, pairs.len());
    }
    let [then, now, ratios] = [|(then, _)| then, |(_, now)| now, |(then, now)| now / then]
        .map(|of: fn((f64, f64)) -> f64| sorted(pairs.iter().copied().map(of).collect()));
    let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
    let resolved = if (least..=most).contains(&1.0) { "  unresolved" } else { "" };
    let interval = format!("{least:.2} to {most:.2}");
    format!(
        "{name:<44} {:>7.2}  {interval:<16} {:>9.2} {:>9.2}{resolved}",
        median(&ratios),
        median(&then),
        median(&now)
    )
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// The median of sorted values. There must be some.
fn median(sorted: &[f64]) -> f64 {
    f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2])
}

/// The commit's files, in a directory of their own.
fn worktree(commit: &str) -> Result<PathBuf> {
    let git = |arguments: &[&str]| {
        command::output(Command::new("git").current_dir(workspace_root()).args(arguments))
    };
    let Some(id) = git(&["rev-parse", "--verify", "--end-of-options", &format!("{commit}^{{commit}}")])
    else {
        bail!(
            "there is no commit {commit} here: see `git log`; in a shallow clone, `git fetch --unshallow` first"
        );
    };
    let directory = workspace_root().join("target/against").join(id.trim());
    if !directory.exists() {
        let mut add = Command::new("git");
        add.current_dir(workspace_root())
            .args(["worktree", "add", "--detach"])
            .arg(&directory)
            .arg(id.trim());
        command::run(&mut add)?;
    }
    share_tools(&directory)?;
    Ok(directory)
}

/// The other workspace looks for the tools of the setup in its own target directory.
fn share_tools(workspace: &Path) -> Result<()> {
    let (ours, target) = (workspace_root().join("target/tools"), workspace.join("target"));
    let theirs = target.join("tools");
    if theirs.exists() || !ours.exists() {
        return Ok(());
    }
    fs::create_dir_all(&target)
        .and_then(|()| symlink(&ours, &theirs))
        .with_context(|| format!("cannot create {}", theirs.display()))
}

/// Each side has a target directory of its own. Cargo names its outputs by their paths within the workspace, so in a shared
/// directory it would take the outputs of the other side for up to date.
fn side(workspace: &Path, target: &Path, file: PathBuf) -> Result<Side> {
    let mut cargo = cargo_in(workspace);
    cargo.env("CARGO_TARGET_DIR", target);
    let built = build_bench(cargo, &[BENCH])?;
    let bench =
        built.into_iter().find(|artifact| artifact.name == BENCH).context("cargo built no benchmark")?;
    Ok(Side { executable: bench.executable, package: bench.package, file })
}

/// The ratio of each case to a trivial `XDP_DROP`, or none where it was noise.
type Found = std::collections::BTreeMap<String, Option<f64>>;

impl Side {
    fn measure(&self, only: Option<&str>) -> Result<Found> {
        let mut bench = as_root(&self.executable, &variables(None))?;
        bench.arg("--bench").arg("--json").arg(&self.file).args(only).current_dir(&self.package);
        let shown = command::shown(&bench);
        let done = bench.output().with_context(|| format!("cannot run `{shown}`"))?;
        if !done.status.success() {
            bail!("`{shown}` failed: {}\n{}", done.status, String::from_utf8_lossy(&done.stderr));
        }
        let text =
            fs::read_to_string(&self.file).with_context(|| format!("cannot read {}", self.file.display()))?;
        found(&serde_json::from_str(&text).with_context(|| format!("{} is no JSON", self.file.display()))?)
    }
}

/// The first section of a report. Another shape is an error, and not a report without cases.
fn found(report: &Value) -> Result<Found> {
    let lines = report.pointer("/sections/0/lines").and_then(Value::as_array);
    let lines = lines.context("the benchmark's report has no section with lines")?;
    let case = |line: &Value| {
        let name = line["case"].as_str().context("a line of the report has no case")?;
        Ok((name.to_owned(), line.pointer("/ratio/median").and_then(Value::as_f64)))
    };
    let cases = lines.iter().map(case).collect::<Result<Vec<_>>>()?;
    Ok(cases.into_iter().filter(|(name, _)| name != "XDP_DROP").collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_ratio_is_of_pairs_and_one_with_1_in_its_interval_is_unresolved() {
        let pairs = |ratios: [f64; PAIRS]| ratios.map(|ratio| (20.0, 20.0 * ratio));
        let dearer = line("x", &pairs([1.1, 1.2, 1.3, 1.2, 1.1, 1.25]));
        assert!(dearer.contains("1.20  1.10 to 1.30") && !dearer.contains("unresolved"), "{dearer}");
        let same = line("x", &pairs([0.9, 1.1, 1.0, 1.1, 1.0, 0.95]));
        assert!(same.contains("1.00  0.90 to 1.10") && same.contains("unresolved"), "{same}");
        let noise = &pairs([1.1; PAIRS])[1..];
        assert!(line("x", noise).contains("unresolved: of 12 pairs only 5"));
    }

    #[test]
    fn a_pair_that_was_noise_is_taken_again_and_not_for_ever() {
        let mut attempts = 0;
        let every_other = |attempt: usize| {
            attempts += 1;
            Ok((attempt % 2 == 1).then_some((1.0, 1.0)))
        };
        assert_eq!(pairs(every_other).unwrap().len(), PAIRS);
        assert_eq!(attempts, 2 * PAIRS);
        assert!(pairs(|_| Ok(None)).unwrap().is_empty());
    }

    #[test]
    fn the_cases_of_a_report_are_those_with_a_ratio_to_the_trivial_one() {
        let report = json!({"sections": [{"lines": [
            {"case": "banned", "ratio": {"to": "XDP_DROP", "median": 3.5}},
            {"case": "tapped", "no_ratio": "noise"},
            {"case": "XDP_DROP", "no_ratio": "base"},
        ]}]});
        let found = found(&report).unwrap();
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [("banned".into(), Some(3.5)), ("tapped".into(), None)]
        );
        assert!(super::found(&json!({"sections": []})).is_err());
    }
}
