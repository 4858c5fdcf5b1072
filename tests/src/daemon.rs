//! `sipward run` in the background: started, ended, or killed at any moment.

use std::{
    fs,
    os::unix::{net::UnixStream, process::ExitStatusExt as _},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use sipward::{
    control::{Client, ClientError},
    paths,
};
use sipward_api::Call;
use xdp_prog::abi::VERSION;

use crate::{command::Sipward, wait::wait_until};

/// For a machine that does much else besides.
const PATIENCE: Duration = Duration::from_secs(60);

/// The daemon of an installation. Dropped, it is killed; the filter stays.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Daemon {
    /// One that takes calls.
    pub fn start(sipward: &Sipward<'_>, config: &str) -> Self {
        let mut daemon = Self::spawn(sipward, config, VERSION);
        daemon.wait_until_ready();
        daemon
    }

    /// The same, by a command that starts it in another way.
    pub fn start_by(sipward: &Sipward<'_>, command: Command) -> Self {
        let mut daemon = Self::of(sipward, command);
        daemon.wait_until_ready();
        daemon
    }

    /// One that has just begun to start: of this build, or of one whose maps have another layout.
    pub fn spawn(sipward: &Sipward<'_>, config: &str, layout: u32) -> Self {
        let mut command = sipward.command(&format!("run --config {config}"));
        command.env("SIPWARD_PIN_VERSION", layout.to_string());
        Self::of(sipward, command)
    }

    fn of(sipward: &Sipward<'_>, mut command: Command) -> Self {
        let log = log_path(sipward);
        let file = fs::File::options().create(true).append(true).open(&log);
        let file = file.unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        Self { child, socket: paths::socket(&sipward.runtime()), log }
    }

    /// Returns true if its control socket accepts connections.
    pub fn is_ready(&self) -> bool {
        UnixStream::connect(&self.socket).is_ok()
    }

    pub fn wait_until_ready(&mut self) {
        wait_until("the daemon answers", PATIENCE, || {
            let ended = self.child.try_wait().expect("a child of this process");
            assert!(ended.is_none(), "the daemon ended: {ended:?}\n{}", self.log());
            self.answers()
        });
    }

    /// Its control socket is open before it sees what comes; who is answered may rely on that.
    fn answers(&self) -> bool {
        let Ok(Some(mut client)) = Client::connect(&self.socket) else { return false };
        client.ask(&Call::Status, |_| Ok::<_, ClientError>(())).is_ok()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The log of this daemon and of those before it.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn signal(&self, signal: libc::c_int) {
        let pid = libc::pid_t::try_from(self.pid()).expect("a process id");
        // SAFETY: a signal to a child that has not been waited for, so the number is still its own.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0, "{}", std::io::Error::last_os_error());
    }

    /// SIGTERM, and all that the daemon does then.
    pub fn terminate(mut self) {
        self.signal(libc::SIGTERM);
        let ended = self.wait();
        assert!(ended.success(), "{ended}\n{}", self.log());
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.signal(libc::SIGKILL);
        let ended = self.wait();
        assert_eq!(ended.signal(), Some(libc::SIGKILL), "it had ended before: {ended}\n{}", self.log());
    }

    fn wait(&mut self) -> ExitStatus {
        let mut ended = None;
        wait_until("the daemon ends", PATIENCE, || {
            ended = self.child.try_wait().expect("a child of this process");
            ended.is_some()
        });
        ended.expect("waited for")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Fails where it has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log_path(sipward: &Sipward<'_>) -> PathBuf {
    sipward.state().with_file_name("daemon.log")
}
