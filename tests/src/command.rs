//! Runs the command `sipward`.

use std::{
    env, fmt, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{namespace::Namespace, scratch::Scratch};

/// The binary: what `SIPWARD` names, else the one that was built with the tests.
pub fn binary() -> PathBuf {
    if let Some(path) = env::var_os("SIPWARD") {
        return path.into();
    }
    let test = env::current_exe().expect("a running program has a path");
    // target/PROFILE/deps/TEST
    let path = test.ancestors().nth(2).expect("a test lies in target/PROFILE/deps").join("sipward");
    assert!(path.exists(), "{} is not there: `cargo build -p sipward` first", path.display());
    path
}

/// A number that no other fixture of this or of another process has.
pub(crate) fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// One installation: a network namespace, and places of its own in bpffs and on disk. Dropped, all of it is gone.
#[derive(Debug)]
pub struct Sipward<'a> {
    namespace: &'a Namespace,
    pins: PathBuf,
    scratch: Scratch,
}

impl<'a> Sipward<'a> {
    pub fn new(namespace: &'a Namespace) -> Self {
        let scratch = Scratch::new(namespace);
        Self { namespace, pins: format!("/sys/fs/bpf/sipward-test-{}", unique()).into(), scratch }
    }

    /// Where the store is.
    pub fn state(&self) -> PathBuf {
        self.scratch.0.join("state")
    }

    /// Where a daemon's socket is.
    pub fn runtime(&self) -> PathBuf {
        self.scratch.0.join("run")
    }

    /// The directory of its pins, which is there as long as the filter.
    pub fn pins(&self) -> &Path {
        &self.pins
    }

    /// A command that is not started yet: `line` is split at blanks.
    pub fn command(&self, line: &str) -> Command {
        let mut command = self.namespace.command(binary());
        // The user may have logged in over ssh. The variable replaces the address of that session.
        command
            .args(line.split_whitespace())
            .env("SIPWARD_PIN_DIR", &self.pins)
            .env("SIPWARD_STATE_DIR", self.state())
            .env("SIPWARD_RUNTIME_DIR", self.runtime())
            .env("SSH_CONNECTION", "");
        command
    }

    pub fn run(&self, line: &str) -> Done {
        Done::of(&mut self.command(line))
    }

    /// Runs a command with a text on its standard input.
    pub fn typed(&self, line: &str, input: &str) -> Done {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        writer.write_all(input.as_bytes()).expect("a pipe takes a text");
        drop(writer);
        Done::of(self.command(line).stdin(reader))
    }

    /// Runs a command that must succeed; its output.
    pub fn ok(&self, line: &str) -> String {
        let done = self.run(line);
        assert_eq!(done.code, Some(0), "{done}");
        done.stdout
    }

    /// The same with `--json`, as the objects it prints.
    pub fn json(&self, line: &str) -> Vec<serde_json::Value> {
        let object =
            |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        self.ok(&format!("{line} --json")).lines().map(object).collect()
    }
}

impl Drop for Sipward<'_> {
    fn drop(&mut self) {
        // Not by `sipward detach`: that may be what a test found broken. Links go with their pins.
        let _ = fs::remove_dir_all(&self.pins);
    }
}

/// The output and the exit code of a command.
#[derive(Debug)]
pub struct Done {
    pub line: String,
    /// `None`: ended by a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    pub fn of(command: &mut Command) -> Self {
        let line = format!("{command:?}");
        let Output { status, stdout, stderr } =
            command.output().unwrap_or_else(|error| panic!("{line} does not start: {error}"));
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Self { line, code: status.code(), stdout: text(&stdout), stderr: text(&stderr) }
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, code, stdout, stderr } = self;
        write!(f, "{line}\nexit status {code:?}\n{stdout}{stderr}")
    }
}
