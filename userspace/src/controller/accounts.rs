//! Accounts that may not authenticate, listed, locked and unlocked by hand.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;

use super::{
    Controller,
    explain::HISTORY,
    guard::matches_account,
    list_commands::{PAGE, Page, seconds},
    reply::Reply,
};
use crate::{
    caller::Who,
    clock::Clock,
    refusal::Refusal,
    store::{Suspended, Suspension},
};
use sipward_api::{Account as Name, Accounts, Audit, Closing, Lock, Unlock, item};
use sipward_engine::guard::{AccountAt, Order};
use sipward_kernel::SuspensionTarget;
use sipward_kernel::clock::now;
use sipward_types::{
    account::{Account, Status},
    time::{Lifetime, WallSeconds},
};

impl Controller {
    /// What may not authenticate, as far as it is asked for, after the one given.
    pub fn accounts(
        &self,
        which: &Accounts,
        after: Option<SuspensionTarget>,
    ) -> Page<item::Closed, SuspensionTarget> {
        let clock = Clock::read();
        let mut page = Page { lines: Vec::new(), next: None };
        for (target, suspension) in self.guard_runtime.enforced.suspensions_after(after, clock.kernel) {
            if asked(which, suspension) {
                page.lines.push(shown(suspension, &clock));
            }
            if page.lines.len() == PAGE {
                page.next = Some(*target);
                break;
            }
        }
        page
    }

    /// All that is known of an account, but for what only the daemon has seen.
    pub(super) fn account(&self, name: &Name, reply: &mut Reply) -> Result<(), Refusal> {
        let (account, clock) = (parse(&name.account)?, Clock::read());
        let view = self.guard_runtime.guard.account(&account, clock.kernel);
        let closed = self.guard_runtime.enforced.suspensions(clock.kernel);
        let closed = closed.filter(|suspension| matches_account(suspension, &account));
        let at = |at: &AccountAt| item::AccountSource {
            account: account.to_string(),
            source: at.source.to_string(),
            failures: at.failures,
            calls: at.calls,
            works_for: at.works_until.and_then(|until| seconds(clock.kernel.remaining(until))),
        };
        let mut history = Reply::default();
        // What cannot be read is no reason to say nothing else.
        let _ = self
            .audit(&Audit { limit: HISTORY, source: None, account: Some(account.to_string()) }, &mut history);
        reply.item(&item::Account {
            account: account.to_string(),
            status: view.as_ref().map_or(Status::Normal, |view| view.status),
            closed: closed.map(|suspension| shown(suspension, &clock)).collect(),
            sources: view.iter().flat_map(|view| &view.sources).map(at).collect(),
            diagnoses: None,
            history: history.items.into_iter().filter_map(|item| serde_json::from_value(item).ok()).collect(),
        });
        Ok(())
    }

    /// What may not authenticate from there.
    pub(super) fn closed_at(&self, source: IpAddr, clock: &Clock) -> Vec<item::Closed> {
        let closed = self.guard_runtime.enforced.suspensions(clock.kernel);
        closed.filter(|closed| closed.source == Some(source)).map(|closed| shown(closed, clock)).collect()
    }

    /// Whether a port of a source in it is banned.
    pub(super) fn has_banned_port(&self, net: IpNet, clock: &Clock) -> bool {
        let banned = |suspension: &Suspension| {
            closing(suspension) == Closing::Banned
                && suspension.source.is_some_and(|source| net.contains(&source))
        };
        self.guard_runtime.enforced.suspensions(clock.kernel).any(banned)
    }

    pub(super) fn lock(&mut self, lock: &Lock, who: &Who, reply: &mut Reply) -> Result<(), Refusal> {
        let (account, clock) = (parse(&lock.account)?, Clock::read());
        let lasts = lock.lasts.map_or(Lifetime::Forever, |lasts| Lifetime::For(Duration::from_secs(lasts)));
        let until = clock.kernel.expiry(lasts);
        let order = Order::Lock { account: account.clone(), until };
        let saved = self.order(&order, &who.name, lock.note.as_deref())?;
        let locked = self.guard_runtime.enforced.get(SuspensionTarget::account(None, &account), clock.kernel);
        if locked.is_none_or(|locked| locked.until != until) {
            return Err(Refusal::no(format!(
                "{account} could not be locked, as too much is locked or suspended already: see `sipward account list`"
            )));
        }
        unless_saved(saved, &account, reply);
        let expires_in = seconds(clock.kernel.remaining(until));
        reply.item(&item::Locked { locked: account.to_string(), expires_in });
        Ok(())
    }

    pub(super) fn unlock(&mut self, unlock: &Unlock, who: &Who, reply: &mut Reply) -> Result<(), Refusal> {
        let account = parse(&unlock.account)?;
        let order = match unlock.from {
            Some(source) => Order::UnlockAt { account: account.clone(), source: source.to_canonical() },
            None => Order::Unlock { account: account.clone() },
        };
        let lifted = self.lifted(&order, now());
        if lifted.is_empty() {
            return Err(Refusal::no(match unlock.from {
                Some(source) => format!("{account} is not suspended at {source}: see `sipward account list`"),
                None => format!("{account} is neither locked nor suspended: see `sipward account list`"),
            }));
        }
        let saved = self.order(&order, &who.name, None)?;
        unless_saved(saved, &account, reply);
        for SuspensionTarget { source, .. } in lifted {
            let source = source.map(|source| source.to_string());
            reply.item(&item::Unlocked { unlocked: account.to_string(), source });
        }
        Ok(())
    }
}

fn unless_saved(saved: Result<(), String>, account: &Account, reply: &mut Reply) {
    if let Err(fault) = saved {
        reply.notice(format!("{account}: in force, but not saved, so a reboot would undo it: {fault}"));
    }
}

/// What is banned is no account, and so nobody finds it by its name.
fn asked(which: &Accounts, suspension: &Suspension) -> bool {
    let named = |name: &String| {
        let text = suspension.what.to_string().to_lowercase();
        !matches!(suspension.what, Suspended::Flow(_) | Suspended::Asking)
            && text.contains(&name.to_lowercase())
    };
    which.status.is_none_or(|status| status == closing(suspension))
        && which.within.is_none_or(|within| suspension.source.is_some_and(|source| within.contains(&source)))
        && which.name.as_ref().is_none_or(named)
}

pub(super) const fn closing(suspension: &Suspension) -> Closing {
    match (&suspension.what, suspension.source) {
        (Suspended::Flow(_), _) => Closing::Banned,
        (Suspended::Asking, _) => Closing::Limited,
        (_, Some(_)) => Closing::Suspended,
        (_, None) => Closing::Locked,
    }
}

fn shown(suspension: &Suspension, clock: &Clock) -> item::Closed {
    let Suspension { what, source, until, since, who, trigger, strict } = suspension;
    let name = Some(what.to_string());
    let (account, flow) = match what {
        Suspended::Flow(_) | Suspended::Asking => (None, name),
        Suspended::Account(_) | Suspended::Hash(_) => (name, None),
    };
    item::Closed {
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

pub(super) fn parse(name: &str) -> Result<Account, Refusal> {
    Account::new(name.as_bytes()).ok_or_else(|| Refusal::wrong("an account needs a name"))
}
