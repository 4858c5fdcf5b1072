//! The report of a benchmark: lines for people, one JSON object, and tables for `benches/RESULTS.md`. `benches/README.md`
//! describes it.

mod case;
mod goal;
mod machine;
mod table;

use std::{collections::BTreeMap, fs, path::PathBuf, time::Instant};

use anyhow::Context as _;
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use self::goal::Goal;
pub use self::{
    case::{Case, Figure, NoRatio, Ratio, Unit},
    goal::Bound,
};
use crate::figures::median;

#[derive(Debug, Serialize)]
pub struct Report {
    bench: &'static str,
    commit: Option<String>,
    kernel: String,
    processor: String,
    cores: usize,
    sections: Vec<Section>,
    goals: Vec<Goal>,
    notes: Vec<String>,
    noise: Noise,
    #[serde(skip)]
    begun: (Instant, machine::Ticks),
    /// Where it is to be written as JSON.
    #[serde(skip)]
    file: Option<PathBuf>,
    /// Of the cases, only those with this in their name.
    #[serde(skip)]
    only: Option<String>,
}

/// The quality of the figures.
#[derive(Debug, Default, Serialize)]
struct Noise {
    /// The spread of the figure in the middle, and of the worst.
    median_spread: f64,
    largest_spread: f64,
    /// Of the time of all CPUs, that which the machine's host gave to others.
    stolen: f64,
}

#[derive(Debug, Serialize)]
struct Section {
    /// The table of its figures. Sections with the same table are its rows.
    table: &'static str,
    name: String,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    case: String,
    unit: Unit,
    figure: Figure,
    ratio: Result<Ratio, NoRatio>,
    counts: BTreeMap<&'static str, u64>,
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("case", &self.case)?;
        map.serialize_entry("unit", &self.unit)?;
        map.serialize_entry("figure", &self.figure)?;
        match &self.ratio {
            Ok(ratio) => map.serialize_entry("ratio", ratio)?,
            Err(refusal) => map.serialize_entry("no_ratio", refusal)?,
        }
        map.serialize_entry("counts", &self.counts)?;
        map.end()
    }
}

impl Report {
    /// `NAME --bench [--json FILE] [PART]`: writes a file, too, and beside it one with tables; and measures only what has
    /// that in its name.
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
            commit: machine::commit(),
            kernel: machine::kernel(),
            processor: machine::processor(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            sections: Vec::new(),
            goals: Vec::new(),
            notes: Vec::new(),
            noise: Noise::default(),
            begun: (Instant::now(), machine::Ticks::now()),
            file,
            only,
        };
        println!("{bench}: {}", report.place());
        report
    }

    fn place(&self) -> String {
        let Self { commit, kernel, processor, cores, .. } = self;
        let commit = commit.as_deref().unwrap_or("unknown");
        format!("commit {commit}, Linux {kernel}, {cores} cores of {processor}")
    }

    /// Returns true if the command line selects this section.
    pub fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }

    /// For those who wait.
    pub fn progress(&self, what: &str) {
        println!("[{:>3} s] {what}", self.begun.0.elapsed().as_secs());
    }

    /// `table`: what the figures are; sections of the same table are its rows.
    pub fn section(&mut self, table: &'static str, name: &str) {
        let title = if name.is_empty() { table.to_owned() } else { format!("{name}: {table}") };
        println!("\n{title}\n{}", table::head());
        self.sections.push(Section { table, name: name.to_owned(), lines: Vec::new() });
    }

    /// A remark beside the figures.
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
            figure: case.figure(),
            ratio: base.map_or(Err(NoRatio::Base), |base| case.ratio(base)),
            counts: case.counts.clone(),
        };
        println!("{}", table::line(&line));
        if let Some(section) = self.sections.last_mut() {
            section.lines.push(line);
        }
    }

    /// Adds a goal with its result.
    pub fn goal(&mut self, what: &str, bound: Bound, found: Result<Figure, NoRatio>) {
        self.goals.push(Goal::new(what, bound, found));
    }

    pub fn end(mut self) -> anyhow::Result<()> {
        if !self.goals.is_empty() {
            println!("\ngoals");
        }
        for goal in &self.goals {
            let [what, bound, found, met] = goal.cells();
            println!("{what:<60} {bound:>14} {found:>16}  {met}");
        }
        self.noise = self.noise();
        println!("\n{}", self.noise_said());
        let Some(file) = &self.file else { return Ok(()) };
        let write = |file: &PathBuf, text| fs::write(file, text).with_context(|| file.display().to_string());
        write(file, serde_json::to_string_pretty(&self)?)?;
        let (bench, place, noise) = (self.bench, self.place(), self.noise_said());
        let tables = format!("### {bench}\n\nAt {place}. {noise}.\n\n{}\n", table::markdown(&self));
        write(&file.with_extension("md"), tables)
    }

    fn noise(&self) -> Noise {
        let lines = self.sections.iter().flat_map(|section| &section.lines);
        let spreads: Vec<_> =
            lines.filter(|line| line.figure.rounds > 1).map(|line| line.figure.spread).collect();
        Noise {
            largest_spread: spreads.iter().copied().fold(0.0, f64::max),
            median_spread: median(spreads),
            stolen: machine::Ticks::now().stolen_since(self.begun.1),
        }
    }

    fn noise_said(&self) -> String {
        let [usual, largest, stolen] =
            [self.noise.median_spread, self.noise.largest_spread, self.noise.stolen].map(|part| 100.0 * part);
        format!(
            "Noise: the middle half of a figure's rounds is {usual:.0} % wide, of the worst {largest:.0} %; \
             {stolen:.1} % of the time was the host's"
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::schema::complaints;

    fn case(name: &str, rounds: [f64; 3]) -> Case {
        Case::of(name, Unit::Nanoseconds, &rounds)
    }

    fn schema() -> Value {
        serde_json::from_str(include_str!("../../benches/report.schema.json")).unwrap()
    }

    /// With everything that there can be.
    fn report() -> Report {
        let mut report = Report::new("test");
        let mut base = case("base", [1.0, 2.0, 4.0]);
        base.count("sent", 7);
        let other = case("other", [2.0, 4.0, 8.0]);
        let noise = case("noise", [1.0, 40.0, 0.0]);
        report.section("net ns", "a flood");
        report.goal("other : base", Bound::AtMost(1.5), other.ratio(&base).map(|ratio| ratio.figure));
        report.goal("noise : base", Bound::AtLeast(3.0), noise.ratio(&base).map(|ratio| ratio.figure));
        report.cases(&[base, other, noise], "base");
        report.section("net ns", "another flood");
        report.cases(&[case("base", [1.0; 3])], "base");
        report.note("a note");
        report
    }

    #[test]
    fn what_is_written_is_what_the_schema_says() {
        let schema = schema();
        let written = serde_json::to_value(report()).unwrap();
        assert_eq!(complaints(&schema, &written), [""; 0], "{written:#}");
        for (place, wrong) in [
            ("/cores", json!(0)),
            ("/sections/0/lines/0/unit", json!("miles")),
            ("/sections/0/lines/0/figure/rounds", json!(0.5)),
            ("/sections/0/lines/2/no_ratio", json!("why not")),
            ("/goals/0/met", json!("yes")),
            ("/noise/stolen", json!(-1)),
            ("/notes/0", json!(7)),
        ] {
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
    fn every_unit_is_in_the_schema() {
        let units = schema().pointer("/$defs/line/properties/unit/enum").unwrap().clone();
        let ours = [
            Unit::Nanoseconds,
            Unit::Milliseconds,
            Unit::Seconds,
            Unit::Percent,
            Unit::Requests,
            Unit::PerSecond,
            Unit::Mebibytes,
        ];
        assert_eq!(units, json!(ours));
    }

    #[test]
    fn sections_of_one_table_become_its_rows() {
        let tables = table::markdown(&report());
        for row in [
            "| other : base | at most 1.5 | 2.00 ±0 % | not met |",
            "| noise : base | at least 3 | noise | not met |",
            "|  | base | other | noise |",
            "| a flood | 2.00 ns | **2.00** ±0 % (4.00 ns) | noise (1.00 ns) |",
            "| another flood | 1.00 ns |  |  |",
        ] {
            assert!(tables.lines().any(|line| line == row), "{row}\n{tables}");
        }
    }
}
