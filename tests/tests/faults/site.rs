//! A host with the daemon, and the verdicts on its packets.

use std::{
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use serde_json::Value;
use sipward_kernel::{PinnedProgram, Pins};
use sipward_tests::{
    command::{Done, Sipward},
    daemon::Daemon,
    frame::udp,
    message::{clean, request},
    namespace::Namespace,
    scratch::Scratch,
    wait::wait_until,
};
use xdp_prog::reason::Action;

/// On a busy machine, work of a few seconds takes many.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Site<'a> {
    /// Dropped before the installation, whose pins it would make again.
    daemon: Option<Daemon>,
    pub(crate) sipward: Sipward<'a>,
    pub(crate) config: PathBuf,
    /// The length of the log of the daemons before this one.
    logged: usize,
    /// Kept for its drop.
    _scratch: Scratch,
}

impl<'a> Site<'a> {
    pub(crate) fn new(host: &'a Namespace, config: &str) -> Self {
        let scratch = Scratch::new(host);
        let config = scratch.file("sipward.toml", config).into();
        Self { sipward: Sipward::new(host), config, daemon: None, logged: 0, _scratch: scratch }
    }

    /// The same, with the daemon running.
    pub(crate) fn running(host: &'a Namespace, config: &str) -> Self {
        let mut site = Self::new(host, config);
        site.start();
        site
    }

    pub(crate) fn start(&mut self) {
        self.start_by(self.run());
    }

    pub(crate) fn run(&self) -> Command {
        self.sipward.command(&format!("run --config {}", self.config.display()))
    }

    pub(crate) fn start_by(&mut self, command: Command) {
        self.daemon = Some(Daemon::start_by(&self.sipward, command));
    }

    pub(crate) fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().unwrap()
    }

    /// As a power cut does it.
    pub(crate) fn kill(&mut self) {
        self.logged += self.log().len();
        self.daemon.take().unwrap().kill();
    }

    /// As systemd does it.
    pub(crate) fn end(&mut self) {
        self.logged += self.log().len();
        self.daemon.take().unwrap().terminate();
    }

    /// The log of the running daemon.
    pub(crate) fn log(&self) -> String {
        self.daemon().log().split_off(self.logged)
    }

    pub(crate) fn wait_for_log(&self, said: &str) {
        self.wait(&format!("the log says {said:?}"), || self.log().contains(said));
    }

    /// Shows the log where it takes long.
    pub(crate) fn wait(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let mut tries = 0;
        wait_until(what, PATIENCE, || {
            tries += 1;
            let is_so = is_so();
            if !is_so && tries == 1_000 {
                let log = self.log();
                let lines: Vec<_> = log.lines().collect();
                println!("still not: {what}\n{}", lines[lines.len().saturating_sub(20)..].join("\n"));
            }
            is_so
        });
    }

    pub(crate) fn status(&self) -> Value {
        self.sipward.json("status").remove(0)
    }

    pub(crate) fn fault(&self) -> Option<String> {
        self.status()["store"]["fault"].as_str().map(str::to_owned)
    }

    /// The addresses on a list.
    pub(crate) fn list(&self, list: &str) -> Vec<String> {
        let lines = self.sipward.json(&format!("{list} list"));
        lines.iter().map(|line| line["source"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn filter(&self) -> Filter {
        Filter(PinnedProgram::open(&Pins::at(self.sipward.pins())).unwrap())
    }
}

/// The program in the kernel, whatever becomes of its pins.
pub(crate) struct Filter(PinnedProgram);

impl Filter {
    /// Scanners drop, the trusted pass with the very same packet, the banned drop with any.
    pub(crate) fn works(&self, trusted: &[&str], banned: &[&str]) {
        assert_eq!(self.scan("192.0.2.200"), Action::Drop, "a scanner");
        for source in trusted {
            assert_eq!(self.scan(source), Action::Pass, "{source} is trusted");
        }
        for source in banned {
            assert_eq!(self.register(source), Action::Drop, "{source} is banned");
        }
    }

    fn scan(&self, source: &str) -> Action {
        self.judge(source, &request("REGISTER", "friendly-scanner"))
    }

    pub(crate) fn register(&self, source: &str) -> Action {
        self.judge(source, &clean("REGISTER"))
    }

    fn judge(&self, source: &str, message: &str) -> Action {
        self.0.test_run(&udp().from(source).carrying(message).build()).unwrap()
    }
}

/// Root as in the systemd unit, without access to the files of other users.
pub(crate) fn confined(command: &Command) -> Command {
    let mut confined = Command::new("setpriv");
    confined.args(["--bounding-set", "-dac_override,-dac_read_search"]);
    confined.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => confined.env(name, value),
            None => confined.env_remove(name),
        };
    }
    confined
}

/// Dropped, it is over; also where a test has failed.
pub(crate) struct Until<'a>(pub(crate) &'a AtomicBool);

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[track_caller]
pub(crate) fn says(done: &Done, said: &[&str]) {
    for said in said {
        assert!(done.stderr.contains(said), "{said:?} is missing\n{done}");
    }
}
