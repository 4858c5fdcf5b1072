//! Tests that cannot run on this machine. They end like those that passed, so that each also leaves a line where
//! `cargo xtask test` counts them.

use std::{env, fs::File, io::Write as _, thread};

/// Names the file for these lines.
const VARIABLE: &str = "SIPWARD_SKIPPED";

/// Says that the test of this thread cannot run, and why.
pub fn skipped(reason: &str) {
    println!("skipped: {reason}");
    let Some(path) = env::var_os(VARIABLE) else { return };
    let test = thread::current().name().unwrap_or("a test").to_owned();
    let file = File::options().append(true).open(&path);
    let written = file.and_then(|mut file| writeln!(file, "{test}: {reason}"));
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
