//! Tests that cannot run on this machine. Rust's test harness reports them as passed, because it decides before a test
//! starts whether to skip it. `cargo xtask test` therefore reads the skipped tests from a file.

use std::{env, fs::File, io::Write as _, thread};

/// Names the file.
const VARIABLE: &str = "SIPWARD_SKIPPED";

/// Records that the test on this thread cannot run, and why.
pub fn skipped(reason: &str) {
    println!("skipped: {reason}");
    let Some(path) = env::var_os(VARIABLE) else { return };
    let test = thread::current().name().unwrap_or("a test").to_owned();
    let file = File::options().append(true).open(&path);
    let written = file.and_then(|mut file| file.write_all(format!("{test}: {reason}\n").as_bytes()));
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
