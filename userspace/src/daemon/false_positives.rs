//! Counts false positives, from drop events and from proven successes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::controller_handle::ControllerHandle;
use crate::{
    caller::Who,
    controller::{Controller, Silenced},
    dropped::{Offset, reason_name},
    store::GUARD,
};
use sipward_api::item::Decided;
use sipward_engine::false_positives::{DAY, FalsePositives, Tally};
use sipward_types::{
    drop_event::DropEvent,
    evidence::{Evidence, Kind, Proof},
    time::{WallSeconds, WallTime},
};

/// How often rules are judged and saved.
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

    /// Who authenticated, as far as that is proven; or is a trunk of ours.
    pub(super) fn witnessed(&self, evidence: &[Evidence]) {
        let offset = Offset::now();
        let mut false_positives = self.false_positives();
        for evidence in evidence.iter().filter(|evidence| speaks_for_its_source(evidence)) {
            false_positives.authenticated(evidence.source, offset.to_seconds(evidence.at));
        }
    }

    /// Whom the guard suspends or bans has failed as an attacker does.
    pub(super) fn decided(&self, decided: &Decided) {
        let restricts = matches!(decided.decision.as_str(), "suspended" | "banned") && decided.who == GUARD;
        let source = decided.source.as_deref().filter(|_| restricts);
        if let Some(Ok(net)) = source.map(sipward_types::address::parse) {
            self.false_positives().attacked(net.addr(), WallSeconds::new(decided.ts as u64));
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

    /// From time to time: flags what hits the wrong ones, and saves.
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
            false_positives.tick(now());
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
        // As in `drop_events`.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn speaks_for_its_source(evidence: &Evidence) -> bool {
    let works = matches!(evidence.kind, Kind::Succeeded | Kind::Registered { .. } | Kind::Qualified);
    works && evidence.proof == Proof::Proven
}

/// In the log, and for whoever follows events.
fn flag(rule: &str, tally: &Tally, silenced: Silenced) -> Decided {
    let note = match silenced {
        Silenced::Off => "it is switched off until the configuration is loaded again",
        Silenced::NotAllowed => "it stays in force: see `sipward rules`",
        Silenced::NotPossible => {
            "it stays in force, as without it there would be no limit: trust these sources, or raise the limit"
        }
    };
    let Tally { sources, authenticated, .. } = tally;
    info!("{rule}: {authenticated} of {sources} sources that it hit authenticated within a day: {note}");
    Decided {
        ts: now().get() as f64,
        decision: "flagged".to_owned(),
        account: None,
        source: None,
        flow: None,
        expires_in: None,
        rule: rule.to_owned(),
        count: u32::try_from(*authenticated).unwrap_or(u32::MAX),
        seconds: DAY.as_secs() as u32,
        who: Who::sipward().name,
        note: Some(format!("{authenticated} of {sources} sources authenticated within a day; {note}")),
    }
}

fn now() -> WallSeconds {
    WallTime::from(SystemTime::now()).seconds()
}
