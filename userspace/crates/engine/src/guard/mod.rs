//! The guard: suspensions, locks, bans and known sources come out of one state machine.
//!
//! Pure: evidence, time and settings go in, decisions come out, and the same evidence makes the same decisions. What is
//! in the kernel and in the store is their mirror.
//!
//! Evidence goes one of three ways. Unproven evidence goes to `unproven_failures`, which raises alerts; beyond that it can
//! limit requests without credentials (`asking`) and give back guesses (`guesses`), and nothing else. Failures go to
//! `failing`: the account at its source (`account_at_source`), the source (`source_history`), the account from wherever
//! (`account_history`). Successes go to `working`: they clear, and make the source known.
//!
//! The counts of failures, and the places where accounts have worked, are kept for the next start: see `memory`.
//!
//! Memory is bounded, and no account and no IPv6 /48 can fill what is kept of those that work. What is in force
//! (suspensions, locks, known sources) stays to its end here; when there is too much of it, there is nothing new. What only
//! counts is forgotten, that of least worth first, as each `bounded_map` says.

mod account_at_source;
mod account_history;
mod active_suspensions;
mod alerts;
mod asking;
mod bans;
mod blind;
mod bounded_map;
mod decision;
mod dirty_set;
mod failing;
mod flows;
mod guesses;
mod known;
mod memory;
mod order;
mod phones;
mod score;
mod sequence;
mod settings;
mod sites;
mod source_history;
mod source_net;
mod success_history;
#[cfg(test)]
mod tests;
mod tick;
mod time;
mod unproven_failures;
mod uses;
mod view;
mod working;

use std::net::IpAddr;

use self::{
    account_history::AccountHistory, active_suspensions::ActiveSuspensions, alerts::Alerts, asking::Asking,
    bans::Bans, blind::Blind, bounded_map::BoundedMap, flows::Flows, guesses::Guesses, known::Known,
    sites::Sites, source_history::SourceHistory, source_net::SourceNet, success_history::SuccessHistory,
    unproven_failures::UnprovenFailures, uses::Uses,
};
pub use self::{
    decision::{Decision, GuardAction, Rule, Scope, Trigger},
    guesses::GivenBack,
    memory::{Memory, Remembered, UnsavedMemory},
    order::{Held, Order},
    settings::{
        COUNT, GRACE, KnownSettings, LASTS, PHONES, RETRIES, Retries, SUSPENSION, Settings, Threshold,
        WITHIN, WORKED,
    },
    view::{AccountAt, AccountHere, AccountView, ActiveSuspension, Counters, SourceView},
};
use xdp_prog::guess::Budget;

use sipward_types::time::KernelTime;
use sipward_types::{
    account::Account,
    evidence::{Evidence, Kind, Proof},
};

/// Known sources. A source that finds no room here keeps a stranger's budget.
const SOURCES: usize = 65_536;
/// Sources of one account. For one more it gives up the one that it used longest ago.
const SOURCES_OF_ACCOUNT: usize = 64;
/// Accounts at sources, and numbers of sequences, all together: what the failures of real sources may take.
const SOURCE_HISTORIES: usize = 131_072;
/// Sources and failures of accounts, all together.
const ACCOUNT_HISTORIES: usize = 131_072;

/// Lines that are forgotten in one call.
const GUESSES_AT_ONCE: usize = 256;

#[derive(Debug)]
pub struct Guard {
    settings: Settings,
    suspensions: ActiveSuspensions,
    known: Known<IpAddr>,
    /// The sources where an account is used.
    uses: Uses<IpAddr>,
    sites: Sites,
    asking: Asking,
    blind: Blind,
    /// The filter drops what is suspended.
    drops: bool,
    flows: Flows,
    successes: SuccessHistory,
    /// Where the password of accounts was right, though anybody who has it could have sent that: see `had_the_password`.
    unproven_successes: SuccessHistory,
    source_histories: BoundedMap<SourceNet, SourceHistory>,
    account_histories: BoundedMap<Account, AccountHistory>,
    bans: Bans,
    alerts: Alerts,
    unproven_failures: UnprovenFailures,
    guesses: Guesses,
    evidence: u64,
    unproven_evidence: u64,
}

impl Guard {
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            suspensions: ActiveSuspensions::default(),
            known: Known::new(SOURCES),
            uses: Uses::new(SOURCES_OF_ACCOUNT),
            sites: Sites::default(),
            asking: Asking::default(),
            blind: Blind::default(),
            drops: false,
            flows: Flows::default(),
            successes: SuccessHistory::default(),
            unproven_successes: SuccessHistory::default(),
            source_histories: BoundedMap::saved(SOURCE_HISTORIES),
            account_histories: BoundedMap::saved(ACCOUNT_HISTORIES),
            bans: Bans::default(),
            alerts: Alerts::default(),
            unproven_failures: UnprovenFailures::default(),
            guesses: Guesses::default(),
            evidence: 0,
            unproven_evidence: 0,
        }
    }

    /// From now on. What has been decided stays as it is.
    pub fn set(&mut self, settings: Settings) {
        self.settings = settings;
    }

    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The decisions that follow from evidence.
    pub fn witness(&mut self, evidence: &Evidence) -> Vec<Decision> {
        if let Kind::Charged { issued, refused } = evidence.kind {
            self.charged(evidence, issued, refused);
            return Vec::new();
        }
        self.evidence += 1;
        if evidence.proof == Proof::Unproven {
            self.unproven_evidence += 1;
            let mut decisions = self.unproven_failures.witness(evidence, &self.settings);
            match evidence.kind {
                Kind::Challenged => decisions.extend(self.challenged(evidence)),
                Kind::Succeeded | Kind::Registered { .. } => self.had_the_password(evidence),
                _ => {}
            }
            return decisions;
        }
        if evidence.kind.has_credentials() {
            self.asking.followed(evidence);
        }
        match evidence.kind {
            Kind::Challenged => {
                let mut decisions = self.asked(evidence, false);
                decisions.extend(self.challenged(evidence));
                decisions
            }
            Kind::Refused => self.asked(evidence, true),
            Kind::Failed { .. } | Kind::UnknownAccount => self.failed(evidence),
            Kind::Named { .. } => self.named(evidence),
            Kind::Stale | Kind::Accepted | Kind::Charged { .. } => Vec::new(),
            Kind::Succeeded | Kind::Registered { .. } | Kind::Unregistered { .. } | Kind::Qualified => {
                self.worked(evidence)
            }
        }
    }
}

/// Gives back charges of the filter.
impl Guard {
    fn charged(&mut self, evidence: &Evidence, issued: bool, refused: bool) {
        let Evidence { at, source, ref account, .. } = *evidence;
        let budget = if issued { Budget::Issued } else { Budget::Other };
        self.guesses.answered(source, account.as_ref(), budget, refused, at);
    }

    /// Takes over the refunds of lines from before this guard was made.
    pub fn restore_given_back(
        &mut self,
        now: KernelTime,
        given: impl IntoIterator<Item = (IpAddr, GivenBack)>,
    ) {
        self.guesses.restore(now, given);
    }

    /// The total refunds of lines, where they have changed since the last call.
    pub fn take_given_back(&mut self) -> Vec<(IpAddr, GivenBack)> {
        self.guesses.take_changed()
    }

    /// Lines that nothing is to be remembered of any more.
    pub fn forget_given_back(&mut self, now: KernelTime) -> Vec<IpAddr> {
        self.guesses.expire(now, GUESSES_AT_ONCE)
    }

    /// Where accounts have worked since the last call, and until when that counts. `None`: more than are kept, so that
    /// [all](Self::worked_accounts) are to be looked at.
    pub fn take_worked(&mut self) -> Option<Vec<(IpAddr, Account, KernelTime)>> {
        let (proven, unproven) = (self.successes.take_fresh(), self.unproven_successes.take_fresh());
        let fresh = proven?.into_iter().chain(unproven?);
        let now = |(source, account, _)| {
            let until = self.remembered(SourceNet::of(source), &account);
            (source, account, until)
        };
        Some(fresh.map(now).collect())
    }

    /// Where accounts have worked, and until when that counts.
    pub fn worked_accounts(&self, now: KernelTime) -> impl Iterator<Item = (IpAddr, &Account, KernelTime)> {
        let unproven = self.unproven_successes.all(now).filter(move |(source, account, _)| {
            !self.successes.has_worked(SourceNet::of(*source), account, now)
        });
        self.successes.all(now).chain(unproven)
    }

    /// Until when an account is no guess at a place; zero: it never worked there.
    fn remembered(&self, source_net: SourceNet, account: &Account) -> KernelTime {
        self.successes
            .remembered(source_net, account)
            .max(self.unproven_successes.remembered(source_net, account))
    }
}

impl Default for Guard {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}
