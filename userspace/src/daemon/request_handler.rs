//! Calls of clients, passed to the part of the daemon that answers them.

use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;

use super::{
    controller_handle::ControllerHandle,
    drop_events::DropEvents,
    false_positives::SharedFalsePositives,
    feeders::{self, Feeders},
    in_force::InForceFeed,
    observing::Observing,
    reports::Reports,
    unanswered::Unanswered,
};
use crate::{
    caller::Who,
    control::{Answers, Handler},
    controller::{Controller, Page, Reply},
    refusal::Refusal,
    wire::{self, DaemonFacts, SourceFacts},
};
use sipward_api::{Account, Call, Events, Evidence, Explain, explanation::Explanation};
use sipward_engine::observe::{Diagnosis, Subject};
use sipward_kernel::clock::now;
use sipward_types::time::KernelTime;

/// Sources that `top` shows.
const TOP: usize = 20;

#[derive(Clone, Debug)]
pub(super) struct RequestHandler {
    handle: ControllerHandle,
    drop_events: DropEvents,
    in_force: InForceFeed,
    feeders: Feeders,
    reports: Reports,
    observing: Observing,
    false_positives: SharedFalsePositives,
    since: KernelTime,
}

impl RequestHandler {
    pub(super) fn new(
        handle: ControllerHandle,
        drop_events: DropEvents,
        in_force: InForceFeed,
        observing: Observing,
        false_positives: SharedFalsePositives,
    ) -> Self {
        let feeders = Feeders::new(handle.clone(), false_positives.clone(), observing.clone());
        let reports = Reports::new(observing.clone(), drop_events.clone());
        Self { handle, drop_events, in_force, feeders, reports, observing, false_positives, since: now() }
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
            Call::Explain(explain) => self.explain(explain, &mut answers).await,
            Call::Account(account) => self.account(account, &mut answers).await,
            Call::Rules => self.rules(&mut answers).await,
            Call::Status => self.status(&mut answers).await,
            Call::Evidence(evidence) => self.evidence(&evidence, &who, &mut answers).await,
            Call::Report(report) => self.reports.take(&report, &who).map_err(Unanswered::from),
            Call::InForce => self.in_force.stream(&self.handle, &who, &mut answers).await,
            call => self.perform(call, who, &mut answers).await,
        };
        match answered {
            Ok(()) => Ok(()),
            Err(Unanswered::Refused(refusal)) => Err(refusal),
            // The client is gone, so there is nobody to answer.
            Err(Unanswered::Gone) => Ok(()),
        }
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

    /// Page by page, so that a slow client does not delay others.
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

    async fn evidence(
        &self,
        evidence: &Evidence,
        who: &Who,
        answers: &mut Answers,
    ) -> Result<(), Unanswered> {
        let taken = self.feeders.take(evidence, who).await?;
        answers.item(&taken).await?;
        if taken.left > 0 {
            return Err(Refusal::no(format!(
                "the last {} of {} items are over the limit of {} a second for one user: hand them in again in {}s",
                taken.left,
                evidence.items.len(),
                feeders::A_SECOND,
                taken.retry_in
            ))
            .into());
        }
        Ok(())
    }

    async fn events(&self, events: Events, answers: &mut Answers) -> Result<(), Unanswered> {
        // Subscribes first, so that no event is lost in between.
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
                    answers
                        .notice(&format!("{missed} events were lost, because the client read too slowly"))
                        .await?
                }
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    }

    async fn top(&self, answers: &mut Answers) -> Result<(), Unanswered> {
        let now = now();
        let top: Vec<_> =
            self.drop_events.recent_drops().top(TOP, now).iter().map(|seen| wire::top(seen, now)).collect();
        for top in top {
            answers.item(&top).await?;
        }
        Ok(())
    }

    async fn explain(&self, explain: Explain, answers: &mut Answers) -> Result<(), Unanswered> {
        let address = explain.address.to_canonical();
        let facts = self.handle.with(move |controller| controller.explain(address)).await?;
        let diagnoses = self.observing.diagnose(Subject::Source(address));
        Ok(answers.item(&self.explanation(facts, &diagnoses)).await?)
    }

    fn explanation(&self, facts: SourceFacts, diagnoses: &[Diagnosis]) -> Explanation {
        let recent_drops = self.drop_events.recent_drops();
        let drops = recent_drops.of(facts.address, now());
        wire::explanation(facts, Some(diagnoses), drops.as_ref())
    }

    async fn account(&self, name: Account, answers: &mut Answers) -> Result<(), Unanswered> {
        let account = name.account.clone();
        let facts = self.handle.with(move |controller| controller.account(&name.account)).await?;
        let diagnoses = self.observing.diagnose(Subject::Account(&account));
        Ok(answers.item(&wire::account(facts, Some(&diagnoses))).await?)
    }

    async fn rules(&self, answers: &mut Answers) -> Result<(), Unanswered> {
        let tallies = self.false_positives.tallies();
        for rule in self.handle.with(move |controller| controller.rules(&tallies)).await? {
            answers.item(&rule).await?;
        }
        Ok(())
    }

    async fn status(&self, answers: &mut Answers) -> Result<(), Unanswered> {
        let facts = self.handle.with(Controller::status).await?;
        let (drops_reported, drops_suppressed) = self.drop_events.counts();
        let seen = self.observing.seen();
        let daemon = DaemonFacts {
            started_at: self.since,
            drops_reported,
            drops_suppressed,
            packets_observed: seen.packets,
            unjudged: seen.lost,
            flagged: self.false_positives.flagged(),
            edge: self.reports.latest(),
        };
        Ok(answers.item(&wire::status(facts, Some(daemon))).await?)
    }
}
