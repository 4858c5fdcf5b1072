//! Judges evidence; puts in force what follows, saves it and emits it as events.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;

use super::{
    Controller,
    enforced_state::{EnforcedState, target, target_of},
    flows::KnownFlow,
    retrying_store::SaveOutcome,
    settings::Settings,
    snapshot::SnapshotState,
};
use crate::{
    ban_safety::{self, ProtectedAddress},
    clock::Clock,
    refusal::Refusal,
    store::{Change, Entry, GUARD, Known, StoreError, Suspended, Suspension},
    wire::{DecisionFacts, InForceChange},
};
use sipward_api::name::DecisionName;
use sipward_engine::guard::{self, Decision, Guard, GuardAction, Held, Order, Rule, Scope, Trigger};
use sipward_engine::lists::ListChange;
use sipward_engine::observe::EdgeSocket;
use sipward_kernel::SuspensionTarget;
use sipward_types::{
    account::Account,
    address::{canonical, show},
    evidence::Evidence,
    list_entry::{ListEntry, Origin, single},
    time::KernelTime,
};

/// Is called with each event as it happens.
pub type Listener = Box<dyn Fn(ControllerEvent<'_>) + Send>;

#[derive(Debug)]
pub enum ControllerEvent<'a> {
    /// A decision, with the name of who made it and the time.
    Decided { facts: &'a DecisionFacts, who: &'a str, clock: &'a Clock },
    /// Changes of what is in force that no decision shows.
    Changed(Vec<InForceChange>),
    /// So much has changed that all that is in force should be looked at.
    ChangedAltogether,
}

/// The guard, and its decisions in force.
pub(super) struct GuardRuntime {
    pub(super) guard: Guard,
    pub(super) enforced: EnforcedState,
    listener: Option<Listener>,
    pub(super) snapshot: SnapshotState,
}

impl fmt::Debug for GuardRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardRuntime").field("enforced", &self.enforced).finish_non_exhaustive()
    }
}

impl GuardRuntime {
    /// Restores the guard from the state in force.
    pub(super) fn new(settings: guard::Settings, enforced: EnforcedState, now: KernelTime) -> Self {
        let mut guard = Guard::new(settings);
        guard.restore(now, held(&enforced, now));
        Self { guard, enforced, listener: None, snapshot: SnapshotState::default() }
    }
}

fn held(enforced: &EnforcedState, now: KernelTime) -> Vec<Held> {
    let suspended = enforced.suspensions(now).filter_map(|suspension| {
        let Suspension { what, source, until, trigger, .. } = suspension.clone();
        match (what, source) {
            (Suspended::Account(account), Some(source)) => {
                Some(Held::Suspended { account, source, until, trigger })
            }
            (Suspended::Account(account), None) => Some(Held::Locked { account, until, trigger }),
            // A flow's ban and a line's limit end by themselves; of a hash it is not known whose it is.
            (Suspended::Flow(_) | Suspended::Asking | Suspended::Hash(_), _) => None,
        }
    });
    let known = enforced.known(now).map(|known| {
        let Known { source, phones, until, .. } = *known;
        Held::Known { source, phones, until }
    });
    let flows = enforced.flows.all(now).map(|(source, flow, KnownFlow { phones, until })| Held::KnownFlow {
        source,
        flow,
        phones,
        until,
    });
    suspended.chain(known).chain(flows).collect()
}

/// A change of the store for a decision that is in force.
#[derive(Clone, Debug)]
enum Done {
    Suspended(Suspension),
    Lifted(Suspended, Option<IpAddr>),
    Banned(Entry),
    Known(Known),
    Forgotten(IpAddr),
    /// For the audit trail.
    Noted {
        what: &'static str,
        target: String,
        detail: String,
    },
}

impl Done {
    fn save(&self, who: &str, change: &mut Change<'_>, clock: &Clock) -> Result<(), StoreError> {
        match self {
            Self::Suspended(suspension) => change.suspend(suspension, clock),
            Self::Lifted(what, source) => change.lift(what, *source).map(drop),
            Self::Banned(entry) => change.put(entry, clock),
            Self::Known(known) => change.know(known, clock),
            Self::Forgotten(source) => change.forget(*source).map(drop),
            Self::Noted { what, target, detail } => change.audit(who, what, target, detail, clock),
        }
    }
}

/// Decisions that are put in force and saved together.
struct Batch<'a> {
    clock: Clock,
    who: &'a str,
    /// The note of the order.
    note: Option<&'a str>,
    done: Vec<Done>,
    /// Not put in force.
    refused: Vec<Decision>,
    /// Looked up at the first ban.
    protected: Option<Vec<ProtectedAddress>>,
}

impl Controller {
    /// Sets the receiver of decisions.
    pub fn listen(&mut self, listener: Listener) {
        self.guard_runtime.listener = Some(listener);
    }

    /// Tells the observer which sockets the edge answers at, by the settings in force.
    pub(super) fn note_edge_sockets(&self) {
        let edge = self.settings.as_ref().and_then(|settings| settings.resolved.edge.as_ref());
        let listen = edge.map(|edge| edge.listen.as_slice()).unwrap_or_default();
        self.edge_sockets
            .set(listen.iter().map(|own| EdgeSocket { transport: own.transport, address: own.address }));
    }

    /// Applies new settings. Decisions in force stay as they are.
    pub(super) fn set_guard(&mut self, settings: &Settings) -> Result<(), Refusal> {
        let passes = settings.keep_passes(&mut self.store);
        let GuardRuntime { guard, enforced, .. } = &mut self.guard_runtime;
        guard.set(settings.resolved.guard.settings);
        if enforced.set_passes(passes) {
            enforced.mirror(&mut self.tables, sipward_kernel::clock::now())?;
        }
        self.announce(|| ControllerEvent::ChangedAltogether);
        Ok(())
    }

    pub(super) fn announce(&self, event: impl FnOnce() -> ControllerEvent<'static>) {
        if let Some(listener) = &self.guard_runtime.listener {
            listener(event());
        }
    }

    /// Judges evidence; `note` says where it comes from, if not from the observer. The decisions are in force when this
    /// returns.
    pub fn witness(&mut self, evidence: &[Evidence], note: Option<&str>) -> Result<SaveOutcome, Refusal> {
        let enforces = self.tables.policy()?.is_some_and(|policy| policy.enforce != 0);
        let drops = enforces && !self.guard_runtime.enforced.passes();
        self.guard_runtime.guard.set_drops(drops, sipward_kernel::clock::now());
        let mut decisions = Vec::new();
        for evidence in evidence {
            decisions.extend(self.guard_runtime.guard.witness(evidence));
        }
        let result = self.carry_out(decisions, &[], GUARD, note);
        self.mirror_guesses()?;
        result
    }

    /// Records packets that the observer missed and that may have shown successes.
    pub fn missed(&mut self, count: u64) -> Result<SaveOutcome, Refusal> {
        let alert = self.guard_runtime.guard.missed(sipward_kernel::clock::now(), count);
        self.carry_out(alert.into_iter().collect(), &[], GUARD, None)
    }

    /// Ends expired decisions.
    pub fn tick(&mut self) -> Result<SaveOutcome, Refusal> {
        let now = sipward_kernel::clock::now();
        let decisions = self.guard_runtime.guard.tick(now);
        let result = self.carry_out(decisions, &[], GUARD, None);
        self.guard_runtime.enforced.tick(&mut self.tables, now)?;
        self.expire_guesses(now)?;
        result
    }

    /// The suspensions that an order lifts: also those known by a hash only, and bans of flows.
    pub(super) fn lifted(&self, order: &Order, now: KernelTime) -> Vec<SuspensionTarget> {
        self.guard_runtime
            .enforced
            .suspensions(now)
            .filter(|suspension| lifts(order, suspension))
            .map(target)
            .collect()
    }

    /// Puts the decisions of an order in force.
    pub(super) fn order(
        &mut self,
        order: &Order,
        who: &str,
        note: Option<&str>,
    ) -> Result<SaveOutcome, Refusal> {
        let now = sipward_kernel::clock::now();
        // The store reports its faults.
        let _ = self.recall();
        let decisions = self.guard_runtime.guard.order(order, now);
        let lifted = self.lifted(order, now);
        let saved = self.carry_out(decisions, &lifted, who, note)?;
        // Forgotten failures stay forgotten, however soon the next restart is.
        Ok(saved.and(self.keep_memory().into()))
    }

    /// Updates known sources after a change of the lists.
    pub(super) fn know_again(&mut self, changes: &[ListChange]) -> Result<(), Refusal> {
        let sources = changes.iter().filter_map(|(net, _)| single(*net));
        Ok(self.guard_runtime.enforced.know_again(&mut self.tables, sources, sipward_kernel::clock::now())?)
    }

    /// On an error, the other decisions are put in force and saved all the same.
    fn carry_out(
        &mut self,
        decisions: Vec<Decision>,
        lifted: &[SuspensionTarget],
        who: &str,
        note: Option<&str>,
    ) -> Result<SaveOutcome, Refusal> {
        let clock = Clock::read();
        let mut batch = Batch { clock, who, note, done: Vec::new(), refused: Vec::new(), protected: None };
        let mut result = Ok(());
        for decision in decisions {
            result = result.and(self.apply(&decision, &mut batch));
        }
        for decision in std::mem::take(&mut batch.refused) {
            self.guard_runtime.guard.refused(&decision);
        }
        for target in lifted {
            let trigger = Trigger { rule: Rule::Hand, count: 0, seconds: 0 };
            result = result.and(self.lift(*target, trigger, &mut batch));
        }
        let saved = self.save_batch(batch)?;
        result.map(|()| saved)
    }

    fn apply(&mut self, decision: &Decision, batch: &mut Batch<'_>) -> Result<(), Refusal> {
        let trigger = decision.trigger;
        let is_in_force = match decision.action.clone() {
            GuardAction::Suspend { account, source, until } => {
                self.suspend(Suspended::Account(account), Some(source), until, trigger, batch)
            }
            GuardAction::Lock { account, until } => {
                self.suspend(Suspended::Account(account), None, until, trigger, batch)
            }
            GuardAction::Lift { account, source } => {
                return self.lift(SuspensionTarget::account(source, &account), trigger, batch);
            }
            GuardAction::Ban { scope: Scope::Flow { source, flow }, until } => {
                self.suspend(Suspended::Flow(flow), Some(source), until, trigger, batch)
            }
            GuardAction::LimitAsking { source, until } => {
                self.suspend(Suspended::Asking, Some(source), until, trigger, batch)
            }
            GuardAction::Ban { scope: Scope::Source { source }, until } => {
                self.ban_for(source.into(), until, trigger, batch)
            }
            GuardAction::Ban { scope: Scope::Prefix { net }, until } => {
                self.ban_for(net, until, trigger, batch)
            }
            known @ (GuardAction::Know { .. }
            | GuardAction::Forget { .. }
            | GuardAction::KnowFlow { .. }
            | GuardAction::ForgetFlow { .. }) => return self.know(known, trigger, batch),
            GuardAction::Alert { source, account } => {
                let note = (trigger.rule == Rule::Missed).then(|| MISSED.to_owned());
                let account = account.map(String::from);
                let alert = DecisionFacts::new(DecisionName::Alert, trigger);
                self.report(DecisionFacts { account, source, note, ..alert }, batch);
                return Ok(());
            }
        };
        if is_in_force? {
            self.guard_runtime.guard.in_force(decision, sipward_kernel::clock::now());
        } else {
            batch.refused.push(decision.clone());
        }
        Ok(())
    }

    fn know(&mut self, what: GuardAction, trigger: Trigger, batch: &mut Batch<'_>) -> Result<(), Refusal> {
        match what {
            GuardAction::Know { source, phones, until } => {
                let since = batch.clock.wall;
                let known = Known { source, phones, until, since, rule: trigger.rule };
                self.guard_runtime.enforced.know(&mut self.tables, known.clone())?;
                batch.done.push(Done::Known(known));
                Ok(())
            }
            GuardAction::Forget { source } => {
                if self.guard_runtime.enforced.forget(&mut self.tables, source)? {
                    batch.done.push(Done::Forgotten(source));
                }
                Ok(())
            }
            GuardAction::KnowFlow { source, flow, phones, until } => {
                let known = KnownFlow { phones, until };
                Ok(self.guard_runtime.enforced.flows.know(&mut self.tables, source, flow, known)?)
            }
            GuardAction::ForgetFlow { source, flow } => {
                Ok(self.guard_runtime.enforced.flows.forget(&mut self.tables, source, flow)?)
            }
            _ => Ok(()),
        }
    }

    /// False if the source is trusted.
    fn suspend(
        &mut self,
        what: Suspended,
        source: Option<IpAddr>,
        until: KernelTime,
        trigger: Trigger,
        batch: &mut Batch<'_>,
    ) -> Result<bool, Refusal> {
        if let Some(source) = source
            && self.lists.trusts(&mut self.tables, source, batch.clock.kernel)?
        {
            // The source became trusted after the evidence.
            return Ok(false);
        }
        let suspension = Suspension {
            what,
            source,
            until,
            since: batch.clock.wall,
            who: batch.who.to_owned(),
            trigger,
            strict: trigger.rule == Rule::Hand,
        };
        let (suspension, gone) =
            self.guard_runtime.enforced.suspend(&mut self.tables, suspension, batch.clock.kernel)?;
        for gone in gone {
            batch.done.push(Done::Lifted(gone.what.clone(), gone.source));
            if target(&gone) != target(&suspension) {
                let note = "there is no room for more suspensions".to_owned();
                let lifted = DecisionFacts::about(DecisionName::Lifted, &gone, gone.trigger);
                self.report(DecisionFacts { note: Some(note), ..lifted }, batch);
            }
        }
        self.report(DecisionFacts::of_suspension(&suspension, trigger), batch);
        batch.done.push(Done::Suspended(suspension));
        Ok(true)
    }

    fn lift(
        &mut self,
        target: SuspensionTarget,
        trigger: Trigger,
        batch: &mut Batch<'_>,
    ) -> Result<(), Refusal> {
        if let Some(lifted) = self.guard_runtime.enforced.lift(&mut self.tables, target)? {
            self.report(DecisionFacts::about(DecisionName::Lifted, &lifted, trigger), batch);
            batch.done.push(Done::Lifted(lifted.what, lifted.source));
        }
        Ok(())
    }

    /// Bans a source or a prefix. False if this host or the operator cannot do without it.
    fn ban_for(
        &mut self,
        net: IpNet,
        until: KernelTime,
        trigger: Trigger,
        batch: &mut Batch<'_>,
    ) -> Result<bool, Refusal> {
        let net = canonical(net);
        let hazard = ban_safety::hazard(net, batch.protected.get_or_insert_with(|| ban_safety::all(None)));
        let facts = |name| DecisionFacts { source: Some(net), ..DecisionFacts::new(name, trigger) };
        if let Some(hazard) = hazard {
            let note = format!("not banned: it {hazard}");
            self.report(DecisionFacts { note: Some(note), ..facts(DecisionName::Alert) }, batch);
            return Ok(false);
        }
        if self.configured(net).is_some() {
            return Ok(false);
        }
        let now = batch.clock.kernel;
        let Self { lists, tables, .. } = self;
        let before = lists.get(tables, net, now)?;
        let Some(ban) = lists.ban(tables, net, until, Origin::Guard, now)? else { return Ok(false) };
        let before = before.map(|list_entry| self.entry(net, list_entry, &batch.clock));
        self.set_lists(&[(net, Some(ban))], &batch.clock)?;
        self.announce(|| ControllerEvent::Changed(vec![InForceChange::Banned { net, until: ban.until }]));
        let ListEntry { kind, until, origin } = ban;
        let (since, note) = before.map_or((batch.clock.wall, None), |before| (before.since, before.note));
        let evidence = Some(counted(trigger));
        batch.done.push(Done::Banned(Entry { net, kind, until, since, origin, note, evidence }));
        self.report(DecisionFacts { until: Some(until), ..facts(DecisionName::Banned) }, batch);
        Ok(true)
    }

    /// Reports a decision to the listener and to the audit trail. The trail omits ends that were known before.
    fn report(&self, facts: DecisionFacts, batch: &mut Batch<'_>) {
        let facts = DecisionFacts { note: facts.note.or_else(|| batch.note.map(str::to_owned)), ..facts };
        if facts.trigger.rule != Rule::Expired {
            batch.done.push(Done::Noted {
                what: facts.name.name(),
                target: audit_target(&facts),
                detail: audit_detail(&facts, &batch.clock),
            });
        }
        if let Some(listener) = &self.guard_runtime.listener {
            listener(ControllerEvent::Decided { facts: &facts, who: batch.who, clock: &batch.clock });
        }
    }

    /// Saves in one transaction, and marks as unsaved what could not be saved.
    fn save_batch(&mut self, batch: Batch<'_>) -> Result<SaveOutcome, Refusal> {
        if batch.done.is_empty() {
            return Ok(SaveOutcome::Saved);
        }
        let (who, done) = (batch.who.to_owned(), batch.done.clone());
        let saved = self.store.change_now_or_later(move |change, clock| {
            done.iter().try_for_each(|done| done.save(&who, change, clock))
        });
        if saved.is_err() {
            self.mark(&batch)?;
        }
        Ok(saved.into())
    }

    fn mark(&mut self, batch: &Batch<'_>) -> Result<(), Refusal> {
        let enforced = &mut self.guard_runtime.enforced;
        let mut targets = Vec::new();
        for done in &batch.done {
            match done {
                Done::Suspended(suspension) => targets.push(target(suspension)),
                Done::Lifted(what, source) => targets.push(target_of(what, *source)),
                Done::Known(Known { source, .. }) | Done::Forgotten(source) => {
                    enforced.mark_known_unsaved(*source);
                }
                Done::Banned(_) | Done::Noted { .. } => {}
            }
        }
        enforced.mark_unsaved(&mut self.tables, &targets)?;
        for done in &batch.done {
            if let Done::Banned(entry) = done {
                self.lists.mark_unsaved(&mut self.tables, entry.net, batch.clock.kernel)?;
            }
        }
        Ok(())
    }
}

fn lifts(order: &Order, suspension: &Suspension) -> bool {
    match order {
        Order::Lock { .. } => false,
        Order::Unlock { account } => matches_account(suspension, account),
        Order::UnlockAt { account, source } => {
            suspension.source == Some(*source) && matches_account(suspension, account)
        }
        Order::ClearNet { net } => suspension.source.is_some_and(|source| net.contains(&source)),
    }
}

/// Also by the hash of the account.
pub(super) fn matches_account(suspension: &Suspension, account: &Account) -> bool {
    target(suspension).what == SuspensionTarget::account(None, account).what
}

/// The subject of a decision for the audit trail: an address or prefix stands last.
fn audit_target(facts: &DecisionFacts) -> String {
    let what = facts.account.as_deref().or(facts.flow.as_deref());
    match (what, facts.source.map(show)) {
        (Some(what), Some(source)) => format!("{what} from {source}"),
        (None, Some(source)) => source,
        (what, None) => what.unwrap_or_default().to_owned(),
    }
}

fn audit_detail(facts: &DecisionFacts, clock: &Clock) -> String {
    let lasts = facts.until.map(|until| clock.kernel.remaining(until).to_string());
    let words = lasts.into_iter().chain([counted(facts.trigger)]).chain(facts.note.clone());
    words.collect::<Vec<_>>().join(", ")
}

/// The advice for an observer that misses packets.
const MISSED: &str = "the observer missed many packets of the PBX or of known sources. Until this ends, no \
                      nonce proves anything over UDP: no failure over UDP leads to a suspension or a ban, \
                      and known sources stay known. `sipward status` counts the missed packets and `sipward \
                      top` shows the busiest sources: ban the flood, or give sipward more CPU time";

/// `many-accounts: 12 in 40s`
fn counted(trigger: Trigger) -> String {
    let Trigger { rule, count, seconds } = trigger;
    if count == 0 { rule.to_string() } else { format!("{rule}: {count} in {seconds}s") }
}
