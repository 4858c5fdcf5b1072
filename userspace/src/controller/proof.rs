//! The self-test of the filter.

use super::Controller;
use crate::probe::probe;
use sipward_kernel::clock::now;
use sipward_types::time::KernelTime;

#[derive(Debug, Default)]
pub(super) struct Proved {
    at: Option<KernelTime>,
    alarm: Option<String>,
}

impl Proved {
    /// When the last self-test passed, and why the last one failed, if it did.
    pub(super) fn last(&self) -> (Option<KernelTime>, Option<String>) {
        (self.at, self.alarm.clone())
    }
}

impl Controller {
    /// Runs the self-test: the filter judges packets with a known verdict.
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
