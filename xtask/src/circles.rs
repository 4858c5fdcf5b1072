//! No two modules of a crate use each other, directly or through others. The compiler forbids this between crates, and allows
//! it within one. A parent and its own child may use each other: the parent holds the definitions that its children share.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use xtask::ebpf::workspace_root;

/// A module by its path from the crate's root, which is the empty one.
type Module = Vec<String>;

/// The modules of a crate, one for each file, with the paths in their `use` items.
#[derive(Default)]
struct Modules(BTreeMap<Module, Vec<Module>>);

impl Modules {
    fn read(root: &Path) -> Self {
        let mut modules = Self::default();
        modules.visit(root, &root.join("lib.rs"), Module::new());
        modules
    }

    fn visit(&mut self, folder: &Path, file: &Path, module: Module) {
        let text = without_tests(&fs::read_to_string(file).expect("a source file"));
        for name in text.lines().filter_map(child) {
            let mut path = module.clone();
            path.push(name.to_owned());
            let (inside, beside) = (folder.join(name), folder.join(name).with_extension("rs"));
            let file: PathBuf = if beside.exists() { beside } else { inside.join("mod.rs") };
            if file.exists() {
                self.visit(&inside, &file, path);
            }
        }
        let uses = uses(&text).into_iter().filter_map(|path| absolute(&module, path)).collect();
        self.0.insert(module, uses);
    }

    /// The module that a path leads to, through re-exports.
    fn target(&self, path: &[String], steps: usize) -> Module {
        let ends = (0..=path.len()).rev().find(|end| self.0.contains_key(&path[..*end])).unwrap_or(0);
        let (module, rest) = path.split_at(ends);
        let Some(name) = rest.first().filter(|_| steps > 0) else { return module.to_vec() };
        let taken = self.0[module].iter().find(|used| used.len() > 1 && used.last() == Some(name));
        match taken {
            Some(used) if used != path => self.target(used, steps - 1),
            _ => module.to_vec(),
        }
    }

    fn edges(&self) -> BTreeMap<&Module, BTreeSet<Module>> {
        const REEXPORTS: usize = 8;
        let is_kin = |one: &Module, other: &Module| one.starts_with(other) || other.starts_with(one);
        let of = |(module, uses): (_, &Vec<Module>)| {
            let targets = uses.iter().map(|path| self.target(path, REEXPORTS));
            (module, targets.filter(|target| !is_kin(module, target)).collect())
        };
        self.0.iter().map(of).collect()
    }

    /// The pairs of modules that reach each other.
    fn circles(&self) -> Vec<String> {
        let edges = self.edges();
        let reached = |from: &Module| {
            let (mut found, mut open) = (BTreeSet::new(), vec![from.clone()]);
            while let Some(module) = open.pop() {
                let next = edges.get(&module).into_iter().flatten();
                open.extend(next.filter(|next| found.insert((*next).clone())).cloned());
            }
            found
        };
        let all: BTreeMap<_, _> = edges.keys().map(|module| (*module, reached(module))).collect();
        let pairs = all.iter().flat_map(|(one, reached)| reached.iter().map(move |other| (*one, other)));
        let back = |(one, other): &(&Module, &Module)| one < other && all[other].contains(*one);
        pairs
            .filter(back)
            .map(|(one, other)| format!("{} <-> {}", one.join("::"), other.join("::")))
            .collect()
    }
}

/// Removes comments, and the tests at the end of a file.
fn without_tests(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let mut lines = code.lines().filter(is_code).peekable();
    let mut kept = String::new();
    while let Some(line) = lines.next() {
        match line.trim() {
            "#[cfg(test)]" => drop(lines.next()),
            _ => kept += &format!("{line}\n"),
        }
    }
    kept
}

/// The name of the module that a line declares.
fn child(line: &str) -> Option<&str> {
    let declared =
        line.trim_start_matches("pub ").trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
    declared.strip_prefix("mod ")?.strip_suffix(';')
}

/// The paths in all `use` items of a text.
fn uses(text: &str) -> Vec<Module> {
    let mut paths = Vec::new();
    for item in text.split('\n').enumerate().filter(|(_, line)| is_use(line)).map(|(number, _)| number) {
        let rest: String = text.lines().skip(item).collect::<Vec<_>>().join(" ");
        let tree =
            rest.split_once("use ").and_then(|(_, rest)| rest.split_once(';')).map_or("", |(tree, _)| tree);
        branches(tree, &[], &mut paths);
    }
    paths
}

fn is_use(line: &str) -> bool {
    let line = line.trim_start();
    let line = line.strip_prefix("pub").map_or(line, |line| match line.split_once(')') {
        Some((_, rest)) if line.starts_with('(') => rest.trim_start(),
        _ => line.trim_start(),
    });
    line.starts_with("use ")
}

/// `a::{b, c::d}` is `a::b` and `a::c::d`.
fn branches(tree: &str, before: &[String], paths: &mut Vec<Module>) {
    let (path, group) = tree.split_once('{').map_or((tree, None), |(path, rest)| (path, Some(rest)));
    let names = path.split("::").map(str::trim).filter(|name| !name.is_empty());
    let names = names.map(|name| name.split(" as ").next().unwrap_or(name).to_owned());
    let path: Module = before.iter().cloned().chain(names).collect();
    let Some(group) = group else {
        let is_own = |name: &String| name == "self" && path.len() > 1 || name == "*";
        let end = path.len() - usize::from(path.last().is_some_and(is_own));
        return paths.push(path[..end].to_vec());
    };
    let group = group.rsplit_once('}').map_or(group, |(group, _)| group);
    let (mut depth, mut start) = (0, 0);
    for (at, letter) in group.char_indices().chain([(group.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !group[start..at].trim().is_empty() {
                    branches(&group[start..at], &path, paths);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// The path from the crate's root, if it leads into this crate by `crate`, `self` or `super`.
fn absolute(module: &Module, path: Module) -> Option<Module> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some(module.iter().cloned().chain(rest.iter().cloned()).collect()),
        "super" => {
            let ups = path.iter().take_while(|name| *name == "super").count();
            let parent = &module[..module.len().checked_sub(ups)?];
            Some(parent.iter().cloned().chain(path[ups..].iter().cloned()).collect())
        }
        // A parent names the items of a child without `self`.
        _ if first.starts_with(char::is_lowercase) && path.len() > 1 => {
            Some(module.iter().cloned().chain(path.iter().cloned()).collect())
        }
        _ => None,
    }
}

#[test]
fn no_two_modules_use_each_other() {
    let root = workspace_root();
    let crates = root.join("userspace/crates");
    let mut sources = vec![root.join("xdp-prog/src"), root.join("userspace/src")];
    sources.extend(
        fs::read_dir(crates).expect("the crates").map(|entry| entry.expect("one of them").path().join("src")),
    );
    let found = sources.iter().flat_map(|source| {
        let circles = Modules::read(source).circles().into_iter();
        circles.map(move |circle| format!("{}: {circle}", source.display()))
    });
    assert_eq!(found.collect::<Vec<_>>(), [] as [String; 0]);
}

#[test]
fn a_circle_is_found_through_what_another_module_passes_on() {
    let module = |path: &str| -> Module {
        path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    let modules = |all: &[(&str, &[&str])]| {
        Modules(
            all.iter()
                .map(|(name, uses)| (module(name), uses.iter().map(|path| module(path)).collect()))
                .collect(),
        )
    };
    let straight = modules(&[("", &["a::b::B"]), ("a", &["a::b::B"]), ("a::b", &[]), ("c", &["a::B"])]);
    assert_eq!(straight.circles(), [] as [String; 0]);
    let around = modules(&[("", &[]), ("a", &["a::b::B"]), ("a::b", &["c::C"]), ("c", &["a::B"])]);
    assert_eq!(around.circles(), ["a::b <-> c"]);
}

#[test]
fn a_tree_of_use_is_all_of_its_paths() {
    let text = "use std::fmt;\npub(crate) use super::{\n    a::{self, B as C},\n    d::*,\n};\n";
    let paths: Vec<String> = uses(text).iter().map(|path| path.join("::")).collect();
    assert_eq!(paths, ["std::fmt", "super::a", "super::a::B", "super::d"]);
}
