//! Threads beside the core, for what waits for a disk or for the daemon.

use std::thread::{Builder, JoinHandle};

use crate::refusal::Refusal;

pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Refusal> {
    let started = Builder::new().name(name.to_owned()).spawn(work);
    started.map_err(|error| Refusal::failed(format!("could not start a thread: {error}")))
}
