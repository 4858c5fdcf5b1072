//! The identity of a file, to notice that a path leads to another one.

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl FileId {
    pub(crate) fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|file| Self::in_metadata(&file))
    }

    pub(crate) fn in_metadata(file: &Metadata) -> Self {
        Self(file.dev(), file.ino())
    }
}
