//! The identity of a file, to notice that a path leads to another one.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl FileId {
    pub(crate) fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|file| Self(file.dev(), file.ino()))
    }
}
