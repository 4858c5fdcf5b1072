//! Finds the compilers and linkers of this machine.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Compiler, Inventory, Kind, Linker, Version, compile::without_cargo_leaks};
use crate::command::output;

pub fn workspace_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// The private root that `cargo xtask setup` installs tools into.
pub fn tools_root() -> PathBuf {
    workspace_root().join("target/tools")
}

pub fn survey() -> Inventory {
    let system = compiler(Kind::System, "/usr/bin/rustc", Path::new("/usr"));
    Inventory { compilers: rustup_compilers().into_iter().chain(system).collect(), linkers: linkers() }
}

fn rustup_compilers() -> Vec<Compiler> {
    // Lines like `nightly-x86_64-unknown-linux-gnu (active) /home/me/.rustup/toolchains/nightly-…`.
    let Some(list) = ask(Command::new(rustup()).args(["toolchain", "list", "-v"])) else {
        return Vec::new();
    };
    list.lines()
        .filter_map(|line| {
            let name = line.split_whitespace().next()?;
            let root = &line[line.find('/')?..];
            let kind = if name.starts_with("nightly") { Kind::Nightly } else { Kind::Rustup };
            compiler(kind, name, Path::new(root))
        })
        .collect()
}

/// A session without a login shell has no `~/.cargo/bin` in its `PATH`.
pub fn rustup() -> PathBuf {
    cargo_bin().map(|bin| bin.join("rustup")).filter(|path| path.is_file()).unwrap_or_else(|| "rustup".into())
}

fn compiler(kind: Kind, name: &str, root: &Path) -> Option<Compiler> {
    let (rustc, cargo) = (root.join("bin/rustc"), root.join("bin/cargo"));
    let about = ask(Command::new(&rustc).arg("-vV"))?;
    let field = |key: &str| about.lines().find_map(|line| Version::parse(line.strip_prefix(key)?));
    Some(Compiler {
        kind,
        name: name.to_owned(),
        release: field("release: ")?,
        llvm: field("LLVM version: ")?,
        sources: cargo.is_file() && root.join("lib/rustlib/src/rust/library/core/src/lib.rs").is_file(),
        rustc,
        cargo,
    })
}

fn linkers() -> Vec<Linker> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut found: Vec<Linker> = Vec::new();
    for directory in env::split_paths(&path).chain(cargo_bin()).chain([tools_root().join("bin")]) {
        let path = directory.join("bpf-linker");
        if path.is_file() && !found.iter().any(|linker| linker.path == path) {
            found.push(Linker { llvm: llvm_of(&path), path });
        }
    }
    found
}

fn cargo_bin() -> Option<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    home.or_else(|| env::home_dir().map(|home| home.join(".cargo"))).map(|home| home.join("bin"))
}

/// The LLVM of a linker: from the name of the shared library that it is linked to, else from the version string that
/// LLVM, when it is linked in statically, writes into every bitcode file.
fn llvm_of(linker: &Path) -> Option<u32> {
    let shared = ask(Command::new("ldd").arg(linker)).unwrap_or_default();
    let library = shared.split_whitespace().find_map(|word| word.strip_prefix("libLLVM"));
    let inside = || ask(Command::new("grep").args(["-aom1", r"LLVM[0-9]\+\.[0-9]\+\.[0-9]\+"]).arg(linker));
    let name = library.map(str::to_owned).or_else(inside)?;
    Version::parse(name.trim_start_matches(|c: char| !c.is_ascii_digit())).map(|version| version.major)
}

/// The results are the same inside a build script and outside.
fn ask(command: &mut Command) -> Option<String> {
    output(without_cargo_leaks(command))
}
