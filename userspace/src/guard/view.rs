//! What the guard tells who asks: `account list`, `account show`, `explain`.

use std::{collections::BTreeSet, net::IpAddr};

use serde::{Deserialize, Serialize};

use super::{
    Account, Because, Guard,
    place::{Place, Same},
};

/// The accounts are the PBX's: whether one is disabled or has expired is the PBX's business. A hand's lock without an
/// end is what disables one here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Normal,
    /// From one source or several; from others it may go on.
    Suspended,
    Locked,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountView {
    pub account: Account,
    pub status: Status,
    pub lock: Option<Closed>,
    /// Ordered by source.
    pub sources: Vec<AccountAt>,
}

/// A suspension or a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    pub until: u64,
    pub because: Because,
}

/// An account at one source: an IPv4 address, or an IPv6 address, or /64 where several of it tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountAt {
    pub source: IpAddr,
    pub suspension: Option<Closed>,
    /// In a row, to register, and for other requests.
    pub failures: u32,
    pub calls: u32,
    /// It works from there, and is thought to until then.
    pub works_until: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceView {
    /// As it was asked for.
    pub source: IpAddr,
    /// With a budget; none: a stranger.
    pub phones: u32,
    pub known_until: Option<u64>,
    /// Of those phones: they have registered there, as far as was seen since the start.
    pub registered: u32,
    /// Ordered by account. Those that are suspended here, that fail, or that work.
    pub accounts: Vec<AccountHere>,
    /// Accounts that failed lately, as the rule of many accounts counts them.
    pub failing: u32,
    /// Accounts in a row that were asked for in vain.
    pub sequence: u32,
    /// Quick suspensions that are not forgotten yet, in thousandths.
    pub persistence: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountHere {
    pub account: Account,
    pub suspension: Option<Closed>,
    pub failures: u32,
    pub calls: u32,
    pub works_until: Option<u64>,
}

/// What the guard has seen and what it had to leave out, since it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    pub evidence: u64,
    /// Of it: what anybody could have sent. No decision but alerts came of it.
    pub forgeable: u64,
    /// Suspensions and locks that there was no room for.
    pub closed_refused: u64,
    /// Known sources and phones that there was no room for.
    pub known_refused: u64,
    /// Flows of known sources that there was no room for.
    pub flows_refused: u64,
    /// Sources and accounts whose failures were forgotten before their time, to make room.
    pub forgotten: u64,
    pub alerts: u64,
    /// Alerts that were not raised, because there were too many.
    pub alerts_withheld: u64,
}

impl Guard {
    /// `None`: nothing is known of it. Looks through all that is remembered: for a person who asks.
    pub fn account(&self, account: &Account, now: u64) -> Option<AccountView> {
        let mut sources = self.suspended_at(account, now);
        let suspended: BTreeSet<Place> = sources.iter().copied().map(Place::of).collect();
        let failing =
            self.trails.iter().filter(|(place, trail)| !place.is_wide() && trail.pairs.contains_key(account));
        let others = failing.map(|(place, _)| *place).chain(self.familiar.places_of(account, now));
        let others = others.filter(|place| !suspended.contains(place));
        sources.extend(others.map(|place| self.address(account, place)));
        let view = self.view(account, sources, now);
        (view.lock.is_some() || !view.sources.is_empty()).then_some(view)
    }

    /// Accounts that are suspended or locked, ordered, with the sources where they are suspended.
    pub fn accounts(&self, now: u64) -> Vec<AccountView> {
        let closed = self.closed.iter().filter(|(_, closed)| closed.until > now);
        let names: BTreeSet<&Account> = closed.map(|(door, _)| &door.0).collect();
        names.into_iter().map(|account| self.view(account, self.suspended_at(account, now), now)).collect()
    }

    fn suspended_at(&self, account: &Account, now: u64) -> BTreeSet<IpAddr> {
        let doors = self.closed.of_account(account).filter(|(_, closed)| closed.until > now);
        doors.filter_map(|(door, _)| door.1).collect()
    }

    fn view(&self, account: &Account, sources: BTreeSet<IpAddr>, now: u64) -> AccountView {
        let sources = sources.into_iter().map(|source| {
            let AccountHere { suspension, failures, calls, works_until, .. } =
                self.here(account, source, now);
            AccountAt { source, suspension, failures, calls, works_until }
        });
        let says_something = |at: &AccountAt| {
            at.suspension.is_some() || at.failures + at.calls > 0 || at.works_until.is_some()
        };
        let sources: Vec<AccountAt> = sources.filter(says_something).collect();
        let lock = self.closed.get(account, None, now);
        let status = if lock.is_some() {
            Status::Locked
        } else if sources.iter().any(|at| at.suspension.is_some()) {
            Status::Suspended
        } else {
            Status::Normal
        };
        AccountView { account: account.clone(), status, lock, sources }
    }

    /// `None`: nothing is known of it.
    pub fn source(&self, source: IpAddr, now: u64) -> Option<SourceView> {
        let (settings, place) = (&self.settings, Place::of(source));
        let (phones, until) = self.known.of(source, now, &settings.known);
        let trail = self.trails.get(&place);
        let failing = trail.into_iter().flat_map(|trail| trail.pairs.keys());
        let suspended = self.closed.of_net(source.into()).map(|door| door.0);
        let works = self.familiar.accounts_at(place, now);
        let names: BTreeSet<Account> = suspended.chain(failing.chain(works).cloned()).collect();
        let accounts: Vec<AccountHere> = names
            .iter()
            .map(|account| self.here(account, source, now))
            .filter(|here| {
                here.suspension.is_some() || here.failures + here.calls > 0 || here.works_until.is_some()
            })
            .collect();
        let is_guess = |account: &Account| !self.familiar.has_worked(place, account, now);
        let view = SourceView {
            source,
            phones,
            known_until: (phones > 0).then_some(until),
            registered: self.known.registered(source, now, &settings.known),
            accounts,
            failing: trail.map_or(0, |trail| trail.many_accounts(now, settings, is_guess).count),
            sequence: trail.map_or(0, |trail| trail.sequence.longest(now, settings.sequential.within)),
            persistence: trail
                .map_or(0, |trail| trail.persistent.score.thousandths(now, settings.persistent.within)),
        };
        let is_any = phones > 0 || !view.accounts.is_empty() || view.sequence > 0 || view.persistence > 0;
        is_any.then_some(view)
    }

    pub const fn counters(&self) -> Counters {
        Counters {
            evidence: self.evidence,
            forgeable: self.forgeable,
            closed_refused: self.closed.refused(),
            known_refused: self.known.refused(),
            flows_refused: self.flows.refused(),
            forgotten: self.trails.forgotten() + self.crowds.forgotten() + self.doubtful.forgotten(),
            alerts: self.alerts.raised + self.doubtful.alerts.raised,
            alerts_withheld: self.alerts.withheld + self.doubtful.alerts.withheld,
        }
    }

    fn here(&self, account: &Account, source: IpAddr, now: u64) -> AccountHere {
        let place = Place::of(source);
        let pair = self.trails.get(&place).and_then(|trail| trail.pairs.get(account));
        let (failures, calls) = pair.map_or((0, 0), |pair| pair.failures(now));
        AccountHere {
            account: account.clone(),
            suspension: self.closed.get(account, Some(source), now),
            failures,
            calls,
            works_until: self.familiar.works_until(place, account, now),
        }
    }

    /// The one that was seen, where it is only one.
    fn address(&self, account: &Account, place: Place) -> IpAddr {
        let pair = self.trails.get(&place).and_then(|trail| trail.pairs.get(account));
        match pair.map(|pair| pair.addresses) {
            Some(Same::One(address)) => address,
            _ => place.net().addr(),
        }
    }
}
