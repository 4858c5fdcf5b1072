//! Files for a test.

use std::{fs, path::PathBuf};

use crate::{command::unique, namespace::Namespace};

/// A directory that is gone with the test.
#[derive(Debug)]
pub struct Scratch(pub PathBuf);

impl Scratch {
    /// For what runs on that host; there may be several.
    pub fn new(host: &Namespace) -> Self {
        let path = std::env::temp_dir().join(format!("{}-{}", host.name(), unique()));
        fs::create_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(path)
    }

    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path.display().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
