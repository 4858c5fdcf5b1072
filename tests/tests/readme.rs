//! The README says what the program does: its tables, its commands and its files are compared with the code.

use std::collections::BTreeMap;

use sipward::{cli::understand, policy::Config, signature::SignatureSet};
use xdp_prog::reason::{Action, Reason};

const README: &str = include_str!("../../README.md");

#[test]
fn the_table_of_reasons_has_all_of_them_with_their_actions() {
    let table = README.split("### All reasons").nth(1).expect("a table of reasons");
    let table = table.split("\n## ").next().expect("a split has a first part");
    let mut told = BTreeMap::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        for name in code(cells[1]) {
            assert_eq!(told.insert(name, cells[2]), None, "{name} is there twice");
        }
    }
    let name = |action| match action {
        Action::Pass => "pass",
        Action::Drop => "drop",
    };
    let all = Reason::ALL.iter().map(|reason| (reason.name(), name(reason.action()))).collect();
    assert_eq!(told, all);
}

#[test]
fn every_reason_that_is_mentioned_exists() {
    let judged = README.split("## How a packet is judged").nth(1).expect("that chapter");
    let judged = judged.split("### ").next().expect("a split has a first part");
    for row in judged.lines().filter(|line| line.starts_with("| ") && line.ends_with('|')) {
        let reasons = row.trim_end_matches('|').rsplit('|').next().expect("a last cell");
        for name in code(reasons).filter(|name| !name.ends_with('…')) {
            assert!(Reason::from_name(name).is_some(), "{name} in {row}");
        }
    }
}

#[test]
fn every_command_is_one_that_sipward_understands() {
    let commands: Vec<_> = blocks().chain(code(README)).filter(|text| text.starts_with("sipward ")).collect();
    assert!(commands.len() > 40, "{commands:?}");
    for line in commands {
        let words = line.split_whitespace().take_while(|word| !["|", "<", ">"].contains(word));
        if let Err(error) = understand(words) {
            // `sipward help` is understood, too.
            assert_eq!(error.exit_code(), 0, "{line}\n{error}");
        }
    }
}

#[test]
fn every_file_that_is_shown_is_valid() {
    let files: Vec<_> =
        README.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(files.len(), 2);
    for text in files {
        if text.contains("[[signature]]") {
            let set = SignatureSet::parse(text, "README.md").unwrap();
            SignatureSet::shipped().overlaid(&set).compile().unwrap();
        } else {
            Config::parse(text, "README.md").unwrap().resolve().unwrap();
        }
    }
}

#[test]
fn every_link_leads_somewhere() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let targets = README.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    for target in targets.filter(|target| !target.starts_with("https://") && !target.starts_with('#')) {
        assert!(std::path::Path::new(root).join(target).exists(), "{target}");
    }
}

/// What stands between single backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let outside_fences = text.split("```").step_by(2);
    outside_fences.flat_map(|part| part.split('`').skip(1).step_by(2))
}

/// The lines of indented blocks.
fn blocks() -> impl Iterator<Item = &'static str> {
    README.lines().filter_map(|line| line.strip_prefix("    ")).map(str::trim_end)
}
