//! Alerts, and how often they are raised: once an hour for each subject, 30 at once, and then one a minute.

use std::time::Duration;

use ipnet::IpNet;

use super::{
    Decision, GuardAction, Rule, Trigger,
    bounded_map::{BoundedMap, Evictable},
    score::{Score, WHOLE},
    time::is_recent,
};
use sipward_types::account::Account;
use sipward_types::time::KernelTime;
/// One of a rule about the same subject.
pub(super) const SILENCE: Duration = Duration::from_secs(3600);
/// Of all together: so many at once, and then one each minute.
pub(super) const BURST: u32 = 30;
const PAUSE: Duration = Duration::from_secs(60);
const SUBJECTS: usize = 4_096;

type AlertSubject = (Rule, Option<IpNet>, Option<Account>);

#[derive(Debug)]
pub(super) struct Alerts {
    last_raised: BoundedMap<AlertSubject, LastRaised>,
    lately: Score,
    pub(super) raised: u64,
    pub(super) withheld: u64,
}

#[derive(Debug, Default)]
struct LastRaised(Option<KernelTime>);

impl Evictable for LastRaised {
    fn weight(&self) -> usize {
        1
    }

    fn worth(&self) -> u32 {
        0
    }

    fn last(&self) -> KernelTime {
        self.0.unwrap_or_default()
    }
}

impl Default for Alerts {
    fn default() -> Self {
        Self { last_raised: BoundedMap::new(SUBJECTS), lately: Score::default(), raised: 0, withheld: 0 }
    }
}

impl Alerts {
    pub(super) fn raise(
        &mut self,
        at: KernelTime,
        source: Option<IpNet>,
        account: Option<Account>,
        trigger: Trigger,
    ) -> Option<Decision> {
        let subject = (trigger.rule, source, account);
        let last_raised = self.last_raised.get(&subject).and_then(|last_raised| last_raised.0);
        if last_raised.is_some_and(|last_raised| is_recent(last_raised, at, SILENCE)) {
            return None;
        }
        if self.lately.count(at, PAUSE) >= BURST {
            self.withheld += 1;
            return None;
        }
        self.lately.add(WHOLE, at, PAUSE);
        self.raised += 1;
        self.last_raised.change(&subject, |last_raised| last_raised.0 = Some(at));
        let (_, source, account) = subject;
        Some(Decision { at, action: GuardAction::Alert { source, account }, trigger })
    }
}
