//! Reports to the daemon: how the edge fares, and whom it refuses for what.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use sipward_api::{
    Call, Report,
    report::{Refused, Totals},
};
use sipward_edge::{
    edge::{Cause, Counters, Evidence, Outcome},
    refusals::{Refusal, Refusals, Times},
};
use sipward_types::time::KernelTime;
use tracing::debug;

use super::{feeder::Feeder, threads::spawn};
use crate::{
    control::{Client, ClientError},
    locked::locked,
    paths, refusal,
};

/// Between two reports. What comes in between is counted together.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(super) struct Reporter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    started_at: KernelTime,
    feeder: Feeder,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    served: u64,
    causes: Counters,
    digest_runs: u64,
    refusals: Refusals,
}

impl Reporter {
    pub(super) fn start(feeder: Feeder, now: KernelTime) -> Result<Self, refusal::Refusal> {
        let reporter = Self(Arc::new(Inner { started_at: now, feeder, state: Mutex::default() }));
        let (reports, socket) = (reporter.clone(), paths::socket(&paths::runtime()));
        // It runs for as long as the edge does.
        drop(spawn("reports", move || reports.report(&socket))?);
        Ok(reporter)
    }

    pub(super) fn refuse(&self, refusal: Refusal, times: Times) {
        locked(&self.0.state).refusals.add(refusal, times);
    }

    /// The counts since the start.
    pub(super) fn count(&self, causes: &Counters, digest_runs: u64) {
        let mut state = locked(&self.0.state);
        (state.causes, state.digest_runs) = (*causes, digest_runs);
    }

    pub(super) fn admit(&self, evidence: &Evidence) {
        let is_admitted = evidence.outcome == Outcome::Succeeded;
        if let Some(account) = evidence.account.as_ref().filter(|_| is_admitted) {
            let mut state = locked(&self.0.state);
            state.served += 1;
            state.refusals.forget(account, evidence.from.peer.ip().to_canonical());
        }
    }

    fn report(&self, socket: &Path) {
        loop {
            thread::sleep(PAUSE);
            let refusals = locked(&self.0.state).refusals.take();
            if let Err(why) = send(socket, self.call(&refusals)) {
                // The feeder's threads have logged that the daemon is away.
                debug!("refusals wait for the daemon: {why}");
                let mut state = locked(&self.0.state);
                refusals.into_iter().for_each(|(refusal, times)| state.refusals.add(refusal, times));
            }
        }
    }

    fn call(&self, refusals: &[(Refusal, Times)]) -> Call {
        let now = sipward_kernel::clock::now();
        let (evidence_waiting, evidence_dropped) = self.0.feeder.counts();
        let state = locked(&self.0.state);
        let count = |cause: Cause| (cause, state.causes.of(cause));
        Call::Report(Report {
            totals: Totals {
                uptime: now.since(self.0.started_at).as_secs(),
                served: state.served,
                digest_runs: state.digest_runs,
                causes: Cause::ALL.map(count).into_iter().filter(|(_, count)| *count > 0).collect(),
                evidence_waiting,
                evidence_dropped,
            },
            refusals: refusals.iter().map(|(refusal, times)| refused(refusal, times, now)).collect(),
        })
    }
}

fn refused(refusal: &Refusal, times: &Times, now: KernelTime) -> Refused {
    let Refusal { cause, account, source, is_proven } = refusal;
    Refused {
        cause: *cause,
        account: account.clone().map(String::from),
        source: *source,
        proven: *is_proven,
        status: times.status,
        count: times.count,
        ago: now.since(times.last).as_secs(),
        within: times.last.since(times.first).as_secs(),
    }
}

fn send(socket: &Path, call: Call) -> Result<(), String> {
    let mut client =
        Client::connect(socket).map_err(|error| error.to_string())?.ok_or("it does not run".to_owned())?;
    let result = client.ask(&call, |_| Ok::<(), ClientError>(())).map_err(|error| error.to_string())?;
    result.map_err(|refusal| refusal.to_string())
}
