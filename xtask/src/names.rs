//! Names that must not return, because newcomers could not guess their meaning.

use std::{fs, path::Path};

use xtask::ebpf::workspace_root;

/// Folders with the names that no type, module or function in them may have.
const GIVEN_UP: [(&str, &str); 6] = [
    (
        "userspace",
        "Office Desk Vault Opened Ward Warded Guarding Shelf Roster Claim Claims Standing Hearing Books Ledger Sightings \
         Sighting Seats Complaints Calls Suspect Suspected Sentence ClosedDoors Door DoorError Trail Pair Crowd Familiar \
         Keep News Recent Shelves Acquaintances Neighbourhood Doubtful Doubt What Because Pardon Knowledge Joiner Mint \
         Mints Coin Habit Patience Rounds Print Prints Told Nature Lifeline office desk vault ward roster hearing books \
         ledger sightings reception door trail crowd familiar shelves acquaintances doubtful knowledge joiner mints \
         patience rounds prints lifeline wall told untold tell danger harmless neighbourhood pardon",
    ),
    ("userspace/crates/engine/src/guard", "Closed Place Room closed pair place room news"),
    ("userspace/src/cli", "moment"),
    ("userspace/src/list_file", "moment"),
    ("xdp-prog/src", "Turn Nature Because Standing tell told nature print neighbourhood"),
    ("tests/src", "Judges Exchange Make Dice judges exchange dice"),
];

/// The name that a line defines.
fn defined(line: &str) -> Option<&str> {
    let code = line.split("//").next()?;
    let mut words = code.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
    let modifiers = ["pub", "crate", "super", "in", "unsafe", "const", "async", "extern"];
    let kind = words.find(|word| !modifiers.contains(word))?;
    ["struct", "enum", "trait", "type", "mod", "fn"].contains(&kind).then(|| words.next())?
}

fn given_up_in(folder: &Path, names: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder of the workspace") {
        let path = entry.expect("an entry of it").path();
        if path.is_dir() {
            given_up_in(&path, names, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            let given_up = |name: &&str| names.split_whitespace().any(|old| old == *name);
            let defined = text.lines().filter_map(|line| defined(line.trim_start())).filter(given_up);
            found.extend(defined.map(|name| format!("{}: {name}", path.display())));
        }
    }
}

#[test]
fn no_definition_has_a_name_that_was_given_up() {
    let mut found = Vec::new();
    for (folder, names) in GIVEN_UP {
        given_up_in(&workspace_root().join(folder), names, &mut found);
    }
    assert_eq!(found, [] as [String; 0]);
}

#[test]
fn definitions_are_found_whatever_stands_before_them() {
    for (line, name) in [
        ("pub(super) struct Door {", Some("Door")),
        ("pub const unsafe fn tell(&self) {", Some("tell")),
        ("mod wall;", Some("wall")),
        ("let door = Door::open();", None),
        ("/// struct Door", None),
    ] {
        assert_eq!(defined(line), name, "{line}");
    }
}
