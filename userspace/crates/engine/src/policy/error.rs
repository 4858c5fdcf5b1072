//! Errors in a configuration, with their place and a remedy.

use std::fmt;

use sipward_signature::SignatureError;

#[derive(Debug)]
pub enum ConfigError {
    File(FileError),
    /// In the signature file that the configuration names.
    Signatures(SignatureError),
}

/// `file:line: key: what is wrong; what to do`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    pub origin: String,
    /// From 1. A file that cannot be read has none.
    pub line: Option<usize>,
    /// As it would be written from the top of the file: `rate.register.max`.
    pub key: Option<String>,
    pub problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Signatures(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(error) => Some(error),
            Self::Signatures(error) => Some(error),
        }
    }
}

impl std::error::Error for FileError {}

impl From<SignatureError> for ConfigError {
    fn from(error: SignatureError) -> Self {
        Self::Signatures(error)
    }
}
