//! The root of the virtual machine: a shell, a test program and the libraries both need.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use xtask::command::{locate, output};

use super::{cpio::Archive, qemu::END};

const MOUNT_POINTS: [&str; 4] = ["dev", "proc", "sys", "tmp"];

pub(super) fn build(test: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let busybox = locate("busybox").context("there is no busybox for the virtual machine")?;
    let mut files = vec![("bin/busybox".into(), busybox.clone()), ("test".into(), test.to_owned())];
    for library in libraries(&busybox).into_iter().chain(libraries(test)).collect::<BTreeSet<_>>() {
        files.push((library.display().to_string(), library));
    }
    let mut archive = Archive::default();
    for directory in directories(files.iter().map(|(path, _)| path.as_str())) {
        archive.directory(&directory);
    }
    for (path, source) in files {
        archive.file(&path, &fs::read(&source).with_context(|| format!("cannot read {}", source.display()))?);
    }
    archive.file("init", init(arguments).as_bytes());
    Ok(archive.finish())
}

/// The script that the kernel starts. With `-no-reboot`, the reboot ends the machine.
fn init(arguments: &[&str]) -> String {
    let word = |argument: &&str| format!(" '{}'", argument.replace('\'', r"'\''"));
    let arguments: String = arguments.iter().map(word).collect();
    format!(
        "#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t bpf bpf /sys/fs/bpf
mount -t tmpfs tmp /tmp
ip link set lo up
uname -sr
RUST_BACKTRACE=1 /test{arguments}
echo \"{END}$?\"
reboot -f
"
    )
}

/// The shared libraries of a program and its loader; a static program has none.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let list = output(Command::new("ldd").arg(program)).unwrap_or_default();
    list.lines().filter_map(library).collect()
}

/// From `libc.so.6 => /lib/libc.so.6 (0x…)` or `/lib64/ld-linux-x86-64.so.2 (0x…)`.
fn library(line: &str) -> Option<PathBuf> {
    line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from)
}

/// Every directory above a file, parents first.
fn directories<'a>(files: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let above = files.flat_map(|file| Path::new(file).ancestors().skip(1));
    let above = above.map(|path| path.display().to_string().trim_start_matches('/').to_owned());
    above.chain(MOUNT_POINTS.map(str::to_owned)).filter(|path| !path.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_what_ldd_prints() {
        for (line, expected) in [
            (
                "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)",
                Some("/lib/x86_64-linux-gnu/libc.so.6"),
            ),
            ("\t/lib64/ld-linux-x86-64.so.2 (0x00007f)", Some("/lib64/ld-linux-x86-64.so.2")),
            ("\tlinux-vdso.so.1 (0x00007f)", None),
            ("\tlibgone.so => not found", None),
            ("\tnot a dynamic executable", None),
        ] {
            assert_eq!(library(line), expected.map(PathBuf::from), "{line}");
        }
    }

    #[test]
    fn a_directory_comes_before_what_is_in_it() {
        let found: Vec<_> = directories(["/lib/x/libc.so", "test"].into_iter()).into_iter().collect();
        assert_eq!(found, ["dev", "lib", "lib/x", "proc", "sys", "tmp"]);
    }

    #[test]
    fn an_argument_reaches_the_test_as_one_word() {
        assert!(init(&["--exact", "it's"]).contains(r"/test '--exact' 'it'\''s'"));
        assert!(init(&[]).contains("/test\n"));
    }
}
