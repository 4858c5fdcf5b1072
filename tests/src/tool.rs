//! The foreign programs that the tests use, and programs that run beside a test.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

struct Tool {
    program: &'static str,
    /// The Debian package that has it. `cargo xtask setup` installs it.
    package: &'static str,
}

const TOOLS: [Tool; 7] = [
    Tool { program: "baresip", package: "baresip-core" },
    Tool { program: "kamailio", package: "kamailio" },
    Tool { program: "sipp", package: "sip-tester" },
    Tool { program: "sipsak", package: "sipsak" },
    Tool { program: "svcrack", package: "sipvicious" },
    Tool { program: "svmap", package: "sipvicious" },
    Tool { program: "svwar", package: "sipvicious" },
];

/// Where a program is. Users often have no `sbin` in their `PATH`.
pub fn tool(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    directories.map(|directory| directory.join(name)).find(|path| path.is_file()).unwrap_or_else(|| {
        let package = TOOLS.iter().find(|tool| tool.program == name).map_or(name, |tool| tool.package);
        panic!("this test needs {name}: `cargo xtask setup`, or `apt-get install {package}`")
    })
}

/// For a machine that does much else besides.
const PATIENCE: Duration = Duration::from_secs(90);
/// For a program that has received a signal to end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A program in the background, gone when dropped. What it prints goes to a file.
#[derive(Debug)]
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let file = fs::File::create(log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        let same = file.try_clone().expect("a second descriptor of an open file");
        let child = command.stdin(Stdio::null()).stdout(file).stderr(same).spawn();
        let child = child.unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        Self { child, log: log.to_owned() }
    }

    /// Its output so far.
    pub fn log(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_else(|error| panic!("{}: {error}", self.log.display()));
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Waits until the program is as a test needs it; shows its log if it ends or takes too long.
    pub fn wait_until(&mut self, what: &str, is_so: impl FnMut() -> bool) {
        assert!(self.is_once(what, is_so), "{what}: ended\n{}", self.log());
    }

    /// The same of a program that may end instead: then it is false.
    pub fn is_once(&mut self, what: &str, mut is_so: impl FnMut() -> bool) -> bool {
        let end = Instant::now() + PATIENCE;
        while !is_so() {
            if self.child.try_wait().expect("a child of this process").is_some() {
                return false;
            }
            assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
        true
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Politely: Kamailio has children of its own to end. Who does not listen is killed.
        if let Ok(pid) = libc::pid_t::try_from(self.child.id()) {
            // SAFETY: a signal to a child that has not been waited for, so the number is still its own.
            unsafe { libc::kill(pid, libc::SIGTERM) };
        }
        let end = Instant::now() + LAST_WORDS;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
