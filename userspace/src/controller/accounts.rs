//! Commands about accounts: list, lock, unlock, show.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;

use super::{
    Controller,
    guard::matches_account,
    list_commands::{PAGE, Page},
    reply::Reply,
    retrying_store::SaveOutcome,
};
use crate::{
    caller::Who,
    clock::Clock,
    refusal::Refusal,
    store::{Suspended, Suspension},
    wire::{AccountFacts, closed, closing, seconds},
};
use sipward_api::{Accounts, Closing, Lock, Unlock, item};
use sipward_engine::guard::Order;
use sipward_kernel::SuspensionTarget;
use sipward_kernel::clock::now;
use sipward_types::{
    account::{Account, Status},
    time::Lifetime,
};

impl Controller {
    /// A page of the suspensions that match a query, after the one given.
    pub fn accounts(
        &self,
        which: &Accounts,
        after: Option<SuspensionTarget>,
    ) -> Page<item::Closed, SuspensionTarget> {
        let clock = Clock::read();
        let mut page = Page { lines: Vec::new(), next: None };
        for (target, suspension) in self.guard_runtime.enforced.suspensions_after(after, clock.kernel) {
            if asked(which, suspension) {
                page.lines.push(closed(suspension, &clock));
            }
            if page.lines.len() == PAGE {
                page.next = Some(*target);
                break;
            }
        }
        page
    }

    /// All that the controller knows of an account.
    pub fn account(&self, name: &str) -> Result<AccountFacts, Refusal> {
        let (account, clock) = (parse(name)?, Clock::read());
        let view = self.guard_runtime.guard.account(&account, clock.kernel);
        let suspensions = self.guard_runtime.enforced.suspensions(clock.kernel);
        Ok(AccountFacts {
            clock,
            status: view.as_ref().map_or(Status::Normal, |view| view.status),
            suspensions: suspensions
                .filter(|suspension| matches_account(suspension, &account))
                .cloned()
                .collect(),
            sources: view.map(|view| view.sources).unwrap_or_default(),
            history: self.history(None, Some(&account.to_string())),
            account,
        })
    }

    /// Accounts and ports that may not authenticate from a source.
    pub(super) fn suspensions_at(&self, source: IpAddr, clock: &Clock) -> Vec<Suspension> {
        let suspensions = self.guard_runtime.enforced.suspensions(clock.kernel);
        suspensions.filter(|suspension| suspension.source == Some(source)).cloned().collect()
    }

    /// True if a port of a source in the network is banned.
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
                "{account} could not be locked: the table of locks and suspensions is full, see `sipward \
                 account list`"
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

fn unless_saved(saved: SaveOutcome, account: &Account, reply: &mut Reply) {
    if let SaveOutcome::Unsaved(fault) = saved {
        reply.notice(format!("{account}: in force, but not saved, so a reboot would undo it: {fault}"));
    }
}

/// A query by name finds accounts only, not banned ports.
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

pub(super) fn parse(name: &str) -> Result<Account, Refusal> {
    Account::new(name.as_bytes()).ok_or_else(|| Refusal::wrong("an account needs a name"))
}
