//! Debian's packages: search, installation, and download without installation.

use std::{
    cell::Cell,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use xtask::{
    command::{locate, output, run},
    ebpf::Version,
};

use crate::root::as_root;

#[derive(Debug)]
pub(crate) struct Apt {
    /// The lists were fetched in this run.
    updated: Cell<bool>,
}

impl Apt {
    /// `None` where the system has no apt.
    pub(crate) fn find() -> Option<Self> {
        locate("apt-get").map(|_| Self { updated: Cell::new(false) })
    }

    /// The first of some packages that would be installed in a version that `fits`. Fetches the lists once if there is
    /// none: on a fresh machine they are empty or old.
    pub(crate) fn first<'a>(
        &self,
        packages: &'a [String],
        fits: impl Fn(Version) -> bool,
    ) -> Option<&'a String> {
        let known = || {
            let fitting = |package: &&String| candidate(package).is_some_and(&fits);
            packages.iter().find(fitting)
        };
        // Without root, the lists cannot change.
        known().or_else(|| self.update().ok().and_then(|()| known()))
    }

    pub(crate) fn install(&self, packages: &[String]) -> Result<()> {
        let install = || {
            let quiet = [("DEBIAN_FRONTEND", OsStr::new("noninteractive"))];
            // Neither removes nor upgrades installed packages: Debian's compiler conflicts with a packaged rustup.
            run(as_root("apt-get", &quiet)?
                .args(["install", "--yes", "--no-install-recommends", "--no-remove", "--no-upgrade"])
                .args(packages))
        };
        if packages.iter().any(|package| candidate(package).is_none()) {
            self.update()?;
        }
        self.with_fresh_lists(install)
    }

    /// Where this machine's Debian packages come from.
    fn mirror(&self) -> Option<String> {
        let known = || {
            let format = "$(LABEL) $(COMPONENT) $(REPO_URI)";
            let targets = ["indextargets", "--format", format, "Created-By: Packages"];
            mirror(&output(Command::new("apt-get").args(targets))?)
        };
        // Without package lists, apt names no mirror.
        known().or_else(|| self.update().ok().and_then(|()| known()))
    }

    /// Puts the package file into a new directory within `directory`, and returns its path.
    pub(crate) fn fetch(&self, package: &str, directory: &Path) -> Result<PathBuf> {
        let downloads = directory.join("download").join(package);
        fs::create_dir_all(&downloads).with_context(|| format!("cannot create {}", downloads.display()))?;
        self.download(package, &downloads)?;
        let mut files =
            fs::read_dir(&downloads).with_context(|| format!("cannot read {}", downloads.display()))?;
        let file = files.next().with_context(|| format!("apt-get download left no {package}"))??;
        Ok(file.path())
    }

    fn download(&self, package: &str, directory: &Path) -> Result<()> {
        // Otherwise apt, as root, warns that its own user has no access to the directory.
        let options = ["-o", "APT::Sandbox::User=root"];
        self.with_fresh_lists(|| {
            run(Command::new("apt-get").args(options).args(["download", package]).current_dir(directory))
        })
    }

    /// Old lists name files that the mirror no longer has. This then updates them and tries again.
    fn with_fresh_lists(&self, action: impl Fn() -> Result<()>) -> Result<()> {
        action().or_else(|error| {
            if self.updated.get() {
                return Err(error);
            }
            self.update()?;
            action()
        })
    }

    fn update(&self) -> Result<()> {
        if !self.updated.replace(true) {
            run(as_root("apt-get", &[])?.arg("update"))?;
        }
        Ok(())
    }
}

/// Another suite of this machine's mirror. It has lists of its own and ignores the packages
/// that are installed.
#[derive(Debug)]
pub(crate) struct Suite {
    /// The directory of its files.
    directory: PathBuf,
}

impl Suite {
    /// With its lists fetched into `directory`.
    pub(crate) fn of(apt: &Apt, name: &str, directory: &Path) -> Result<Self> {
        let mirror = apt.mirror().context("apt's sources name no mirror of Debian")?;
        for inside in ["lists/partial", "archives/partial"] {
            let inside = directory.join(inside);
            fs::create_dir_all(&inside).with_context(|| format!("cannot create {}", inside.display()))?;
        }
        let files = [("sources.list", format!("deb {mirror} {name} main\n")), ("status", String::new())];
        for (file, text) in files {
            let path = directory.join(file);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        let suite = Self { directory: directory.to_owned() };
        run(suite.apt_get().arg("update"))?;
        Ok(suite)
    }

    /// The files of a package and of all that it depends on.
    pub(crate) fn fetch_with_dependencies(&self, package: &str) -> Result<Vec<PathBuf>> {
        let options = ["--yes", "--quiet=2", "--no-install-recommends", "--download-only"];
        run(self.apt_get().arg("install").args(options).arg(package))?;
        let archives = self.directory.join("archives");
        let files = fs::read_dir(&archives).with_context(|| format!("cannot read {}", archives.display()))?;
        let paths = files.filter_map(|entry| Some(entry.ok()?.path()));
        Ok(paths.filter(|path| path.extension().is_some_and(|extension| extension == "deb")).collect())
    }

    fn apt_get(&self) -> Command {
        let mut command = Command::new("apt-get");
        let places = [
            ("Dir::Etc::sourcelist", "sources.list"),
            ("Dir::State", ""),
            ("Dir::State::lists", "lists"),
            ("Dir::State::status", "status"),
            ("Dir::Cache", ""),
            ("Dir::Cache::archives", "archives"),
        ];
        for (option, path) in places {
            command.arg("-o").arg(format!("{option}={}", self.directory.join(path).display()));
        }
        for option in ["Dir::Etc::sourceparts=-", "APT::Sandbox::User=root", "Acquire::Languages=none"] {
            command.args(["-o", option]);
        }
        command
    }
}

/// The version that would be installed, as far as the lists know.
fn candidate(package: &str) -> Option<Version> {
    let policy = output(Command::new("apt-cache").env("LC_ALL", "C").args(["policy", package]))?;
    version(&candidate_line(&policy)?)
}

fn mirror(targets: &str) -> Option<String> {
    targets.lines().find_map(|target| target.strip_prefix("Debian main ")).map(str::to_owned)
}

fn candidate_line(policy: &str) -> Option<String> {
    let candidate = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    (candidate != "(none)").then(|| candidate.to_owned())
}

/// The upstream version of a Debian version: `1:22.1.8-1~deb12u1` is 22.1.8.
fn version(debian: &str) -> Option<Version> {
    let upstream = debian.split_once(':').map_or(debian, |(_epoch, rest)| rest);
    Version::parse(upstream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_candidate_is_read_from_apt_cache_policy() {
        let policy =
            "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n  Version table:\n";
        assert_eq!(candidate_line(policy).as_deref(), Some("1.96.0+dfsg1-1~deb12u2"));
        assert_eq!(candidate_line("x:\n  Installed: (none)\n  Candidate: (none)\n"), None);
        assert_eq!(candidate_line(""), None);
    }

    #[test]
    fn the_mirror_is_the_one_of_debian_itself() {
        let targets =
            "Debian-Security main http://security.example/\nDebian main http://mirror.example/debian/\n";
        assert_eq!(mirror(targets).as_deref(), Some("http://mirror.example/debian/"));
        assert_eq!(mirror("Ubuntu main http://mirror.example/\n"), None);
        assert_eq!(mirror(""), None);
    }

    #[test]
    fn epoch_and_revision_do_not_count_in_a_debian_version() {
        assert_eq!(version("1:22.1.8-1~deb12u1"), Some(Version::new(22, 1, 8)));
        assert_eq!(version("1.96.0+dfsg1-1~deb12u2"), Some(Version::new(1, 96, 0)));
        assert_eq!(version("6.12.117-1~deb12u1"), Some(Version::new(6, 12, 117)));
    }
}
