//! The users who may change and read a file.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const GROUP_AND_OTHERS: u32 = 0o077;
/// In a directory with this bit, users cannot replace files of others.
const STICKY: u32 = 0o1000;

#[derive(Clone, Debug)]
pub(super) struct Owned {
    path: PathBuf,
    owner: u32,
    mode: u32,
    directory: bool,
}

/// A problem, and the advice.
pub(super) type Wrong = (String, String);

impl Owned {
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let data = fs::metadata(path)?;
        Ok(Self { path: path.to_owned(), owner: data.uid(), mode: data.mode(), directory: data.is_dir() })
    }

    /// A file and the directory in which it could be replaced.
    pub(super) fn with_directory(path: &Path) -> io::Result<[Self; 2]> {
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        Ok([Self::read(path)?, Self::read(directory)?])
    }

    /// A user other than root could replace the file.
    pub(super) fn changeable(&self) -> Option<Wrong> {
        let Self { path, owner, mode, directory } = self;
        let path = path.display();
        if *owner != 0 {
            return Some((
                format!("{path} belongs to uid {owner}, who may change it"),
                format!("`chown root:root {path}`"),
            ));
        }
        let writers = mode & (GROUP_WRITES | OTHERS_WRITE);
        if writers == 0 || *directory && mode & STICKY != 0 {
            return None;
        }
        let who = if writers & OTHERS_WRITE == 0 { "its group" } else { "everybody" };
        Some((format!("{who} may change {path}"), format!("`chmod go-w {path}`")))
    }

    /// A user other than the owner may read the file.
    pub(super) fn readable(&self) -> Option<Wrong> {
        let path = self.path.display();
        (self.mode & GROUP_AND_OTHERS != 0)
            .then(|| (format!("users other than root may read {path}"), format!("`chmod go= {path}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(owner: u32, mode: u32, directory: bool) -> Owned {
        Owned { path: "/etc/x".into(), owner, mode, directory }
    }

    #[test]
    fn only_root_may_change_it() {
        for (owner, mode, directory, said) in [
            (0, 0o644, false, None),
            (0, 0o755, true, None),
            (0, 0o1777, true, None),
            (0, 0o1666, false, Some("everybody may change /etc/x")),
            (0, 0o664, false, Some("its group may change /etc/x")),
            (0, 0o777, true, Some("everybody may change /etc/x")),
            (33, 0o600, false, Some("/etc/x belongs to uid 33")),
        ] {
            let found = owned(owner, mode, directory).changeable();
            match said {
                None => assert_eq!(found, None, "{owner} {mode:o}"),
                Some(said) => {
                    assert!(found.as_ref().unwrap().0.contains(said), "{owner} {mode:o}: {found:?}")
                }
            }
        }
    }

    #[test]
    fn what_is_private_is_read_by_its_owner_only() {
        for (mode, readable) in [(0o600, false), (0o700, false), (0o640, true), (0o604, true)] {
            assert_eq!(owned(0, mode, false).readable().is_some(), readable, "{mode:o}");
        }
    }

    #[test]
    fn a_file_in_no_directory_is_in_this_one() {
        let [file, directory] = Owned::with_directory(Path::new("Cargo.toml")).unwrap();
        assert!(!file.directory && directory.directory);
        assert!(Owned::with_directory(Path::new("/nowhere/at/all")).is_err());
    }
}
