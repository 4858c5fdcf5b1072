//! The ways in which systemd and terminals talk with a program that keeps running.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::warn;

use crate::refusal::Refusal;

#[derive(Debug)]
pub(crate) struct Signals {
    pub(crate) hangup: Signal,
    pub(crate) end: Ends,
}

#[derive(Debug)]
pub(crate) struct Ends {
    term: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn listen() -> Result<Self, Refusal> {
        let listen = |kind| {
            signal(kind).map_err(|error| Refusal::failed(format!("could not listen for signals: {error}")))
        };
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            end: Ends { term: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? },
        })
    }
}

impl Ends {
    pub(crate) async fn received(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Does nothing if systemd did not start the daemon.
pub(crate) fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!("systemd cannot be notified: {error}");
    }
}
