//! The feed of what is in force, for programs that answer phones themselves.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{DecisionFacts, seconds};
use crate::store::{Suspended, Suspension};
use sipward_api::{
    in_force::{self, InForce, SuspendedPackets, Worked},
    name::{DecisionName, FilterMode},
};
use sipward_engine::guard::{Retries, Rule, Settings};
use sipward_types::{account::Account, address::show, time::KernelTime};

/// All that is in force about accounts.
#[derive(Debug)]
pub struct InForceFacts {
    pub enforces: bool,
    pub passes_suspended: bool,
    pub guard_settings: Settings,
    pub changes: Vec<InForceChange>,
}

/// The state of one account at one source, or of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InForceChange {
    Suspended { account: String, source: Option<IpAddr>, strict: bool, until: KernelTime },
    Lifted { account: String, source: Option<IpAddr> },
    Worked { account: Account, source: IpAddr, until: KernelTime },
    Banned { net: IpNet, until: KernelTime },
    Unbanned { net: IpNet },
}

impl InForceChange {
    /// `None`: it is about no account.
    pub fn of_suspension(suspension: &Suspension) -> Option<Self> {
        let Suspension { what, source, until, strict, .. } = suspension;
        match what {
            Suspended::Account(_) | Suspended::Hash(_) => Some(Self::Suspended {
                account: what.to_string(),
                source: *source,
                strict: *strict && source.is_none(),
                until: *until,
            }),
            Suspended::Flow(_) | Suspended::Asking => None,
        }
    }

    /// `None`: it changes nothing about an account.
    pub fn of_decision(facts: &DecisionFacts) -> Option<Self> {
        let (account, source) = (facts.account.clone()?, facts.source.map(|net| net.addr()));
        match facts.name {
            DecisionName::Suspended | DecisionName::Locked => Some(Self::Suspended {
                account,
                source,
                strict: facts.trigger.rule == Rule::Hand && source.is_none(),
                until: facts.until?,
            }),
            DecisionName::Lifted => Some(Self::Lifted { account, source }),
            DecisionName::Limited | DecisionName::Banned | DecisionName::Alert | DecisionName::Flagged => {
                None
            }
        }
    }
}

pub fn in_force_settings(facts: &InForceFacts) -> in_force::Settings {
    let count = |retries: Retries| retries.on.then_some(retries.retries);
    in_force::Settings {
        mode: FilterMode::of(facts.enforces),
        suspended: if facts.passes_suspended { SuspendedPackets::Pass } else { SuspendedPackets::Drop },
        retries: count(facts.guard_settings.suspend),
        call_retries: count(facts.guard_settings.calls),
    }
}

pub fn in_force(change: &InForceChange, now: KernelTime) -> InForce {
    match change.clone() {
        InForceChange::Suspended { account, source, strict, until } => {
            let expires_in = seconds(now.remaining(until));
            InForce::Suspended(in_force::Suspension { account, source, strict, expires_in })
        }
        InForceChange::Lifted { account, source } => InForce::Lifted { account, source },
        InForceChange::Worked { account, source, until } => InForce::Worked(Worked {
            account: account.to_string(),
            source,
            expires_in: until.since(now).as_secs(),
        }),
        InForceChange::Banned { net, until } => {
            InForce::Banned { source: show(net), expires_in: seconds(now.remaining(until)) }
        }
        InForceChange::Unbanned { net } => InForce::Unbanned { source: show(net) },
    }
}
