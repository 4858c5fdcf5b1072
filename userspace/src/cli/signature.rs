//! `sipward signature`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    backend::ask,
    failure::{Failure, wrong},
    output::{Align, Output, Table, grouped},
};
use sipward_api::{Call, SetSignatures, item};
use sipward_engine::policy::Config;
use sipward_signature::{Compiled, Judge, Matching, Risk, Signature as Pattern, SignatureSet};
use sipward_types::text_file::describe;

/// The signatures of scanners
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples: sipward signature list\n          sipward signature load my.toml")]
pub(super) enum Signature {
    /// Show the signatures: their patterns and their possible cost
    #[command(
        after_help = "Examples: sipward signature list\n          sipward signature list --file my.toml"
    )]
    List {
        #[command(flatten)]
        source: Source,
    },
    /// Put signatures in force while traffic flows; a faulty file changes nothing
    #[command(
        after_help = "Examples: sipward signature load my.toml\n          sipward signature load\n\nThe \
                      signatures of the file are added to the built-in ones; one with the same name \
                      replaces the built-in one. Without a file, only the built-in ones are in force."
    )]
    Load {
        /// Signature file
        file: Option<PathBuf>,
    },
    /// Test a message against the signatures; exit status 1 if none would drop it
    #[command(
        after_help = "Example: sipward signature test message.txt --file my.toml\n\nThe file holds a SIP \
                      message as it would be in a packet."
    )]
    Test {
        /// File with a SIP message, as it would be in a packet
        message: PathBuf,
        #[command(flatten)]
        source: Source,
    },
    /// Check a signature file, and whether its signatures fit into the filter
    #[command(after_help = "Example: sipward signature check my.toml")]
    Check {
        /// Signature file
        file: PathBuf,
    },
}

/// The source of signatures; the built-in ones are always among them.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct Source {
    /// Signature file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Configuration file, for the signatures it names
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Source {
    fn read(&self) -> Result<SignatureSet, Failure> {
        match &self.config {
            Some(config) => Ok(Config::load(config)?.resolve()?.signatures),
            None => read(self.file.as_deref()),
        }
    }
}

fn read(file: Option<&Path>) -> Result<SignatureSet, Failure> {
    let shipped = SignatureSet::shipped();
    Ok(match file {
        Some(file) => shipped.overlaid(&SignatureSet::load(file)?),
        None => shipped,
    })
}

impl Signature {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        match self {
            Self::List { source } => list(&source.read()?, output),
            Self::Load { file } => load(file.as_deref(), output),
            Self::Test { message, source } => test(message, &source.read()?, output),
            Self::Check { file } => check(file, output),
        }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    on: bool,
    judge: Judge,
    risk: Risk,
    places: Vec<String>,
    how: &'static str,
    pattern: &'a str,
    note: &'a str,
}

fn list(set: &SignatureSet, output: &mut Output) -> Result<(), Failure> {
    let mut table = Table::new([
        ("signature", Align::Left),
        ("state", Align::Left),
        ("risk", Align::Left),
        ("where", Align::Left),
        ("pattern", Align::Left),
    ]);
    for signature in set.iter() {
        let places: Vec<_> = signature.places.iter().map(ToString::to_string).collect();
        let (how, pattern) = matching(signature);
        let risk = match signature.risk {
            Risk::None => "none",
            Risk::Low => "low",
            Risk::High => "high",
        };
        table.row([
            signature.name.clone(),
            state(signature).to_owned(),
            risk.to_owned(),
            places.join(", "),
            format!("{how} {pattern}"),
        ]);
        let Pattern { name, on, judge, risk, note, .. } = signature;
        let (on, judge, risk) = (*on, *judge, *risk);
        output.object(&Line { name, on, judge, risk, places, how, pattern, note })?;
    }
    output.table(&table)?;
    Ok(())
}

const fn state(signature: &Pattern) -> &'static str {
    match signature {
        Pattern { on: false, .. } => "off",
        Pattern { judge: Judge::Kernel, .. } => "drops",
        Pattern { judge: Judge::Daemon, .. } => "daemon",
    }
}

fn matching(signature: &Pattern) -> (&'static str, &str) {
    match &signature.matching {
        Matching::Contains(text) => ("contains", text),
        Matching::Equals(text) => ("equals", text),
        Matching::Starts(text) => ("starts", text),
        Matching::Regex(text) => ("regex", text),
    }
}

#[derive(Serialize)]
struct Sized {
    signatures: usize,
    states: usize,
    classes: usize,
}

impl Sized {
    fn of(compiled: &Compiled) -> Self {
        let Compiled { names, size, .. } = compiled;
        Self { signatures: names.len(), states: size.states, classes: size.classes }
    }
}

/// The daemon may not be able to read the file, so it is given the text.
fn load(file: Option<&Path>, output: &mut Output) -> Result<(), Failure> {
    let text = file
        .map(|file| {
            fs::read_to_string(file)
                .map_err(|error| wrong(format!("{}: {}", file.display(), describe(&error))))
        })
        .transpose()?;
    let file = file.map_or_else(String::new, |file| file.display().to_string());
    ask(&Call::Signatures(SetSignatures { text, file }), output, |item::Signatures { signatures }, output| {
        Ok(output.say(format_args!("{signatures} signatures in force."))?)
    })
}

fn check(file: &Path, output: &mut Output) -> Result<(), Failure> {
    let compiled = read(Some(file))?.compile()?;
    let size = Sized::of(&compiled);
    output.say(format_args!(
        "{}: OK. With the built-in ones: {} signatures, {} states.",
        file.display(),
        size.signatures,
        grouped(size.states as u64)
    ))?;
    output.object(&size)?;
    Ok(())
}

#[derive(Serialize)]
struct Carried<'a> {
    name: &'a str,
    drops: bool,
}

fn test(message: &Path, set: &SignatureSet, output: &mut Output) -> Result<(), Failure> {
    let bytes = fs::read(message)
        .map_err(|error| wrong(format_args!("{}: {}", message.display(), describe(&error))))?;
    let mut dropped = false;
    for signature in set.iter().filter(|signature| signature.matches(&bytes)) {
        let drops = signature.in_kernel();
        dropped |= drops;
        output.say(format_args!("{}: {}", signature.name, state(signature)))?;
        output.object(&Carried { name: &signature.name, drops })?;
    }
    if dropped {
        return Ok(());
    }
    Err(Failure::No(format!("{}: no signature drops it", message.display())))
}
