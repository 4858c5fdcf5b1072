//! The edge and the daemon: evidence goes there, and what is in force comes back. Without the daemon the edge goes on with
//! what it has heard, and keeps its evidence.

use std::{
    path::Path,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

use sipward_api::{
    self as api, Call,
    evidence::{AuthOutcome, EvidenceTaken, MOST_OUTCOMES},
    in_force::InForce,
};
use sipward_edge::{
    edge::{Evidence, Outcome},
    evidence_queue::EvidenceQueue,
};
use sipward_types::{flow::Transport, time::KernelTime};
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::{Arrival, threads::spawn};
use crate::{
    control::{Client, ClientError, Received},
    fault_log::FaultLog,
    locked::locked,
    paths,
    refusal::{Refusal, RefusalKind},
};

/// Until the daemon is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Evidence on its way to the daemon.
#[derive(Clone, Debug, Default)]
pub(super) struct Feeder(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<EvidenceQueue>,
    is_there: Condvar,
}

impl Feeder {
    pub(super) fn start(arrivals: mpsc::Sender<Arrival>) -> Result<Self, Refusal> {
        let feeder = Self::default();
        let (hands_in, socket) = (feeder.clone(), paths::socket(&paths::runtime()));
        let path = socket.clone();
        // Both run for as long as the edge does.
        drop(spawn("evidence", move || hands_in.hand_in(&path))?);
        drop(spawn("in-force", move || subscribe(&socket, &arrivals))?);
        Ok(feeder)
    }

    pub(super) fn add(&self, evidence: Vec<Evidence>, now: KernelTime) {
        let mut waiting = locked(&self.0.waiting);
        evidence.into_iter().for_each(|evidence| waiting.add(evidence, now));
        self.0.is_there.notify_one();
    }

    /// Outcomes that wait, and outcomes that found no place.
    pub(super) fn counts(&self) -> (u64, u64) {
        let waiting = locked(&self.0.waiting);
        (waiting.len() as u64, waiting.dropped())
    }

    fn hand_in(&self, socket: &Path) {
        let mut faults = FaultLog::default();
        loop {
            let mut batch = self.next();
            // Outcomes that are handed in by themselves, because the daemon does not understand one of them.
            let mut alone = 0;
            while !batch.is_empty() {
                let count = if alone > 0 { 1 } else { batch.len() };
                match ask(socket, &evidence(&batch[..count])) {
                    Ok(answered) => {
                        say_that_it_is_back(&mut faults);
                        let done = answered.done(count);
                        batch.drain(..done.min(count));
                        alone = if answered.is_not_understood() && count > 1 {
                            count
                        } else {
                            alone.saturating_sub(done)
                        };
                        thread::sleep(Duration::from_secs(answered.retry_in));
                    }
                    Err(why) => {
                        let fault = format!("evidence waits for the daemon: {why}");
                        faults.update([fault], |fault| warn!("{fault}"));
                        thread::sleep(RETRY);
                    }
                }
            }
        }
    }

    /// Waits for some.
    fn next(&self) -> Vec<(KernelTime, Evidence)> {
        let mut waiting = locked(&self.0.waiting);
        while waiting.is_empty() {
            waiting = self.0.is_there.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.take(MOST_OUTCOMES)
    }
}

fn evidence(batch: &[(KernelTime, Evidence)]) -> Call {
    let now = sipward_kernel::clock::now();
    let aged = |(at, evidence): &(KernelTime, Evidence)| AuthOutcome {
        ago: now.since(*at).as_secs(),
        ..outcome(evidence)
    };
    Call::Evidence(api::Evidence { items: batch.iter().map(aged).collect() })
}

/// Hears of what is in force, for as long as the edge runs.
fn subscribe(socket: &Path, arrivals: &mpsc::Sender<Arrival>) {
    let mut faults = FaultLog::default();
    loop {
        let mut hear = |received| {
            if let Received::Item(item) = received
                && let Ok(item) = serde_json::from_value::<InForce>(item)
            {
                if item == InForce::Current {
                    say_that_it_is_back(&mut faults);
                }
                // The core is gone only at the end of the program.
                let _ = arrivals.blocking_send(Arrival::InForce(item));
            }
            Ok::<(), ClientError>(())
        };
        let why = match Client::connect(socket) {
            Ok(Some(mut client)) => match client.ask(&Call::InForce, &mut hear) {
                Ok(Ok(())) => "it has ended".to_owned(),
                Ok(Err(refusal)) => refusal.to_string(),
                Err(error) => error.to_string(),
            },
            Ok(None) => "it does not run".to_owned(),
            Err(error) => error.to_string(),
        };
        let fault = format!("suspensions and locks stay as they are without the daemon: {why}");
        faults.update([fault], |fault| warn!("{fault}"));
        thread::sleep(RETRY);
    }
}

/// The daemon's answer to evidence. Where it has taken a part, it refuses the call, and the part is taken all the same.
#[derive(Debug, Default)]
struct Answered {
    taken: u64,
    retry_in: u64,
    refusal: Option<Refusal>,
}

impl Answered {
    fn is_not_understood(&self) -> bool {
        self.taken == 0 && self.refusal.as_ref().is_some_and(|refusal| refusal.kind == RefusalKind::Wrong)
    }

    /// The number of outcomes of so many that need not be handed in again. One that is not understood never will be.
    fn done(&self, count: usize) -> usize {
        if self.is_not_understood() && count == 1 {
            warn!("the daemon does not understand an outcome, which is left out: {:?}", self.refusal);
            return 1;
        }
        usize::try_from(self.taken).unwrap_or(usize::MAX)
    }
}

fn ask(socket: &Path, call: &Call) -> Result<Answered, String> {
    let mut answered = Answered::default();
    let mut client =
        Client::connect(socket).map_err(|error| error.to_string())?.ok_or("it does not run".to_owned())?;
    let take = |received| {
        if let Received::Item(item) = received
            && let Ok(taken) = serde_json::from_value::<EvidenceTaken>(item)
        {
            answered.taken += taken.taken + taken.too_old + taken.exempt;
            answered.retry_in = answered.retry_in.max(taken.retry_in);
        }
        Ok::<(), ClientError>(())
    };
    let result = client.ask(call, take).map_err(|error: ClientError| error.to_string())?;
    match result.err() {
        Some(refusal) if answered.taken == 0 && refusal.kind != RefusalKind::Wrong => {
            Err(refusal.to_string())
        }
        refusal => Ok(Answered { refusal, ..answered }),
    }
}

fn say_that_it_is_back(faults: &mut FaultLog) {
    if faults.end() {
        info!("the daemon is there again");
    }
}

fn outcome(evidence: &Evidence) -> AuthOutcome {
    let mut outcome = AuthOutcome {
        account: evidence.account.clone().map(String::from),
        source: evidence.from.peer.ip().to_canonical(),
        port: evidence.from.peer.port(),
        transport: match evidence.from.transport {
            Transport::Udp => api::evidence::Transport::Udp,
            Transport::Tcp => api::evidence::Transport::Tcp,
        },
        method: evidence.method,
        proven: evidence.from.transport == Transport::Tcp || evidence.outcome.is_proven(),
        outcome: api::evidence::Outcome::Challenged,
        attempt: None,
        contact: None,
        lasts: None,
        ago: 0,
    };
    match &evidence.outcome {
        Outcome::Challenged => {}
        Outcome::Failed { attempt } => {
            outcome.outcome = api::evidence::Outcome::Failed;
            outcome.attempt = Some(attempt.clone());
        }
        Outcome::Stale => outcome.outcome = api::evidence::Outcome::Stale,
        Outcome::Succeeded => outcome.outcome = api::evidence::Outcome::Succeeded,
        // A phone whose registration lasts no time is gone.
        Outcome::Registered { contact, lasts } if lasts.is_zero() => {
            outcome.outcome = api::evidence::Outcome::Unregistered;
            outcome.contact = Some(contact.clone());
        }
        Outcome::Registered { contact, lasts } => {
            outcome.outcome = api::evidence::Outcome::Registered;
            (outcome.contact, outcome.lasts) = (Some(contact.clone()), u32::try_from(lasts.as_secs()).ok());
        }
        Outcome::Unregistered { contact } => {
            outcome.outcome = api::evidence::Outcome::Unregistered;
            outcome.contact = contact.clone();
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use sipward_edge::link::{Link, Side};
    use sipward_types::{account::Account, evidence::Method};

    use super::*;
    use crate::control::Limits;

    #[test]
    fn the_longest_batch_is_one_request() {
        // Each of these bytes takes six in JSON.
        let text = |length| "\u{1}".repeat(length);
        let peer = "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535".parse().unwrap();
        let from = Link { side: Side::Outer, listener: 0, transport: Transport::Tcp, peer, connection: 0 };
        let outcome = Outcome::Registered { contact: text(256), lasts: Duration::from_secs(u32::MAX.into()) };
        let account = Account::new(text(1_000).as_bytes());
        let longest = Evidence { account, from, method: Method::Register, outcome };
        let batch = vec![(KernelTime::START, longest); MOST_OUTCOMES];
        let line = serde_json::to_vec(&evidence(&batch)).unwrap();
        assert!(line.len() < Limits::default().line, "{}", line.len());
    }
}
