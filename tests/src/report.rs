//! What a benchmark found: a table for people, and one JSON object; `benches/README.md` describes it.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use anyhow::Context as _;
use serde::Serialize;

use crate::figures::{median, spread};

#[derive(Debug, Serialize)]
pub struct Report {
    bench: &'static str,
    /// Of the sources, if they are a checkout; `+` if that was changed.
    commit: Option<String>,
    kernel: String,
    processor: String,
    cores: usize,
    sections: Vec<Section>,
    notes: Vec<String>,
    /// Where it is to be written as JSON.
    #[serde(skip)]
    file: Option<PathBuf>,
    /// Of the cases, only those with this in their name.
    #[serde(skip)]
    only: Option<String>,
}

#[derive(Debug, Serialize)]
struct Section {
    name: String,
    lines: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    case: String,
    unit: &'static str,
    /// Of all rounds: the one in the middle, and how far the others are from it.
    median: f64,
    spread: f64,
    /// To the section's base; of the rounds in which both were measured, one after the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<Ratio>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    counts: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
struct Ratio {
    to: String,
    median: f64,
    spread: f64,
}

/// What was measured, round by round.
#[derive(Debug)]
pub struct Case {
    name: String,
    unit: &'static str,
    rounds: BTreeMap<usize, f64>,
    counts: BTreeMap<&'static str, u64>,
}

impl Case {
    pub fn new(name: impl Into<String>) -> Self {
        Self::in_unit(name, "ns")
    }

    pub fn in_unit(name: impl Into<String>, unit: &'static str) -> Self {
        Self { name: name.into(), unit, rounds: BTreeMap::new(), counts: BTreeMap::new() }
    }

    /// What a round said. Cases that are to be compared have their turns in the same rounds.
    pub fn round(&mut self, round: usize, value: f64) {
        self.rounds.insert(round, value);
    }

    /// Adds to a sum that is shown beside the figures.
    pub fn count(&mut self, what: &'static str, count: u64) {
        *self.counts.entry(what).or_default() += count;
    }

    fn values(&self) -> Vec<f64> {
        self.rounds.values().copied().collect()
    }

    /// `None`: they have too few rounds in common for a ratio to mean anything, or the base is nothing.
    fn ratio(&self, base: &Self) -> Option<Ratio> {
        const FEWEST: usize = 3;
        let common = self.rounds.iter().filter_map(|(round, value)| Some(value / base.rounds.get(round)?));
        let ratios: Vec<_> = common.filter(|ratio| ratio.is_finite()).collect();
        (ratios.len() >= FEWEST && self.name != base.name && self.unit == base.unit).then(|| Ratio {
            to: base.name.clone(),
            spread: spread(&ratios),
            median: median(ratios),
        })
    }
}

impl Report {
    /// `NAME --bench [--json FILE] [PART]`: writes a file, too; and measures only what has that in its name.
    pub fn new(bench: &'static str) -> Self {
        let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
        let (mut file, mut only) = (None, None);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--json" => file = arguments.next().map(PathBuf::from),
                _ => only = Some(argument),
            }
        }
        let report = Self {
            bench,
            commit: commit(),
            kernel: first_line("/proc/sys/kernel/osrelease"),
            processor: processor(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            sections: Vec::new(),
            notes: Vec::new(),
            file,
            only,
        };
        let Self { commit, kernel, processor, cores, .. } = &report;
        let commit = commit.as_deref().unwrap_or("unknown");
        println!("{bench}: commit {commit}, Linux {kernel}, {cores} cores of {processor}");
        report
    }

    /// Whether that is to be measured.
    pub fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }

    pub fn section(&mut self, name: &str) {
        println!("\n{name}\n{:<44} {:>12} {:>7} {:>9} {:>7}", "", "median", "spread", "ratio", "spread");
        self.sections.push(Section { name: name.to_owned(), lines: Vec::new() });
    }

    /// Something that the figures do not say.
    pub fn note(&mut self, note: &str) {
        println!("  {note}");
        self.notes.push(note.to_owned());
    }

    /// The lines of the section, compared with the case that is called `base`.
    pub fn cases(&mut self, cases: &[Case], base: &str) {
        let base = cases.iter().find(|case| case.name == base);
        for case in cases {
            self.line(case, base);
        }
    }

    /// One line, compared with a case that has none of its own.
    pub fn case(&mut self, case: &Case, base: &Case) {
        self.line(case, Some(base));
    }

    fn line(&mut self, case: &Case, base: Option<&Case>) {
        let line = Line {
            case: case.name.clone(),
            unit: case.unit,
            median: median(case.values()),
            spread: spread(&case.values()),
            ratio: base.and_then(|base| case.ratio(base)),
            counts: case.counts.clone(),
        };
        print(&line);
        if let Some(section) = self.sections.last_mut() {
            section.lines.push(line);
        }
    }

    pub fn end(self) -> anyhow::Result<()> {
        if let Some(file) = &self.file {
            fs::write(file, serde_json::to_string_pretty(&self)?)
                .with_context(|| file.display().to_string())?;
        }
        Ok(())
    }
}

fn print(line: &Line) {
    let figure = format!("{:.1} {}", line.median, line.unit);
    let ratio = line.ratio.as_ref();
    let (ratio, noise) = ratio.map_or_else(Default::default, |ratio| {
        (format!("{:.2}", ratio.median), format!("{:.0} %", 100.0 * ratio.spread))
    });
    let counts: Vec<_> = line.counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
    println!(
        "{:<44} {figure:>12} {:>5.0} % {ratio:>9} {noise:>7}  {}",
        line.case,
        100.0 * line.spread,
        counts.join(", ")
    );
}

fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let changed = !git(&["status", "--porcelain"])?.is_empty();
    Some(git(&["rev-parse", "--short", "HEAD"])? + if changed { "+" } else { "" })
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

fn first_line(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::complaints;

    fn case(name: &str, rounds: &[(usize, f64)]) -> Case {
        Case { rounds: rounds.iter().copied().collect(), ..Case::new(name) }
    }

    #[test]
    fn a_ratio_is_of_rounds_in_which_both_were_measured() {
        let base = case("base", &[(0, 1.0), (1, 2.0), (2, 4.0), (3, 8.0)]);
        let other = case("other", &[(1, 4.0), (2, 8.0), (3, 16.0), (4, 1.0)]);
        let ratio = other.ratio(&base).unwrap();
        assert_eq!((ratio.median, ratio.spread), (2.0, 0.0));
    }

    #[test]
    fn what_is_written_is_what_the_schema_says() {
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("../benches/report.schema.json")).unwrap();
        let mut report = Report::new("test");
        report.section("a section");
        let mut base = case("base", &[(0, 1.0), (1, 2.0), (2, 4.0)]);
        base.count("sent", 7);
        report.cases(&[base, case("other", &[(0, 2.0), (1, 2.0), (2, 2.0)])], "base");
        report.note("a note");
        let written = serde_json::to_value(&report).unwrap();
        assert_eq!(complaints(&schema, &written), [""; 0], "{written:#}");
        for (place, wrong) in
            [("/cores", json!(0)), ("/sections/0/lines/0/unit", json!("miles")), ("/notes/0", json!(7))]
        {
            let mut written = written.clone();
            *written.pointer_mut(place).unwrap() = wrong;
            assert_eq!(complaints(&schema, &written).len(), 1, "{place}");
        }
        let mut more = written.clone();
        more["sections"][0]["more"] = json!(1);
        assert_eq!(complaints(&schema, &more).len(), 1);
        assert_eq!(complaints(&schema, &json!({})).len(), 1);
    }

    #[test]
    fn there_is_no_ratio_without_common_rounds_or_to_itself() {
        let base = case("base", &[(0, 1.0), (1, 2.0), (2, 4.0)]);
        assert!(case("other", &[(3, 4.0), (4, 8.0), (5, 1.0)]).ratio(&base).is_none());
        assert!(case("other", &[(1, 4.0), (2, 8.0)]).ratio(&base).is_none());
        assert!(case("base", &[(0, 1.0), (1, 2.0), (2, 4.0)]).ratio(&base).is_none());
    }
}
