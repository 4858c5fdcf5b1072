//! Decisions as events.

use ipnet::IpNet;

use super::{account::closing, seconds};
use crate::{caller::Who, clock::Clock, store::Suspension};
use sipward_api::{Closing, item::Decided, name::DecisionName};
use sipward_engine::{
    false_positives::{DAY, Tally},
    guard::Trigger,
};
use sipward_types::{address::show, time::KernelTime};

/// A decision, by the guard or by hand.
#[derive(Clone, Debug)]
pub struct DecisionFacts {
    pub name: DecisionName,
    pub account: Option<String>,
    /// `None`: any source.
    pub source: Option<IpNet>,
    pub flow: Option<String>,
    pub trigger: Trigger,
    /// Kernel time.
    pub until: Option<KernelTime>,
    pub note: Option<String>,
}

impl DecisionFacts {
    pub const fn new(name: DecisionName, trigger: Trigger) -> Self {
        Self { name, account: None, source: None, flow: None, trigger, until: None, note: None }
    }

    pub fn about(name: DecisionName, suspension: &Suspension, trigger: Trigger) -> Self {
        let (account, flow) = suspension.what.names();
        Self { account, flow, source: suspension.source.map(IpNet::from), ..Self::new(name, trigger) }
    }

    /// A suspension that comes into force.
    pub fn of_suspension(suspension: &Suspension, trigger: Trigger) -> Self {
        let name = match closing(suspension) {
            Closing::Suspended => DecisionName::Suspended,
            Closing::Locked => DecisionName::Locked,
            Closing::Banned => DecisionName::Banned,
            Closing::Limited => DecisionName::Limited,
        };
        Self { until: Some(suspension.until), ..Self::about(name, suspension, trigger) }
    }
}

pub fn decided(facts: &DecisionFacts, who: &str, clock: &Clock) -> Decided {
    let DecisionFacts { name, account, source, flow, trigger, until, note } = facts.clone();
    Decided {
        ts: clock.wall.as_millis() as f64 / 1e3,
        decision: name,
        account,
        source: source.map(show),
        flow,
        expires_in: until.and_then(|until| seconds(clock.kernel.remaining(until))),
        rule: trigger.rule.to_string(),
        count: trigger.count,
        seconds: trigger.seconds,
        who: who.to_owned(),
        note,
    }
}

/// The event of a rule that hit sources that authenticated later.
pub fn flagged(rule: &str, tally: &Tally, consequence: &str, clock: &Clock) -> Decided {
    let Tally { sources, authenticated, .. } = tally;
    Decided {
        ts: clock.wall.seconds().get() as f64,
        decision: DecisionName::Flagged,
        account: None,
        source: None,
        flow: None,
        expires_in: None,
        rule: rule.to_owned(),
        count: u32::try_from(*authenticated).unwrap_or(u32::MAX),
        seconds: DAY.as_secs() as u32,
        who: Who::sipward().name,
        note: Some(format!("{authenticated} of {sources} sources authenticated within a day; {consequence}")),
    }
}
