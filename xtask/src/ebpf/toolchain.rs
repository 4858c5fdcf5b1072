//! Selects the compiler and the linker from those of a machine. Pure.

use std::{fmt, path::PathBuf};

use super::Version;

/// The oldest LLVM whose BPF backend knows `allows-misaligned-mem-access`, which the packet parser is built with.
const OLDEST_LLVM: u32 = 22;

/// The origin of a compiler, in the order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Nightly,
    Rustup,
    System,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiler {
    pub kind: Kind,
    /// Its name in rustup, or its path.
    pub name: String,
    pub rustc: PathBuf,
    pub cargo: PathBuf,
    pub release: Version,
    pub llvm: Version,
    /// The sources of `core` are there: no prebuilt `core` exists for the BPF target.
    pub sources: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linker {
    pub path: PathBuf,
    /// The major version of its LLVM. bpf-linker has no option that prints it, so it can be unknown.
    pub llvm: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    pub compiler: Compiler,
    pub linker: Linker,
}

/// The parts on this machine, usable or not. Linkers are in the order of the search.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    pub compilers: Vec<Compiler>,
    pub linkers: Vec<Linker>,
}

impl Compiler {
    /// New enough for this workspace.
    pub fn is_recent(&self) -> bool {
        let oldest =
            Version::parse(env!("CARGO_PKG_RUST_VERSION")).expect("the manifest names a Rust version");
        self.release >= oldest
    }

    pub fn is_usable(&self) -> bool {
        self.sources && self.is_recent()
    }

    /// The oldest LLVM a linker may have: bitcode is readable by the same major version and by newer ones.
    pub fn linker_llvm(&self) -> u32 {
        self.llvm.major.max(OLDEST_LLVM)
    }
}

impl Linker {
    /// A linker whose LLVM is unknown is tried: if it does not fit, it reports an error.
    pub fn suits(&self, compiler: &Compiler) -> bool {
        self.llvm.is_none_or(|llvm| llvm >= compiler.linker_llvm())
    }
}

impl Inventory {
    /// The compilers that can build the object, best first.
    pub fn usable_compilers(&self) -> Vec<&Compiler> {
        let mut usable: Vec<_> = self.compilers.iter().filter(|compiler| compiler.is_usable()).collect();
        usable.sort_by_key(|compiler| compiler.kind);
        usable
    }

    /// The first pair of the documented order that fits together.
    pub fn choose(&self) -> Option<Toolchain> {
        self.usable_compilers().into_iter().find_map(|compiler| {
            let linker = self.linkers.iter().find(|linker| linker.suits(compiler))?;
            Some(Toolchain { compiler: compiler.clone(), linker: linker.clone() })
        })
    }
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = if self.kind == Kind::System { "" } else { "rustup's " };
        write!(f, "{origin}{} (rustc {}, LLVM {})", self.name, self.release, self.llvm)
    }
}

impl fmt::Display for Linker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.llvm {
            Some(llvm) => write!(f, "{} (LLVM {llvm})", self.path.display()),
            None => write!(f, "{} (LLVM unknown)", self.path.display()),
        }
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {}", self.compiler, self.linker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiler(kind: Kind, release: (u32, u32), llvm: u32, sources: bool) -> Compiler {
        Compiler {
            kind,
            name: format!("{kind:?}"),
            rustc: "rustc".into(),
            cargo: "cargo".into(),
            release: Version::new(release.0, release.1, 0),
            llvm: Version::new(llvm, 1, 2),
            sources,
        }
    }

    fn linker(path: &str, llvm: impl Into<Option<u32>>) -> Linker {
        Linker { path: path.into(), llvm: llvm.into() }
    }

    fn chosen(compilers: &[Compiler], linkers: &[Linker]) -> Option<(Kind, String)> {
        let inventory = Inventory { compilers: compilers.to_vec(), linkers: linkers.to_vec() };
        inventory.choose().map(|found| (found.compiler.kind, found.linker.path.display().to_string()))
    }

    #[test]
    fn nightly_is_preferred_then_other_rustup_toolchains_then_the_system() {
        let all = [
            compiler(Kind::System, (1, 96), 22, true),
            compiler(Kind::Rustup, (1, 95), 22, true),
            compiler(Kind::Nightly, (1, 97), 22, true),
        ];
        let linkers = [linker("a", 22)];
        assert_eq!(chosen(&all, &linkers), Some((Kind::Nightly, "a".into())));
        assert_eq!(chosen(&all[..2], &linkers), Some((Kind::Rustup, "a".into())));
        assert_eq!(chosen(&all[..1], &linkers), Some((Kind::System, "a".into())));
        assert_eq!(chosen(&[], &linkers), None);
    }

    #[test]
    fn a_compiler_without_sources_or_too_old_is_passed_over() {
        let system = compiler(Kind::System, (1, 96), 22, true);
        let linkers = [linker("a", 22)];
        for unusable in
            [compiler(Kind::Nightly, (1, 97), 22, false), compiler(Kind::Nightly, (1, 85), 19, true)]
        {
            assert_eq!(chosen(&[unusable, system.clone()], &linkers), Some((Kind::System, "a".into())));
        }
    }

    #[test]
    fn a_linker_older_than_the_compiler_is_passed_over() {
        let nightly = [compiler(Kind::Nightly, (1, 99), 23, true)];
        assert_eq!(
            chosen(&nightly, &[linker("old", 22), linker("new", 23)]),
            Some((Kind::Nightly, "new".into()))
        );
        assert_eq!(chosen(&nightly, &[linker("old", 22)]), None);
    }

    #[test]
    fn a_compiler_without_a_fitting_linker_gives_way_to_one_that_has_it() {
        let compilers =
            [compiler(Kind::Nightly, (1, 99), 23, true), compiler(Kind::Rustup, (1, 95), 22, true)];
        assert_eq!(chosen(&compilers, &[linker("a", 22)]), Some((Kind::Rustup, "a".into())));
    }

    #[test]
    fn an_old_compiler_still_needs_a_linker_that_knows_the_cpu_feature() {
        let old_llvm = [compiler(Kind::Rustup, (1, 95), 21, true)];
        assert_eq!(chosen(&old_llvm, &[linker("21", 21)]), None);
        assert_eq!(chosen(&old_llvm, &[linker("22", 22)]), Some((Kind::Rustup, "22".into())));
    }

    #[test]
    fn the_first_linker_that_fits_is_taken_even_when_its_llvm_is_unknown() {
        let nightly = [compiler(Kind::Nightly, (1, 97), 22, true)];
        assert_eq!(
            chosen(&nightly, &[linker("unknown", None), linker("b", 22)]),
            Some((Kind::Nightly, "unknown".into()))
        );
    }
}
