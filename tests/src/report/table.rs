//! A report as text: lines for a terminal, and tables for `benches/RESULTS.md`.

use std::fmt::Write as _;

use super::{
    Line, Report, Section,
    case::{Figure, NoRatio, Ratio},
};

/// The names of the columns of [`line`].
pub(super) fn head() -> String {
    format!("{:<44} {:>9} {:>7} {:>14} {:>7}", "", "ratio", "spread", "median", "spread")
}

pub(super) fn line(line: &Line) -> String {
    let Line { case, unit, figure, ratio, counts } = line;
    let (ratio, noise) = match ratio {
        Ok(Ratio { figure, .. }) => (short(figure.median), percent(figure.spread)),
        Err(refusal) => (refusal.to_string(), String::new()),
    };
    let counts: Vec<_> = counts.iter().map(|(what, count)| format!("  {what} {count}")).collect();
    let figure_and_unit = format!("{} {unit}", short(figure.median));
    format!(
        "{case:<44} {ratio:>9} {noise:>7} {figure_and_unit:>14} {:>7}{}",
        percent(figure.spread),
        counts.concat()
    )
}

fn percent(part: f64) -> String {
    format!("{:.0} %", 100.0 * part)
}

/// With three digits or so.
fn short(value: f64) -> String {
    match value.abs() {
        small if small < 10.0 => format!("{value:.2}"),
        middle if middle < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// All of it in Markdown.
pub(super) fn markdown(report: &Report) -> String {
    let mut text = String::new();
    if !report.goals.is_empty() {
        let rows = report.goals.iter().map(|goal| goal.cells().to_vec());
        text += &table(&["goal", "", "found", ""].map(str::to_owned), rows);
    }
    let mut tables: Vec<&str> = report.sections.iter().map(|section| section.table).collect();
    tables.dedup();
    let mut seen = Vec::new();
    for name in tables {
        if !seen.contains(&name) {
            seen.push(name);
            let sections: Vec<_> = report.sections.iter().filter(|section| section.table == name).collect();
            text += &format!("\n{name}:\n\n");
            text += &match sections.as_slice() {
                [one] => lines(one),
                many => matrix(many),
            };
        }
    }
    for note in &report.notes {
        // Infallible: a string.
        let _ = write!(text, "\n{note}\n");
    }
    text
}

/// One section, as it was printed.
fn lines(section: &Section) -> String {
    let printed = section.lines.iter().map(|printed| line(printed) + "\n");
    format!("```text\n{}\n{}```\n", head(), printed.collect::<String>())
}

/// A row for each section, and a column for each case that is in one of them.
fn matrix(sections: &[&Section]) -> String {
    let mut cases: Vec<&str> = Vec::new();
    for line in sections.iter().flat_map(|section| &section.lines) {
        if !cases.contains(&line.case.as_str()) {
            cases.push(&line.case);
        }
    }
    let head: Vec<_> = [""].into_iter().chain(cases.iter().copied()).map(str::to_owned).collect();
    let rows = sections.iter().map(|section| {
        let cell = |case: &&str| section.lines.iter().find(|line| line.case == **case).map(cell);
        let cells = cases.iter().map(|case| cell(case).unwrap_or_default());
        [section.name.clone()].into_iter().chain(cells).collect()
    });
    table(&head, rows)
}

fn cell(line: &Line) -> String {
    let Line { unit, figure, ratio, .. } = line;
    let found = format!("{} {unit}", short(figure.median));
    match ratio {
        Ok(Ratio { figure: Figure { median, spread, .. }, .. }) => {
            format!("**{}** ±{:.0} % ({found})", short(*median), 50.0 * spread)
        }
        Err(NoRatio::Noise) => format!("noise ({found})"),
        Err(_) => found,
    }
}

fn table(head: &[String], rows: impl Iterator<Item = Vec<String>>) -> String {
    let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = vec!["---".to_owned(); head.len()];
    row(head) + &row(&rule) + &rows.map(|cells| row(&cells)).collect::<String>()
}
