//! Does what a call asks: decides, writes the kernel and the store, and answers.
//!
//! There is one controller at a time. The daemon has it while it runs; without a daemon, a command makes one for itself,
//! under the lock of the pins.

mod accounts;
mod audit_trail;
mod edge_sockets;
mod enforced_state;
mod explain;
mod flows;
mod good_texts;
mod guard;
mod guesses;
mod handed_in;
mod import;
mod in_force;
mod last_good;
mod list_commands;
mod overruled;
mod proof;
mod reconcile;
mod reload;
mod reply;
mod retrying_store;
mod rules;
mod settings;
mod snapshot;
mod start;
mod status;
mod switch_names;
mod switches;
mod tapping;

pub use self::{
    audit_trail::{AuditTrail, audit_trail},
    edge_sockets::EdgeSockets,
    enforced_state::ReconcileReport,
    guard::{ControllerEvent, Listener},
    list_commands::Page,
    reconcile::Reconciled,
    reply::Reply,
    retrying_store::{OpenOutcome, SaveOutcome},
    rules::Silenced,
    settings::Settings,
    start::{ProgramFate, Started},
};

use std::{collections::BTreeSet, path::PathBuf};

use self::{
    enforced_state::EnforcedState, guard::GuardRuntime, proof::Proved, reconcile::reconcile,
    retrying_store::RetryingStore, settings::Switched, status::Rates, tapping::Taps,
};
use crate::{
    caller::Who,
    clock::Clock,
    lists::{self, Lists},
    paths,
    refusal::Refusal,
    store::{self, Change},
    wire,
};
use sipward_api::{Audit, Call, Detach, item};
use sipward_engine::{guard as engine, lists::ListChange};
use sipward_kernel::{self as kernel, Bucket, Hold, Pins, Tables, XdpChoice};
use sipward_types::time::KernelTime;

/// The outcome of a part of a purge.
#[derive(Clone, Copy, Debug)]
pub struct Purged {
    /// From the kernel's lists.
    pub removed: usize,
    pub is_all: bool,
}

#[derive(Debug)]
pub struct Controller {
    pins: Pins,
    tables: Tables,
    lists: Lists,
    store: RetryingStore,
    /// `None`: a command's own controller, which changes what is in force and does not know what is configured.
    settings: Option<Settings>,
    switched: Switched,
    guard_runtime: GuardRuntime,
    taps: Taps,
    /// Interfaces that are configured and were left by hand.
    left: BTreeSet<String>,
    /// When the lock-down is taken back, in kernel time.
    reverts_at: Option<KernelTime>,
    rates: Rates,
    /// Where a purge that is under way goes on.
    purged: Option<Bucket>,
    /// Of a daemon.
    hold: Option<Hold>,
    proof: Proved,
    edge_sockets: EdgeSockets,
}

impl Controller {
    fn new(
        pins: Pins,
        tables: Tables,
        lists: Lists,
        store: RetryingStore,
        guard_runtime: GuardRuntime,
    ) -> Self {
        Self {
            pins,
            tables,
            lists,
            store,
            settings: None,
            switched: Switched::default(),
            guard_runtime,
            taps: Taps::default(),
            left: BTreeSet::new(),
            reverts_at: None,
            rates: Rates::default(),
            purged: None,
            hold: None,
            proof: Proved::default(),
            edge_sockets: EdgeSockets::default(),
        }
    }

    /// The ports that the edge answers, now and after each reload.
    pub fn edge_sockets(&self) -> EdgeSockets {
        self.edge_sockets.clone()
    }

    /// A command's own, over the filter as it is pinned.
    pub fn open(pins: &Pins) -> Result<(Self, OpenOutcome), Refusal> {
        let mut tables = Tables::open(pins)?;
        let (mut store, mut opened) = RetryingStore::open(paths::store());
        let clock = Clock::read();
        let is_new = !matches!(opened, OpenOutcome::AsLeft | OpenOutcome::Closed { .. });
        let mut lists = Lists::open(&mut tables)?;
        let mut enforced = EnforcedState::found(&mut tables, settings::passes_as_kept(&store), &clock)?;
        if is_new {
            // A store that was made just now would otherwise pass for all there is.
            lists.mark_all_unsaved(&mut tables, sipward_kernel::clock::now())?;
            enforced.find_known(&mut tables, &clock)?;
            enforced.adopt(&mut tables)?;
        }
        if is_new || lists.is_unsaved() {
            match reconcile(&mut lists, &mut tables, &mut store)? {
                Ok(lists) => take_back(&mut enforced, &mut tables, &mut store, lists)?,
                Err(fault) => opened = OpenOutcome::Closed { fault },
            }
        }
        // A fault is reported when something is to be written.
        let _ = enforced.save_unsaved(&mut store, &clock);
        let guard_runtime = GuardRuntime::new(engine::Settings::default(), enforced, clock.kernel);
        let mut controller = Self::new(pins.clone(), tables, lists, store, guard_runtime);
        controller.switched = Switched::read(&controller.store);
        controller.reverts_at = controller.switched.reverts_at();
        Ok((controller, opened))
    }

    /// Answers a call. What had been done before it failed stays done, and is in the reply. Whoever is killed before a change
    /// is saved leaves a mark.
    pub fn perform(&mut self, call: &Call, who: &Who, reply: &mut Reply) -> Result<(), Refusal> {
        let changes_entries = matches!(
            call,
            Call::Trust(_)
                | Call::Ban(_)
                | Call::Remove(_)
                | Call::Import(_)
                | Call::Lock(_)
                | Call::Unlock(_)
        );
        if !changes_entries {
            return self.answer(call, who, reply);
        }
        self.lists.begin_change(&mut self.tables)?;
        let result = self.answer(call, who, reply);
        self.lists.end_change(&mut self.tables)?;
        result
    }

    fn answer(&mut self, call: &Call, who: &Who, reply: &mut Reply) -> Result<(), Refusal> {
        match call {
            Call::Trust(add) => self.trust(add, who, reply),
            Call::Ban(add) => self.ban(add, who, reply),
            Call::Remove(remove) => self.remove(remove, who, reply),
            Call::Import(import) => self.import(import, who, reply),
            Call::Mode(set) => self.mode(set, who, reply),
            Call::Only(only) => self.only(only, who, reply),
            Call::Confirm => self.confirm(who, reply),
            Call::Signatures(set) => self.signatures(set, who, reply),
            Call::Reload => self.reload(who, reply),
            Call::Attach => self.attach_again(who, reply),
            Call::Detach(detach) => self.detach(detach, who, reply),
            Call::Status => {
                reply.item(&wire::status(self.status()?, None));
                Ok(())
            }
            Call::Explain(explain) => {
                reply.item(&wire::explanation(self.explain(explain.address)?, None, None));
                Ok(())
            }
            Call::Audit(audit) => self.audit(audit, reply),
            Call::Account(name) => {
                reply.item(&wire::account(self.account(&name.account)?, None));
                Ok(())
            }
            Call::Lock(lock) => self.lock(lock, who, reply),
            Call::Unlock(unlock) => self.unlock(unlock, who, reply),
            Call::Rules => self.report_rules(reply),
            Call::List(_)
            | Call::Accounts(_)
            | Call::Events(_)
            | Call::Top
            | Call::Evidence(_)
            | Call::Report(_)
            | Call::InForce => {
                // Whoever has a controller reads lists page by page and events from the ring; `top` is the daemon's.
                Err(Refusal::no("only a running daemon can do that: `systemctl start sipward`"))
            }
        }
    }

    fn audit(&self, audit: &Audit, reply: &mut Reply) -> Result<(), Refusal> {
        let store = self.store.get().map_err(|error| Refusal::failed(error.to_string()))?;
        let AuditTrail { lines, gone } = audit_trail(store, audit)?;
        lines.iter().for_each(|line| reply.item(line));
        gone.into_iter().for_each(|gone| reply.notice(gone));
        Ok(())
    }

    /// Interfaces that the filter should be on.
    pub fn wanted(&self) -> impl Iterator<Item = &String> {
        let configured = self.settings.iter().flat_map(|settings| &settings.resolved.interfaces);
        configured.filter(|interface| !self.left.contains(*interface))
    }

    fn detach(&mut self, detach: &Detach, who: &Who, reply: &mut Reply) -> Result<(), Refusal> {
        for interface in self.take_off(&detach.interfaces)? {
            reply.item(&item::Detached { detached: interface.clone() });
            self.left.insert(interface);
        }
        if detach.interfaces.is_empty() {
            let configured = self.settings.iter().flat_map(|settings| &settings.resolved.interfaces);
            self.left.extend(configured.cloned());
        }
        self.note(who, "detach", &detach.interfaces.join(" "), reply);
        Ok(())
    }

    /// Off these interfaces, or off all.
    fn take_off(&mut self, interfaces: &[String]) -> kernel::Result<Vec<String>> {
        // A program that is held on to would be pinned again.
        match &mut self.hold {
            Some(hold) if !interfaces.is_empty() => interfaces.iter().for_each(|name| hold.release(name)),
            hold => *hold = None,
        }
        kernel::detach(&self.pins, interfaces)
    }

    /// True if everything was left by hand, and nothing of the filter is to be there.
    pub fn is_off(&self) -> bool {
        !self.left.is_empty() && self.wanted().next().is_none()
    }

    /// Something for the audit trail alone.
    pub fn note(&mut self, who: &Who, what: &str, target: &str, reply: &mut Reply) {
        let (who, what, target) = (who.name.clone(), what.to_owned(), target.to_owned());
        let work =
            move |change: &mut Change<'_>, clock: &Clock| change.audit(&who, &what, &target, "", clock);
        if let Err(fault) = self.store.change_now_or_later(work) {
            reply.notice(format!("done, but not in the audit trail: {fault}"));
        }
    }

    /// Puts the filter onto interfaces that it should be on and is not. The names of those it came to, and the
    /// errors of the others.
    pub fn attach_missing(&mut self) -> (Vec<String>, Vec<(String, kernel::Error)>) {
        let (mut attached, mut failed) = (Vec::new(), Vec::new());
        let there = kernel::attachments(&self.pins).unwrap_or_default();
        let runs = |name: &String| there.iter().any(|there| there.interface == *name && there.mode.is_some());
        let missing: Vec<_> = self.wanted().filter(|name| !runs(name)).cloned().collect();
        for interface in missing {
            match self.attach(&interface, XdpChoice::Auto) {
                Ok(_) => attached.push(interface),
                Err(error) => failed.push((interface, error)),
            }
        }
        (attached, failed)
    }

    /// Brings the store and the kernel together again once a fault of the store is over. `None`: there was none, or
    /// it is still there.
    pub fn recover(&mut self) -> Option<(OpenOutcome, Result<Reconciled, String>)> {
        self.store.fault()?;
        let opened = self.store.recover()?;
        let reconciled = self.catch_up(opened != OpenOutcome::AsLeft);
        Some((opened, reconciled.unwrap_or_else(|refusal| Err(refusal.to_string()))))
    }

    fn catch_up(&mut self, adopt: bool) -> Result<Result<Reconciled, String>, Refusal> {
        if adopt {
            self.lists.mark_all_unsaved(&mut self.tables, sipward_kernel::clock::now())?;
            self.guard_runtime.enforced.adopt(&mut self.tables)?;
            self.guard_runtime.snapshot.is_lost();
            self.switched.save(&mut self.store);
        }
        if let Some(settings) = &self.settings {
            let changes = settings::list_changes(&mut self.store, &settings.resolved);
            self.apply_lists(&changes)?;
        }
        if let Some(settings) = &self.settings {
            settings.keep(&mut self.store);
        }
        let lists = match reconcile(&mut self.lists, &mut self.tables, &mut self.store)? {
            Ok(lists) => lists,
            Err(fault) => return Ok(Err(fault)),
        };
        let guarded =
            self.guard_runtime.enforced.reconcile(&mut self.tables, &mut self.store, &Clock::read())?;
        self.announce(|| ControllerEvent::ChangedAltogether);
        Ok(guarded.map(|_| lists))
    }

    /// Puts the lists of the configuration in force, and makes known sources count again that are no longer on one.
    fn apply_lists(&mut self, changes: &[ListChange]) -> Result<(), Refusal> {
        let result = settings::apply_lists(&mut self.lists, &mut self.tables, &mut self.store, changes);
        self.know_again(changes)?;
        result
    }

    /// Why the kernel has entries that the store lacks, if it has.
    pub fn unsaved(&self) -> Option<String> {
        self.lists.is_unsaved().then(|| self.store.fault()).flatten()
    }

    /// Why not all that is in force is saved.
    pub fn fault(&mut self) -> Option<String> {
        self.store.look();
        self.store.fault()
    }

    /// Removes some of what has run out; it had no effect any more. Goes on where the last call ended.
    pub fn purge(&mut self) -> Result<Purged, Refusal> {
        let clock = Clock::read();
        let lists::Purged { removed, next } =
            self.lists.purge(&mut self.tables, self.purged.take(), clock.kernel)?;
        self.purged = next;
        let rows = match self.store.get_mut() {
            Some(store) => store.purge(&clock).map_err(|error| Refusal::failed(error.to_string()))?,
            None => 0,
        };
        Ok(Purged { removed, is_all: next.is_none() && rows < store::BATCH })
    }

    /// Keeps hold of the filter, so that it does not go with its pins, and makes those again that are missing: their
    /// paths.
    pub fn keep_pinned(&mut self) -> Result<Vec<PathBuf>, kernel::Error> {
        let hold = match &mut self.hold {
            Some(hold) => hold,
            none => none.insert(Hold::of(&self.pins)?),
        };
        let made = hold.repin(&self.tables)?;
        hold.refresh()?;
        Ok(made)
    }

    /// Measures rates from here to the next look.
    pub fn look(&mut self) -> Result<(), Refusal> {
        let counts = self.tables.counters()?;
        self.rates.look(sipward_kernel::clock::now(), &counts);
        Ok(())
    }

    pub fn tables(&mut self) -> &mut Tables {
        &mut self.tables
    }

    pub fn pins(&self) -> &Pins {
        &self.pins
    }
}

/// Takes back what a killed command had put in force and not saved, of the lists and of the suspensions.
fn take_back(
    enforced: &mut EnforcedState,
    tables: &mut Tables,
    store: &mut RetryingStore,
    lists: Reconciled,
) -> Result<(), Refusal> {
    enforced.find_known(tables, &Clock::read())?;
    // A fault is reported when something is to be written.
    let _ = enforced.reconcile(tables, store, &Clock::read())?;
    if lists.mirrored != lists::Mirrored::default() {
        let detail = format!("a command had ended before its change was saved, so that went: {lists}");
        let _ = store.change_now_or_later(move |change, clock| {
            change.audit("sipward", "reconcile", "", &detail, clock)
        });
    }
    Ok(())
}
