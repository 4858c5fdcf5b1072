//! What a client asks for, brought to whoever can answer it.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;

use super::{
    controller_handle::ControllerHandle, drop_events::DropEvents, false_positives::SharedFalsePositives,
    observing::Observing,
};
use crate::{
    caller::Who,
    control::{Answers, Gone, Handler},
    controller::{self, Controller, Explained, Page, Reply, Sighted, Status},
    dropped::Offset,
    refusal::Refusal,
};
use sipward_api::{Account as Name, Call, Events, Explain, item};
use sipward_engine::{
    observe::{Diagnosis, Subject},
    recent_drops::{RecentDrop, Seen},
};
use sipward_kernel::clock::now;
use sipward_types::{address::show, evidence::Proof, time::KernelTime};

/// Sources that `top` shows.
const TOP: usize = 20;

#[derive(Clone, Debug)]
pub(super) struct RequestHandler {
    handle: ControllerHandle,
    drop_events: DropEvents,
    observing: Observing,
    false_positives: SharedFalsePositives,
    since: KernelTime,
}

impl RequestHandler {
    pub(super) fn new(
        handle: ControllerHandle,
        drop_events: DropEvents,
        observing: Observing,
        false_positives: SharedFalsePositives,
    ) -> Self {
        Self { handle, drop_events, observing, false_positives, since: now() }
    }
}

impl Handler for RequestHandler {
    async fn call(&self, call: Call, who: Who, mut answers: Answers) -> Result<(), Refusal> {
        let answered = match call {
            Call::List(query) => {
                self.pages(&mut answers, move |controller, after| controller.page(&query, after)).await
            }
            Call::Accounts(which) => {
                self.pages(&mut answers, move |controller, after| Ok(controller.accounts(&which, after)))
                    .await
            }
            Call::Events(events) => self.events(events, &mut answers).await,
            Call::Top => self.top(&mut answers).await,
            Call::Explain(explain) => self.explain(explain, who, &mut answers).await,
            Call::Account(account) => self.account(account, who, &mut answers).await,
            Call::Rules => self.rules(&mut answers).await,
            Call::Status => self.status(&mut answers).await,
            call => self.perform(call, who, &mut answers).await,
        };
        match answered {
            Ok(()) => Ok(()),
            Err(Unanswered::Refused(refusal)) => Err(refusal),
            // Nobody hears this.
            Err(Unanswered::Gone) => Ok(()),
        }
    }
}

enum Unanswered {
    Refused(Refusal),
    Gone,
}

impl From<Gone> for Unanswered {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<Refusal> for Unanswered {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl RequestHandler {
    async fn perform(&self, call: Call, who: Who, answers: &mut Answers) -> Result<(), Unanswered> {
        let work = move |controller: &mut Controller| {
            let mut reply = Reply::default();
            let result = controller.perform(&call, &who, &mut reply);
            (reply, result)
        };
        let (reply, result) = self.handle.with(work).await;
        for item in &reply.items {
            answers.item(item).await?;
        }
        for notice in &reply.notices {
            answers.notice(notice).await?;
        }
        Ok(result?)
    }

    /// Page by page: a client that takes its time keeps nobody else waiting.
    async fn pages<L, K>(
        &self,
        answers: &mut Answers,
        page: impl Fn(&mut Controller, Option<K>) -> Result<Page<L, K>, Refusal> + Clone + Send + 'static,
    ) -> Result<(), Unanswered>
    where
        L: Serialize + Send + Sync + 'static,
        K: Send + 'static,
    {
        let mut after = None;
        loop {
            let page = page.clone();
            let Page { lines, next } = self.handle.with(move |controller| page(controller, after)).await?;
            for line in &lines {
                answers.item(line).await?;
            }
            if next.is_none() {
                return Ok(());
            }
            after = next;
        }
    }

    async fn events(&self, events: Events, answers: &mut Answers) -> Result<(), Unanswered> {
        // First, so that nothing is missed between the two.
        let mut news = self.drop_events.subscribe();
        if !events.follow {
            for event in self.drop_events.recent() {
                answers.item(&*event).await?;
            }
            return Ok(());
        }
        loop {
            match news.recv().await {
                Ok(event) => answers.item(&*event).await?,
                Err(RecvError::Lagged(missed)) => {
                    answers.notice(&format!("{missed} were not told in time")).await?
                }
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    }

    async fn top(&self, answers: &mut Answers) -> Result<(), Unanswered> {
        let now = now();
        let top: Vec<_> = self
            .drop_events
            .recent_drops()
            .top(TOP, now)
            .iter()
            .map(|seen| seen_briefly(seen, now))
            .collect();
        for top in top {
            answers.item(&top).await?;
        }
        Ok(())
    }

    async fn explain(&self, explain: Explain, who: Who, answers: &mut Answers) -> Result<(), Unanswered> {
        let address = explain.address.to_canonical();
        let work = move |controller: &mut Controller| {
            let mut reply = Reply::default();
            controller.perform(&Call::Explain(explain), &who, &mut reply).map(|()| reply)
        };
        let reply = self.handle.with(work).await?;
        let seen = self.drop_events.recent_drops().of(address, now()).map(|seen| seen_fully(&seen));
        for item in reply.items {
            let mut explained: Explained = decoded(item)?;
            explained.seen.clone_from(&seen);
            explained.diagnoses = Some(self.diagnoses(Subject::Source(address)));
            answers.item(&explained).await?;
        }
        Ok(())
    }

    async fn account(&self, name: Name, who: Who, answers: &mut Answers) -> Result<(), Unanswered> {
        let account = name.account.clone();
        let work = move |controller: &mut Controller| {
            let mut reply = Reply::default();
            controller.perform(&Call::Account(name), &who, &mut reply).map(|()| reply)
        };
        let reply = self.handle.with(work).await?;
        let diagnoses = self.diagnoses(Subject::Account(&account));
        for item in reply.items {
            let known: item::Account = decoded(item)?;
            answers.item(&item::Account { diagnoses: Some(diagnoses.clone()), ..known }).await?;
        }
        Ok(())
    }

    fn diagnoses(&self, subject: Subject<'_>) -> Vec<item::Diagnosed> {
        let offset = Offset::now();
        self.observing.diagnose(subject).iter().map(|diagnosis| diagnosed(diagnosis, offset)).collect()
    }

    async fn rules(&self, answers: &mut Answers) -> Result<(), Unanswered> {
        let tallies = self.false_positives.tallies();
        for rule in self.handle.with(move |controller| controller.rules(&tallies)).await? {
            answers.item(&rule).await?;
        }
        Ok(())
    }

    async fn status(&self, answers: &mut Answers) -> Result<(), Unanswered> {
        let since = self.since;
        let mut status: Status = self.handle.with(|controller| controller.status()).await?;
        if let Some(daemon) = &mut status.daemon {
            daemon.uptime = now().since(since).as_secs();
            (daemon.drops_reported, daemon.drops_suppressed) = self.drop_events.counts();
        }
        status.flagged = self.false_positives.flagged();
        if let Some(guard) = &mut status.guard {
            let seen = self.observing.seen();
            (guard.packets, guard.unjudged) = (seen.packets, seen.lost);
        }
        Ok(answers.item(&status).await?)
    }
}

/// What the controller has said, to have something added.
fn decoded<T: DeserializeOwned>(item: Value) -> Result<T, Refusal> {
    serde_json::from_value(item).map_err(|error| Refusal::failed(format!("the answer is garbled: {error}")))
}

fn diagnosed(diagnosis: &Diagnosis, offset: Offset) -> item::Diagnosed {
    let Diagnosis { cause, account, source, count, since, last, status, proof } = diagnosis;
    item::Diagnosed {
        cause: cause.name().to_owned(),
        account: account.as_ref().map(ToString::to_string),
        source: source.to_string(),
        count: *count,
        since: offset.to_wall(*since).as_secs(),
        last: offset.to_wall(*last).as_secs(),
        status: *status,
        proven: *proof == Proof::Proven,
        sentence: cause.sentence().to_owned(),
        remedy: cause.remedy().to_owned(),
    }
}

fn seen_briefly(seen: &Seen<'_>, now: KernelTime) -> item::Top {
    item::Top {
        source: show(seen.source),
        address: seen.address.to_string(),
        packets: seen.packets,
        lately: seen.lately as u64,
        mostly: seen.reasons.first().map_or_else(String::new, |most| most.reason.name().to_owned()),
        last: now.since(seen.last).as_secs(),
    }
}

fn seen_fully(seen: &Seen<'_>) -> controller::Seen {
    let offset = Offset::now();
    let sighted = |drop_seen: &RecentDrop| Sighted {
        ts: offset.to_wall(drop_seen.at).as_secs(),
        packets: drop_seen.packets,
        verdict: if drop_seen.enforced { "drop".to_owned() } else { "would-drop".to_owned() },
        reason: match &drop_seen.signature {
            Some(name) => format!("{}:{name}", drop_seen.reason.name()),
            None => drop_seen.reason.name().to_owned(),
        },
        first_line: drop_seen.first_line.as_ref().map(|line| String::from_utf8_lossy(line).into_owned()),
    };
    controller::Seen {
        source: show(seen.source),
        packets: seen.packets,
        lately: seen.lately as u64,
        recent: seen.recent.iter().map(sighted).collect(),
    }
}
