//! Commands that need root. All else runs as the user, above all the builds.

use std::{ffi::OsStr, fs, os::unix::fs::MetadataExt, path::Path, process::Command};

use anyhow::{Result, bail};
use xtask::command::{locate, run};

/// A command that runs as root, through sudo where this process is not root. The variables are passed explicitly, because
/// sudo drops the environment.
pub(crate) fn as_root(program: impl AsRef<OsStr>, variables: &[(&str, &OsStr)]) -> Result<Command> {
    if is_root() {
        let mut command = Command::new(program);
        command.envs(variables.iter().copied());
        return Ok(command);
    }
    if locate("sudo").is_none() {
        bail!("{} needs root and there is no sudo: run this as root", program.as_ref().display());
    }
    let mut command = Command::new("sudo");
    if !variables.is_empty() {
        command.arg("env");
    }
    for (name, value) in variables {
        let mut assignment = OsStr::new(name).to_owned();
        assignment.push("=");
        assignment.push(value);
        command.arg(assignment);
    }
    command.arg(program);
    Ok(command)
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Pins need a mounted bpffs; containers and minimal systems come without.
pub(crate) fn mount_bpffs() -> Result<()> {
    const BPFFS: &str = "/sys/fs/bpf";
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    if !is_mounted(&mounts, Path::new(BPFFS)) {
        run(as_root("mount", &[])?.args(["-t", "bpf", "bpf", BPFFS]))?;
    }
    Ok(())
}

fn is_mounted(mounts: &str, path: &Path) -> bool {
    mounts.lines().any(|mount| {
        let mut fields = mount.split(' ').skip(1);
        fields.next().is_some_and(|at| Path::new(at) == path) && fields.next() == Some("bpf")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bpffs_at_the_right_place_counts_as_mounted() {
        let mounted = |mounts| is_mounted(mounts, Path::new("/sys/fs/bpf"));
        assert!(mounted("sysfs /sys sysfs rw 0 0\nbpf /sys/fs/bpf bpf rw,nosuid 0 0\n"));
        assert!(!mounted("sysfs /sys sysfs rw 0 0\nbpf /run/bpf bpf rw 0 0\n"));
        assert!(!mounted("none /sys/fs/bpf tmpfs rw 0 0\n"));
        assert!(!mounted(""));
    }
}
