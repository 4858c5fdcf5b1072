//! The subscription to what is in force.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::sleep,
};

use super::{controller_handle::ControllerHandle, request_handler::Unanswered};
use crate::{
    control::Answers,
    controller::{Controller, News},
    wire::{self, InForceChange},
};
use sipward_api::in_force::InForce;
use sipward_kernel::clock::now;

/// Changes that a subscriber may lag behind before all that is in force is sent again.
const BACKLOG: usize = 4_096;
/// Before that, so that one that always lags does not keep the controller busy.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(super) struct InForceFeed(broadcast::Sender<Step>);

#[derive(Clone, Debug)]
enum Step {
    Change(Arc<InForceChange>),
    /// All that is in force is to be sent again.
    Anew,
}

impl Default for InForceFeed {
    fn default() -> Self {
        Self(broadcast::channel(BACKLOG).0)
    }
}

impl InForceFeed {
    pub(super) fn emit(&self, news: News<'_>) {
        if self.0.receiver_count() == 0 {
            return;
        }
        match news {
            News::Decided { facts, .. } => {
                InForceChange::of_decision(facts).into_iter().for_each(|change| self.send(change));
            }
            News::Changed(changes) => changes.into_iter().for_each(|change| self.send(change)),
            // The last subscriber may be gone by now.
            News::ChangedAltogether => drop(self.0.send(Step::Anew)),
        }
    }

    fn send(&self, change: InForceChange) {
        // As above.
        let _ = self.0.send(Step::Change(Arc::new(change)));
    }

    fn subscribe(&self) -> Subscription {
        Subscription(self.0.subscribe())
    }

    /// Until the client is gone. Each item is the whole truth about its subject. So changes that are both in the state
    /// and behind it do no harm, and none is missing if the subscription begins first.
    pub(super) async fn stream(
        &self,
        handle: &ControllerHandle,
        answers: &mut Answers,
    ) -> Result<(), Unanswered> {
        loop {
            let mut subscription = self.subscribe();
            let facts = handle.with(Controller::in_force).await?;
            answers.item(&InForce::Begin).await?;
            answers.item(&InForce::Settings(wire::in_force_settings(&facts))).await?;
            for change in &facts.changes {
                answers.item(&wire::in_force(change, now())).await?;
            }
            drop(facts);
            answers.item(&InForce::Current).await?;
            while let Some(change) = subscription.next().await {
                answers.item(&wire::in_force(&change, now())).await?;
            }
            sleep(PAUSE).await;
        }
    }
}

struct Subscription(broadcast::Receiver<Step>);

impl Subscription {
    /// `None`: changes are missing, so all that is in force is to be sent again.
    async fn next(&mut self) -> Option<Arc<InForceChange>> {
        match self.0.recv().await {
            Ok(Step::Change(change)) => Some(change),
            Ok(Step::Anew) | Err(RecvError::Lagged(_) | RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use ipnet::IpNet;
    use sipward_api::name::DecisionName;
    use sipward_engine::guard::{Rule, Trigger};
    use sipward_types::time::KernelTime;

    use super::*;
    use crate::{clock::Clock, wire::DecisionFacts};

    fn emit(feed: &InForceFeed, name: DecisionName, rule: Rule, account: Option<&str>, source: Option<&str>) {
        let trigger = Trigger { rule, count: 6, seconds: 2 };
        let facts = DecisionFacts {
            account: account.map(str::to_owned),
            source: source.map(|net| net.parse().unwrap()),
            until: Some(KernelTime::FOREVER),
            ..DecisionFacts::new(name, trigger)
        };
        feed.emit(News::Decided { facts: &facts, who: "guard", clock: &Clock::read() });
    }

    fn unbanned(number: u32) -> InForceChange {
        InForceChange::Unbanned { net: IpNet::new(std::net::Ipv4Addr::from(number).into(), 32).unwrap() }
    }

    /// All that has been emitted.
    fn read(subscription: &mut Subscription) -> Vec<Option<InForceChange>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut read = Vec::new();
            while !subscription.0.is_empty() {
                read.push(subscription.next().await.map(|change| (*change).clone()));
            }
            read
        })
    }

    #[test]
    fn decisions_about_accounts_are_told_and_others_are_not() {
        let feed = InForceFeed::default();
        let mut subscription = feed.subscribe();
        let (account, source) = (Some("201"), Some("198.51.100.7/32"));
        emit(&feed, DecisionName::Suspended, Rule::Suspend, account, source);
        emit(&feed, DecisionName::Locked, Rule::Distributed, account, None);
        emit(&feed, DecisionName::Locked, Rule::Hand, account, None);
        emit(&feed, DecisionName::Lifted, Rule::Worked, account, source);
        emit(&feed, DecisionName::Alert, Rule::Persistent, account, source);
        emit(&feed, DecisionName::Banned, Rule::Spray, None, source);
        emit(&feed, DecisionName::Lifted, Rule::Expired, None, source);
        let suspended = |source: Option<&str>, strict| InForceChange::Suspended {
            account: "201".to_owned(),
            source: source.map(|source| source.parse().unwrap()),
            strict,
            until: KernelTime::FOREVER,
        };
        let lifted = InForceChange::Lifted {
            account: "201".to_owned(),
            source: Some("198.51.100.7".parse().unwrap()),
        };
        let expected =
            [suspended(Some("198.51.100.7"), false), suspended(None, false), suspended(None, true), lifted];
        assert_eq!(read(&mut subscription), expected.map(Some));
    }

    #[test]
    fn whoever_lags_begins_anew_and_so_does_everybody_after_a_change_of_all() {
        let feed = InForceFeed::default();
        let mut slow = feed.subscribe();
        feed.emit(News::Changed((0..BACKLOG as u32).map(unbanned).collect()));
        let mut quick = feed.subscribe();
        assert_eq!(read(&mut slow).len(), BACKLOG);
        feed.emit(News::Changed((0..=BACKLOG as u32).map(unbanned).collect()));
        assert_eq!(read(&mut slow)[0], None);
        assert_eq!(read(&mut quick)[0], None);
        feed.emit(News::Changed(vec![unbanned(7)]));
        feed.emit(News::ChangedAltogether);
        assert_eq!(read(&mut quick), [Some(unbanned(7)), None]);
    }
}
