//! Asterisk, which Debian 12 does not have: taken from another suite of the mirror that this machine uses, with all the
//! libraries it needs, and unpacked into `target`. Nothing is installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use xtask::{command::output, ebpf::workspace_root};

use crate::apt::{Apt, Suite};

/// Names the directory of Asterisk for the tests.
pub(crate) const VARIABLE: &str = "SIPWARD_ASTERISK";
/// The suites that have it, the newest Asterisk first.
const SUITES: [&str; 2] = ["sid", "bullseye"];
const PACKAGE: &str = "asterisk";

/// The script that starts Asterisk with the libraries of its own suite, including the C library and its loader.
const LAUNCHER: &str = "asterisk.sh";
const SCRIPT: &str = r#"root=$(dirname "$0")
libraries=$root/usr/lib/x86_64-linux-gnu
[ -e "$libraries/ld-linux-x86-64.so.2" ] || libraries=$root/lib/x86_64-linux-gnu:$libraries:$root/usr/lib
exec "${libraries%%:*}/ld-linux-x86-64.so.2" --library-path "$libraries" "$root/usr/sbin/asterisk" "$@"
"#;

/// Unpacks Asterisk, unless it is there already.
pub(crate) fn obtain(apt: Option<&Apt>) -> Result<()> {
    if root().is_some() {
        return Ok(());
    }
    let apt = apt.context("there is no apt to download it with")?;
    let mut errors = Vec::new();
    for suite in SUITES {
        println!("setup: fetching {PACKAGE} from {suite}, about 100 MB");
        match unpack(apt, suite) {
            Ok(()) => return Ok(()),
            Err(error) => errors.push(format!("{suite}: {error:#}")),
        }
    }
    bail!("{}", errors.join("; "))
}

/// The directory that it is unpacked into.
pub(crate) fn root() -> Option<PathBuf> {
    Some(unpacked()).filter(|directory| directory.is_dir())
}

fn unpacked() -> PathBuf {
    workspace_root().join("target/asterisk")
}

fn unpack(apt: &Apt, suite: &str) -> Result<()> {
    let directory = unpacked();
    // Under another name first, so that a directory with the final name is complete.
    let partial = directory.with_extension("partial");
    clear(&partial)?;
    let downloads = partial.join("download");
    for file in Suite::of(apt, suite, &downloads)?.fetch_with_dependencies(PACKAGE)? {
        // Of all other packages, it needs only the libraries.
        if file.file_name().is_some_and(|name| is_needed(&name.to_string_lossy())) {
            output(Command::new("dpkg").arg("-x").arg(&file).arg(&partial))
                .with_context(|| format!("dpkg cannot unpack {}", file.display()))?;
        }
    }
    clear(&downloads)?;
    let launcher = partial.join(LAUNCHER);
    fs::write(&launcher, SCRIPT).with_context(|| format!("cannot write {}", launcher.display()))?;
    let version = output(Command::new("sh").arg(&launcher).arg("-V")).context("it does not run here")?;
    println!("setup: {} is unpacked", version.trim());
    fs::rename(&partial, &directory).with_context(|| format!("cannot write {}", directory.display()))
}

fn clear(directory: &Path) -> Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory).with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    Ok(())
}

fn is_needed(file: &str) -> bool {
    file.starts_with("lib") || file.starts_with(PACKAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_it_depends_on_only_libraries_are_unpacked() {
        assert!(is_needed("libc6_2.36_amd64.deb") && is_needed("asterisk-modules_1%3a22_amd64.deb"));
        assert!(!is_needed("systemd_252_amd64.deb"));
    }
}
