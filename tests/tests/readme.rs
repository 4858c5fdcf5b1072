//! The documentation agrees with the program: its tables, commands, files and links are compared with the code.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use sipward::cli::understand;
use sipward_engine::{guard::Rule, policy::Config};
use sipward_signature::SignatureSet;
use sipward_types::cause::Cause;
use xdp_prog::reason::{Action, Reason};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Files with pages, and directories of which every page is read.
const PAGES: [&str; 4] = ["README.md", "userspace/docs", "tests/README.md", "tests/benches"];
const SETTINGS: &str = include_str!("../../userspace/sipward.toml");
/// Lines that a page may have.
const LONGEST: usize = 450;

struct Page {
    path: PathBuf,
    text: String,
}

#[test]
fn the_table_of_reasons_has_all_of_them_with_their_actions() {
    let rules = rules();
    let table = rules.split("### All reasons").nth(1).expect("a table of reasons");
    let table = table.split("\n## ").next().expect("a split has a first part");
    let mut listed = BTreeMap::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        for name in code(cells[1]) {
            assert_eq!(listed.insert(name, cells[2]), None, "{name} is there twice");
        }
    }
    let name = |action| match action {
        Action::Pass => "pass",
        Action::Drop => "drop",
    };
    let all = Reason::ALL.iter().map(|reason| (reason.name(), name(reason.action()))).collect();
    assert_eq!(listed, all);
}

#[test]
fn every_reason_that_is_mentioned_exists() {
    let rules = rules();
    let judged = rules.split("## How a packet is judged").nth(1).expect("that chapter");
    let judged = judged.split("### ").next().expect("a split has a first part");
    for row in judged.lines().filter(|line| line.starts_with("| ") && line.ends_with('|')) {
        let reasons = row.trim_end_matches('|').rsplit('|').next().expect("a last cell");
        assert_reasons(row, code(reasons));
    }
    for Page { path, text } in pages() {
        let prefixed =
            |name: &&str| ["form:", "rate:", "prefix-rate:"].iter().any(|one| name.starts_with(one));
        assert_reasons(&path.display().to_string(), code(&text).filter(prefixed));
    }
}

#[test]
fn every_command_is_one_that_sipward_understands() {
    let pages = pages();
    let mut commands = 0;
    for Page { path, text } in &pages {
        for line in blocks(text).chain(code(text)).filter(|text| text.starts_with("sipward ")) {
            commands += 1;
            let words = line.split_whitespace().take_while(|word| !["|", "<", ">"].contains(word));
            let mut words: Vec<_> = words.collect();
            if words.len() == 2 && words[1] != "help" {
                // A name of a command, which may need arguments.
                words.push("--help");
            }
            if let Err(error) = understand(words) {
                // Help is understood, too.
                assert_eq!(error.exit_code(), 0, "{}: {line}\n{error}", path.display());
            }
        }
    }
    assert!(commands > 60, "{commands}");
}

#[test]
fn every_file_that_is_shown_is_valid() {
    let mut files = 0;
    for Page { path, text } in pages() {
        let path = path.display().to_string();
        for file in text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            files += 1;
            if file.contains("[[signature]]") {
                let set = SignatureSet::parse(file, &path).unwrap();
                SignatureSet::shipped().overlaid(&set).compile().unwrap();
            } else {
                Config::parse(file, &path).unwrap().resolve().unwrap();
            }
        }
    }
    assert_eq!(files, 4);
}

#[test]
fn every_section_of_the_configuration_that_is_mentioned_exists() {
    let sections: BTreeSet<_> =
        SETTINGS.lines().filter_map(|line| section(line.strip_prefix('#')?)).collect();
    let mut mentioned = BTreeSet::new();
    for Page { path, text } in pages() {
        for name in code(&text).filter_map(section) {
            assert!(sections.contains(name), "{}: [{name}]", path.display());
            mentioned.insert(name.to_owned());
        }
    }
    let mentioned: BTreeSet<_> = mentioned.iter().map(String::as_str).collect();
    assert_eq!(mentioned, sections);
}

#[test]
fn every_link_leads_somewhere() {
    for Page { path, text } in pages() {
        let directory = path.parent().expect("a file is in a directory");
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.starts_with("https://")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.clone() } else { directory.join(file) };
            assert!(file.exists(), "{}: {target}", path.display());
            if !anchor.is_empty() {
                let text = fs::read_to_string(&file).unwrap();
                assert!(headings(&text).any(|one| one == anchor), "{}: {target}", path.display());
            }
        }
    }
}

#[test]
fn the_rules_of_the_guard_are_all_on_the_page_of_the_protocol() {
    let page = fs::read_to_string(Path::new(ROOT).join("userspace/docs/protocol.md")).unwrap();
    let table =
        page.split("| Rule | Cause |").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("a table");
    let named = table.lines().filter_map(|row| row.split('|').nth(1)).flat_map(code);
    let rules: BTreeSet<Rule> = named
        .map(|name| {
            serde_json::from_value(name.into()).unwrap_or_else(|_| panic!("no rule is called {name}"))
        })
        .collect();
    assert_eq!(rules.len(), Rule::Hand as usize + 1);
}

#[test]
fn the_causes_of_refusals_are_all_on_the_page_of_the_edge_or_of_the_protocol() {
    let read = |page| fs::read_to_string(Path::new(ROOT).join("userspace/docs").join(page)).unwrap();
    let (edge, protocol) = (read("edge.md"), read("protocol.md"));
    let table =
        edge.split("| Cause |").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("a table of causes");
    let of_edge = table.lines().filter_map(|row| row.split('|').nth(1)).flat_map(code);
    let observed = protocol.split("Values of `cause`:").nth(1).and_then(|rest| rest.split(';').next());
    let listed: BTreeSet<_> = of_edge.chain(code(observed.expect("a list of causes"))).collect();
    assert_eq!(listed, Cause::ALL.map(Cause::name).into_iter().collect());
}

#[test]
fn every_page_of_the_documentation_is_in_both_lists() {
    let root = Path::new(ROOT);
    let lists =
        ["README.md", "userspace/docs/README.md"].map(|list| fs::read_to_string(root.join(list)).unwrap());
    let pages = pages();
    let names = pages.iter().filter(|page| page.path.starts_with(root.join("userspace/docs")));
    for name in names.map(|page| page.path.file_name().unwrap().to_str().unwrap()) {
        if name != "README.md" {
            assert!(lists[0].contains(&format!("](userspace/docs/{name})")), "{name}");
            assert!(lists[1].contains(&format!("]({name})")), "{name}");
        }
    }
}

#[test]
fn every_source_file_on_the_map_exists() {
    let root = Path::new(ROOT);
    let map = fs::read_to_string(root.join("userspace/docs/architecture.md")).unwrap();
    let bases = ["", "xdp-prog/src", "userspace/src", "userspace/crates", "userspace/crates/engine/src"]
        .map(|base| root.join(base));
    let is_file = |name: &&str| name.ends_with(".rs") || name.ends_with('/') || name.starts_with("tests/");
    let names: BTreeSet<_> = code(&map).filter(is_file).collect();
    assert!(names.len() > 70, "{names:?}");
    for name in names {
        assert!(bases.iter().any(|base| base.join(name).exists()), "{name}");
    }
}

#[test]
fn no_page_is_too_long() {
    for Page { path, text } in pages() {
        let lines = text.lines().count();
        assert!(lines <= LONGEST, "{}: {lines} lines", path.display());
    }
}

fn pages() -> Vec<Page> {
    let root = Path::new(ROOT);
    let mut paths = Vec::new();
    for path in PAGES.map(|path| root.join(path)) {
        if path.is_dir() {
            let files = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
            paths.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
        } else {
            paths.push(path);
        }
    }
    let page = |path: PathBuf| Page { text: fs::read_to_string(&path).unwrap(), path };
    paths.into_iter().map(page).collect()
}

fn rules() -> String {
    fs::read_to_string(Path::new(ROOT).join("userspace/docs/rules.md")).unwrap()
}

fn assert_reasons<'a>(place: &str, names: impl Iterator<Item = &'a str>) {
    for name in names.filter(|name| !name.ends_with('…')) {
        assert!(Reason::from_name(name).is_some(), "{name} in {place}");
    }
}

/// The name in `[name]`.
fn section(text: &str) -> Option<&str> {
    let name = text.strip_prefix('[')?.strip_suffix(']')?;
    (!name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')).then_some(name)
}

/// The anchors that GitHub gives to headings.
fn headings(text: &str) -> impl Iterator<Item = String> {
    let outside_fences = text.split("```").step_by(2).flat_map(str::lines);
    outside_fences.filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim()).map(
        |title| {
            let kept = title.to_lowercase();
            let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        },
    )
}

/// The text between single backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let outside_fences = text.split("```").step_by(2);
    outside_fences.flat_map(|part| part.split('`').skip(1).step_by(2))
}

/// The lines of indented blocks.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.strip_prefix("    ")).map(str::trim_end)
}
