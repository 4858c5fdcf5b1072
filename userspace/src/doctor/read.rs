//! Reads small files of /proc and /sys.

use std::{fs, path::Path};

pub(super) fn text(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// A file that holds one number.
pub(super) fn number(path: impl AsRef<Path>) -> Option<u64> {
    text(path)?.trim().parse().ok()
}

/// A setting of the kernel by its name for `sysctl`.
pub(super) fn setting(name: &str) -> Option<u64> {
    number(Path::new("/proc/sys").join(name.replace('.', "/")))
}
