//! Signatures: from the text that operators read to the tables that the kernel walks.
//!
//! `file` reads the text, `pattern` makes one tree of each pattern, `automaton` and `prefilter` compile the
//! set, and `reference` reads a single signature in the plainest way.

mod automaton;
mod byte_set;
mod error;
mod file;
mod header;
mod literal;
mod nfa;
mod pattern;
mod position;
mod prefilter;
mod reference;
mod sample;
mod sets;
#[cfg(test)]
mod tests;

use std::{fmt, path::Path};

use serde::{Deserialize, Serialize};
use xdp_prog::abi::{MAX_SIGNATURES, Signatures};

pub use error::SignatureError;
pub use reference::Reference;

use sipward_types::text_file;

/// One pattern, where it is looked for and what is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Lower-case letters, digits and dashes; the reason's name is `signature:<name>`.
    pub name: String,
    /// A match in any of them counts.
    pub places: Vec<Place>,
    pub matching: Matching,
    pub on: bool,
    pub judge: Judge,
    pub risk: Risk,
    /// Where it is from, and what else could match.
    pub note: String,
}

/// The part of a message that a pattern sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    StartLine,
    /// Everything, the body included.
    Message,
    Body,
    /// The value of each header of that name, the long name and the compact one alike.
    Header(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StartLine => "start-line",
            Self::Message => "message",
            Self::Body => "body",
            Self::Header(name) => name,
        })
    }
}

/// The comparison of a value. Case never matters; a space stands for any run of blanks, folded lines included;
/// blanks around a value do not belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matching {
    Contains(String),
    /// Needs the end of the value: a line that the packet cuts off is not equal yet.
    Equals(String),
    Starts(String),
    Regex(String),
}

/// The side that looks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Judge {
    /// In each packet, before anything else sees it.
    #[default]
    Kernel,
    /// For marks without a literal, which would send every clean packet through the automaton. The daemon
    /// counts them as evidence that anyone could have forged.
    Daemon,
}

/// The likelihood that an innocent message carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    #[default]
    None,
    Low,
    High,
}

impl Signature {
    /// True if the message carries this signature, by the plain reading of [`Reference`]. A pattern that no file
    /// could hold matches nothing.
    pub fn matches(&self, message: &[u8]) -> bool {
        Reference::new(self).is_ok_and(|reference| reference.matches(message))
    }

    /// True if it is one that the kernel looks for.
    pub fn in_kernel(&self) -> bool {
        self.on && self.judge == Judge::Kernel
    }
}

/// Signatures with unique names, each valid by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignatureSet {
    signatures: Vec<Signature>,
}

impl SignatureSet {
    /// The signatures that come with sipward.
    pub fn shipped() -> Self {
        Self::parse(include_str!("shipped.toml"), "shipped signatures")
            .expect("a test parses the shipped signatures")
    }

    /// `origin` names the text in errors.
    pub fn parse(text: &str, origin: &str) -> Result<Self, SignatureError> {
        file::parse(text, origin).map(|signatures| Self { signatures })
    }

    pub fn load(path: &Path) -> Result<Self, SignatureError> {
        let text = text_file::read(path)
            .map_err(|source| SignatureError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, &path.display().to_string())
    }

    pub fn iter(&self) -> impl Iterator<Item = &Signature> {
        self.signatures.iter()
    }

    pub fn get(&self, name: &str) -> Option<&Signature> {
        self.iter().find(|signature| signature.name == name)
    }

    /// This set with the signatures of `other` laid over it: one of the same name takes its place.
    #[must_use]
    pub fn overlaid(mut self, other: &Self) -> Self {
        for signature in other.iter() {
            match self.signatures.iter_mut().find(|own| own.name == signature.name) {
                Some(own) => own.clone_from(signature),
                None => self.signatures.push(signature.clone()),
            }
        }
        self
    }

    /// This set with one of them switched off.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.signatures
            .iter_mut()
            .filter(|signature| signature.name == name)
            .for_each(|signature| signature.on = false);
        self
    }

    /// The tables for the signatures that are on and judged in the kernel.
    pub fn compile(&self) -> Result<Compiled, SignatureError> {
        let kernel: Vec<&Signature> = self.iter().filter(|signature| signature.in_kernel()).collect();
        if kernel.len() > MAX_SIGNATURES {
            return Err(SignatureError::TooMany { count: kernel.len() });
        }
        let mut tables = zeroed_tables();
        let size = automaton::build(&kernel, &mut tables)?;
        prefilter::fill(&kernel, &mut tables.prefilter)?;
        let names = kernel.iter().map(|signature| signature.name.clone()).collect();
        Ok(Compiled { tables, names, size })
    }
}

/// The tables for the kernel. Not `Clone`: a copy could pass through a stack that is smaller than the tables.
#[derive(Debug)]
pub struct Compiled {
    pub tables: Box<Signatures>,
    /// By the number that the kernel reports.
    pub names: Vec<String>,
    pub size: Size,
}

/// The share of the tables that a set takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub states: usize,
    /// Kinds of bytes that are told apart.
    pub classes: usize,
}

/// Five megabytes: never by way of the stack.
fn zeroed_tables() -> Box<Signatures> {
    let tables = Box::<Signatures>::new_zeroed();
    // SAFETY: `Signatures` is integers only; zero is a valid value of each.
    unsafe { tables.assume_init() }
}
