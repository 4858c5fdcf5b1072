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

    /// Until the client is gone. Each item is the whole truth about its subject. So changes that are both in the state
    /// and behind it do no harm, and none is missing if the subscription begins first.
    pub(super) async fn stream(
        &self,
        handle: &ControllerHandle,
        answers: &mut Answers,
    ) -> Result<(), Unanswered> {
        loop {
            let mut news = self.0.subscribe();
            let facts = handle.with(Controller::in_force).await?;
            answers.item(&InForce::Begin).await?;
            answers.item(&InForce::Settings(wire::in_force_settings(&facts))).await?;
            for change in &facts.changes {
                answers.item(&wire::in_force(change, now())).await?;
            }
            drop(facts);
            answers.item(&InForce::Current).await?;
            loop {
                match news.recv().await {
                    Ok(Step::Change(change)) => answers.item(&wire::in_force(&change, now())).await?,
                    Ok(Step::Anew) | Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => return Ok(()),
                }
            }
            sleep(PAUSE).await;
        }
    }
}
