//! Whether the filter was seen to do its work.

use super::{Controller, status::Daemon};
use crate::probe::probe;
use sipward_kernel::clock::now;
use sipward_types::time::KernelTime;

#[derive(Debug, Default)]
pub(super) struct Proved {
    at: Option<KernelTime>,
    alarm: Option<String>,
}

impl Proved {
    /// What the status of a daemon says of it. What it has seen itself is the daemon's to say.
    pub(super) fn daemon(&self, now: KernelTime) -> Daemon {
        Daemon {
            pid: std::process::id(),
            uptime: 0,
            drops_reported: 0,
            drops_suppressed: 0,
            proved: self.at.map(|at| now.since(at).as_secs()),
            alarm: self.alarm.clone(),
        }
    }
}

impl Controller {
    /// Has the filter judge packets whose fate is known.
    pub fn prove(&mut self) -> Result<(), String> {
        let result =
            probe(&self.pins, &mut self.tables, now()).map(drop).map_err(|failure| failure.to_string());
        match &result {
            Ok(()) => self.proof = Proved { at: Some(now()), alarm: None },
            Err(fault) => self.proof.alarm = Some(fault.clone()),
        }
        result
    }
}
