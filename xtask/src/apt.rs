//! Debian's packages: what the sources offer, install, download without installing.

use std::{cell::Cell, ffi::OsStr, path::Path, process::Command};

use anyhow::Result;
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
        // Without root the lists stay as they are, and so does the answer.
        known().or_else(|| self.update().ok().and_then(|()| known()))
    }

    pub(crate) fn install(&self, packages: &[String]) -> Result<()> {
        let install = || {
            let quiet = [("DEBIAN_FRONTEND", OsStr::new("noninteractive"))];
            // Never at the cost of something that is installed: Debian's compiler conflicts with a packaged rustup.
            run(as_root("apt-get", &quiet)?
                .args(["install", "--yes", "--no-install-recommends", "--no-remove"])
                .args(packages))
        };
        if packages.iter().any(|package| candidate(package).is_none()) {
            self.update()?;
        }
        self.with_fresh_lists(install)
    }

    /// Puts the package file into `directory`.
    pub(crate) fn download(&self, package: &str, directory: &Path) -> Result<()> {
        // Otherwise apt, as root, warns that its own user may not write there.
        let options = ["-o", "APT::Sandbox::User=root"];
        self.with_fresh_lists(|| {
            run(Command::new("apt-get").args(options).args(["download", package]).current_dir(directory))
        })
    }

    /// Old lists name files that the mirror no longer has; then it takes an update and a second try.
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

/// The version that would be installed, as far as the lists know.
fn candidate(package: &str) -> Option<Version> {
    let policy = output(Command::new("apt-cache").env("LC_ALL", "C").args(["policy", package]))?;
    version(&candidate_line(&policy)?)
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
    fn epoch_and_revision_do_not_count_in_a_debian_version() {
        assert_eq!(version("1:22.1.8-1~deb12u1"), Some(Version::new(22, 1, 8)));
        assert_eq!(version("1.96.0+dfsg1-1~deb12u2"), Some(Version::new(1, 96, 0)));
        assert_eq!(version("6.12.117-1~deb12u1"), Some(Version::new(6, 12, 117)));
    }
}
