//! Accounts and suspensions.

use super::{audit::audited, diagnosis::diagnosed, seconds};
use crate::{
    clock::Clock,
    store::{AuditEntry, Suspended, Suspension},
};
use sipward_api::{
    Closing,
    item::{self, AccountSource, Closed},
};
use sipward_engine::{
    guard::{AccountAt, SourceView},
    observe::Diagnosis,
};
use sipward_types::{
    account::{Account, Status},
    time::WallSeconds,
};

/// The controller's knowledge of an account.
#[derive(Debug)]
pub struct AccountFacts {
    pub clock: Clock,
    pub account: Account,
    pub status: Status,
    /// The lock and the suspensions.
    pub suspensions: Vec<Suspension>,
    pub sources: Vec<AccountAt>,
    pub history: Vec<AuditEntry>,
}

/// `diagnoses`: those of the daemon's observer, if one runs.
pub fn account(facts: AccountFacts, diagnoses: Option<&[Diagnosis]>) -> item::Account {
    let AccountFacts { clock, account, status, suspensions, sources, history } = facts;
    item::Account {
        account: account.to_string(),
        status,
        closed: suspensions.iter().map(|suspension| closed(suspension, &clock)).collect(),
        sources: sources.iter().map(|at| account_at(&account, at, &clock)).collect(),
        diagnoses: diagnoses.map(diagnosed),
        history: history.into_iter().map(audited).collect(),
    }
}

fn account_at(account: &Account, at: &AccountAt, clock: &Clock) -> AccountSource {
    AccountSource {
        account: account.to_string(),
        source: at.source.to_string(),
        failures: at.failures,
        calls: at.calls,
        works_for: at.works_until.and_then(|until| seconds(clock.kernel.remaining(until))),
    }
}

pub(super) fn accounts_of(view: &SourceView, clock: &Clock) -> Vec<AccountSource> {
    let here = view.accounts.iter().map(|here| AccountSource {
        account: here.account.to_string(),
        source: view.source.to_string(),
        failures: here.failures,
        calls: here.calls,
        works_for: here.works_until.and_then(|until| seconds(clock.kernel.remaining(until))),
    });
    here.collect()
}

/// A suspension, a lock, a ban of a port or a limit.
pub fn closed(suspension: &Suspension, clock: &Clock) -> Closed {
    let Suspension { what, source, until, since, who, trigger, strict } = suspension;
    let (account, flow) = what.names();
    Closed {
        account,
        flow,
        status: closing(suspension),
        source: source.map(|source| source.to_string()),
        strict: *strict && source.is_none(),
        expires_in: seconds(clock.kernel.remaining(*until)),
        until: clock.to_wall(*until).map(WallSeconds::get),
        since: since.seconds().get(),
        rule: trigger.rule.to_string(),
        count: trigger.count,
        seconds: trigger.seconds,
        who: who.clone(),
    }
}

pub const fn closing(suspension: &Suspension) -> Closing {
    match (&suspension.what, suspension.source) {
        (Suspended::Flow(_), _) => Closing::Banned,
        (Suspended::Asking, _) => Closing::Limited,
        (_, Some(_)) => Closing::Suspended,
        (_, None) => Closing::Locked,
    }
}
