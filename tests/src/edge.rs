//! `sipward edge` in the background.

use std::{
    fs,
    ops::RangeInclusive,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{
    auth_pbx::{ACCOUNTS, BEHIND, BEHIND_V6, password},
    command::Sipward,
    scratch::Scratch,
    wait::wait_until,
};

const PATIENCE: Duration = Duration::from_secs(60);
pub const REALM: &str = "pbx";
/// The address by which the PBX knows the edge.
pub const INNER: &str = "127.0.0.1:5071";
const INNER_V6: &str = "[::1]:5071";

/// The section of the configuration, on the first host of a LAN and before a PBX at [`BEHIND`].
pub fn section(more: &str) -> String {
    section_before(INNER, BEHIND, more)
}

/// The same before a PBX at [`BEHIND_V6`].
pub fn section_before_v6(more: &str) -> String {
    section_before(INNER_V6, BEHIND_V6, more)
}

fn section_before(inner: &str, pbx: &str, more: &str) -> String {
    format!(
        "[edge]\nlisten = ['udp:10.90.0.1:5060', 'tcp:10.90.0.1:5060', 'udp:[2001:db8:90::1]:5060', \
         'tcp:[2001:db8:90::1]:5060']\ninner = '{inner}'\npbx = '{pbx}'\nrealm = '{REALM}'\naccounts = 'accounts.txt'\n{more}"
    )
}

/// A file of the accounts that the PBXs of the tests have, with the same passwords.
pub fn accounts() -> String {
    accounts_of(ACCOUNTS)
}

/// The same with other accounts.
pub fn accounts_of(accounts: RangeInclusive<u32>) -> String {
    accounts.map(|account| format!("{account} {}\n", password(account))).collect()
}

/// The edge of an installation. Dropped, it is killed.
#[derive(Debug)]
pub struct Edge {
    child: Child,
    log: PathBuf,
}

impl Edge {
    /// With the configuration file of a daemon. Its state is in that directory.
    pub fn start(sipward: &Sipward<'_>, config: &str, state: &Scratch) -> Self {
        let mut command = sipward.command(&format!("edge --config {config}"));
        command.env("SIPWARD_EDGE_STATE_DIR", &state.0);
        Self::start_by(command, state)
    }

    /// The same, by a command that starts it in another way. Its log is in that directory.
    pub fn start_by(mut command: Command, logs: &Scratch) -> Self {
        let log = logs.0.join("edge.log");
        let file = fs::File::options().create(true).append(true).open(&log);
        let file = file.unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        let begun = fs::read_to_string(&log).unwrap_or_default().matches(READY).count();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let mut edge = Self { child, log };
        wait_until("the edge listens", PATIENCE, || {
            let ended = edge.child.try_wait().expect("a child of this process");
            assert!(ended.is_none(), "the edge ended: {ended:?}\n{}", edge.log());
            edge.log().matches(READY).count() > begun
        });
        edge
    }

    /// The memory that it has now, in kB.
    pub fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let words = line.and_then(|line| line.split_whitespace().next());
        words.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no VmRSS: {status}"))
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("the edge's log")
    }
}

/// It has its sockets, and says who sees it where.
const READY: &str = "sees it at";

impl Drop for Edge {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
