//! Debian's kernel of a series: downloaded and unpacked, never installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use xtask::{
    command::{output, run},
    ebpf::Version,
};

use crate::apt::Apt;

/// The path of the unpacked kernel, which is downloaded the first time.
pub(super) fn fetch(apt: &Apt, series: &str, directory: &Path) -> Result<PathBuf> {
    let package = package(apt, series)?;
    let unpacked = directory.join(&package);
    if !unpacked.is_dir() {
        println!("vm: fetching {package}, about 30 MB");
        let file = apt.fetch(&package, directory)?;
        // Under another name first, so that a directory with the package's name is complete.
        let partial = directory.join("partial");
        run(Command::new("dpkg").arg("-x").arg(&file).arg(&partial))?;
        fs::rename(&partial, &unpacked).with_context(|| format!("cannot create {}", unpacked.display()))?;
        fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
    }
    image(&unpacked)
}

/// The package with the kernel itself, found through the metapackage of its series.
fn package(apt: &Apt, series: &str) -> Result<String> {
    // The distribution's own series has no number in its name.
    let followers = ["linux-image-cloud-amd64".to_owned(), format!("linux-image-{series}-cloud-amd64")];
    let follower = apt.first(&followers, |version| is_of_series(version, series)).with_context(|| {
        format!("apt offers no linux-image-{series}-cloud-amd64 here; Debian 12 has 6.1 and 6.12, Debian 13 has 6.12")
    })?;
    output(Command::new("apt-cache").env("LC_ALL", "C").args(["depends", follower]))
        .as_deref()
        .and_then(dependency)
        .with_context(|| format!("apt does not say which kernel {follower} stands for"))
}

fn is_of_series(version: Version, series: &str) -> bool {
    format!("{}.{}", version.major, version.minor) == series
}

fn dependency(depends: &str) -> Option<String> {
    let package = depends.lines().find_map(|line| line.trim().strip_prefix("Depends: linux-image-"))?;
    Some(format!("linux-image-{package}"))
}

fn image(unpacked: &Path) -> Result<PathBuf> {
    let boot = unpacked.join("boot");
    let files = fs::read_dir(&boot).with_context(|| format!("cannot read {}", boot.display()))?;
    files
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-")))
        .with_context(|| format!("there is no kernel in {}", boot.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_what_its_follower_depends_on() {
        let depends = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n  Breaks: x\n";
        assert_eq!(dependency(depends).as_deref(), Some("linux-image-6.1.0-56-cloud-amd64"));
        assert_eq!(dependency("linux-image-cloud-amd64\n"), None);
    }

    #[test]
    fn a_series_is_not_the_beginning_of_another() {
        assert!(is_of_series(Version::new(6, 1, 9), "6.1"));
        assert!(is_of_series(Version::new(6, 12, 9), "6.12"));
        assert!(!is_of_series(Version::new(6, 12, 9), "6.1"));
        assert!(!is_of_series(Version::new(6, 1, 9), "6.12"));
    }
}
