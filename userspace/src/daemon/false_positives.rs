//! Counts false positives, from drop events and from proven successes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::controller_handle::ControllerHandle;
use crate::{
    clock::Clock,
    controller::{Controller, Silenced},
    locked::locked,
    store::GUARD,
    wire::{self, DecisionFacts, Offset, reason_name},
};
use sipward_api::{item::Decided, name::DecisionName};
use sipward_engine::false_positives::{FalsePositives, Tally};
use sipward_types::{
    drop_event::DropEvent,
    evidence::{Evidence, Kind, Proof},
};

/// The interval at which rules are judged and saved.
const LOOK: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub(super) struct SharedFalsePositives(Arc<Mutex<FalsePositives>>);

impl SharedFalsePositives {
    pub(super) fn open(controller: &mut Controller) -> Self {
        let (false_positives, faults) = controller.false_positives();
        faults.iter().for_each(|fault| warn!("{fault}"));
        Self(Arc::new(Mutex::new(false_positives)))
    }

    /// Counts a drop event.
    pub(super) fn dropped(&self, event: &DropEvent, names: &[String]) {
        let rule = reason_name(event.reason, event.signature, names);
        self.false_positives().dropped(&rule, event.source, Offset::now().to_seconds(event.at));
    }

    /// Counts proven authentications, and answers of trunks.
    pub(super) fn witnessed(&self, evidence: &[Evidence]) {
        let offset = Offset::now();
        let mut false_positives = self.false_positives();
        for evidence in evidence.iter().filter(|evidence| speaks_for_its_source(evidence)) {
            false_positives.authenticated(evidence.source, offset.to_seconds(evidence.at));
        }
    }

    /// Counts a source that the guard suspends or bans as an attacker.
    pub(super) fn decided(&self, decision: &DecisionFacts, who: &str, clock: &Clock) {
        let restricts =
            matches!(decision.name, DecisionName::Suspended | DecisionName::Banned) && who == GUARD;
        if let Some(net) = decision.source.filter(|_| restricts) {
            self.false_positives().attacked(net.addr(), clock.wall.seconds());
        }
    }

    pub(super) fn tallies(&self) -> BTreeMap<String, Tally> {
        self.false_positives().tallies()
    }

    /// By name.
    pub(super) fn flagged(&self) -> Vec<String> {
        let flagged = self.tallies().into_iter().filter(|(_, tally)| tally.flagged);
        flagged.map(|(rule, _)| rule).collect()
    }

    /// Periodically flags rules with false positives, and saves.
    pub(super) async fn keep(&self, handle: &ControllerHandle, tell: &impl Fn(Decided)) {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look(handle, tell).await;
        }
    }

    pub(super) async fn look(&self, handle: &ControllerHandle, tell: &impl Fn(Decided)) {
        let settings = handle.with(|controller| controller.false_positive_settings()).await;
        let (flagged, saved) = {
            let mut false_positives = self.false_positives();
            false_positives.set(settings);
            false_positives.tick(Clock::read().wall.seconds());
            (false_positives.newly_flagged(), false_positives.save())
        };
        let kept = handle.with(move |controller| controller.save_false_positives(&saved)).await;
        // The store reports the fault.
        if kept.is_err() {
            self.false_positives().not_saved();
        }
        for (rule, tally) in flagged {
            let name = rule.clone();
            match handle.with(move |controller| controller.silence(&name, &tally)).await {
                Ok(silenced) => tell(flag(&rule, &tally, silenced)),
                Err(refusal) => warn!("{rule} could not be switched off: {refusal}"),
            }
        }
    }

    fn false_positives(&self) -> MutexGuard<'_, FalsePositives> {
        locked(&self.0)
    }
}

fn speaks_for_its_source(evidence: &Evidence) -> bool {
    let works = matches!(evidence.kind, Kind::Succeeded | Kind::Registered { .. } | Kind::Qualified);
    works && evidence.proof == Proof::Proven
}

/// Logs a flagged rule, and makes its event.
fn flag(rule: &str, tally: &Tally, silenced: Silenced) -> Decided {
    let note = match silenced {
        Silenced::Off => "the rule is off until the configuration is loaded again",
        Silenced::NotAllowed => "the rule stays in force: see `sipward rules`",
        Silenced::NotPossible => {
            "the rule stays in force, because there would be no limit without it: trust these sources, or \
             raise the limit"
        }
    };
    let Tally { sources, authenticated, .. } = tally;
    info!("{rule}: {authenticated} of {sources} sources that it hit authenticated within a day; {note}");
    wire::flagged(rule, tally, note, &Clock::read())
}
